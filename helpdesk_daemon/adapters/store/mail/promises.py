"""Facts about promises, noted in the transaction that changes a ticket; the SLA stage works out what follows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, exists, insert, select, update

from helpdesk_daemon.adapters.store.bulk import insert_rows
from helpdesk_daemon.adapters.store.schema.sla import sla, sla_pauses
from helpdesk_daemon.ports import Outcome
from helpdesk_daemon.tickets.sla import STOPPED
from helpdesk_daemon.tickets.ticket import State, Ticket

_look_again = (
    update(sla)
    .where(sla.c.ticket == bindparam("on"))
    .values(revision=sla.c.revision + 1, next_at=sla.c.started_at)  # long past, wherever the clock stands
)


def note(connection: Connection, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Note what outcomes mean for promises, in the caller's transaction.

    What a mail does it did when it was received, however late it is decided.
    """
    insert_rows(connection, sla, [_given(o.opened) for o in outcomes if o.opened])
    for outcome in outcomes:
        if outcome.change:
            connection.execute(_look_again, {"on": outcome.change.ticket})
            if outcome.change.state is not None:
                at = outcome.message.at if outcome.message else now
                _run(connection, outcome.change.ticket, outcome.change.state, at)


def _given(ticket: Ticket) -> dict[str, Any]:
    return {
        "ticket": ticket.id, "department": ticket.department,
        "started_at": ticket.created_at, "response_hours": ticket.sla_hours, "response_due_at": ticket.due_at,
        "next_at": ticket.created_at,
    }  # fmt: skip


def _run(connection: Connection, ticket: str, state: State, at: datetime) -> None:
    """Stop the promises of a ticket, or let them run, as its new state asks."""
    lasting = sla_pauses.c.ticket == ticket, sla_pauses.c.ended_at.is_(None)
    if state not in STOPPED:
        connection.execute(update(sla_pauses).where(*lasting).values(ended_at=at))
    elif not connection.execute(select(exists().where(*lasting))).scalar():
        connection.execute(insert(sla_pauses).values(ticket=ticket, began_at=at))
    closed_at = at if state == State.CLOSED else None
    connection.execute(update(sla).where(sla.c.ticket == ticket).values(closed_at=closed_at))
