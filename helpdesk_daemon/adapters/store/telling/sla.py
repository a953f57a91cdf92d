"""Promises on tickets: what is due is found by an index, all that a look leads to is one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, func, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.bulk import chunks, insert_rows
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.mail.decisions import ticket_of
from helpdesk_daemon.adapters.store.mail.outbox import outbox_row
from helpdesk_daemon.adapters.store.schema.mail import arrivals, mailboxes, outbox
from helpdesk_daemon.adapters.store.schema.sla import sla, sla_mails, sla_pauses
from helpdesk_daemon.adapters.store.schema.tickets import tickets
from helpdesk_daemon.outgoing.message import Outgoing
from helpdesk_daemon.ports import Audit, Clock
from helpdesk_daemon.ports.sla import Commitment, Mailed
from helpdesk_daemon.tickets.sla import Pause, Progress, Promise, Signal, Target
from helpdesk_daemon.tickets.ticket import Ticket

KEPT = ("department", "calendar", "rules", "next_at")  # columns named like the attributes
OF_PROMISE = ("hours", "due_at", "reminded_at", "escalated_at")  # the same behind the name of the promise


def _as_seen() -> Any:
    """Writes a row that nobody changed since it was read."""
    names = [*KEPT, *Target, *(f"{target}_{name}" for target in Target for name in OF_PROMISE)]
    values = {name: bindparam(f"new_{name}", type_=sla.c[name].type) for name in names}
    return update(sla).where(sla.c.ticket == bindparam("on"), sla.c.revision == bindparam("seen")).values(values)


_settle = _as_seen()
_promised = (
    update(tickets)
    .where(tickets.c.id == bindparam("on"))
    .values(due_at=bindparam("due", type_=tickets.c.due_at.type), zone=bindparam("shown"))
)
_new_mailed = upsert(sla_mails)
_mailed = _new_mailed.on_conflict_do_update(
    index_elements=["mailbox", "department", "signal"], set_={"at": _new_mailed.excluded.at}
)


class Overtaken(Exception):
    """Others changed what was looked at; ends the transaction."""


class Sla:
    """`SlaStore` on the database."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    def due(self, now: datetime) -> list[Commitment]:
        """See `SlaStore.due`."""
        wanted = select(sla).where(sla.c.next_at <= now).order_by(sla.c.next_at, sla.c.ticket)
        with transaction(self._engine) as connection:
            rows = connection.execute(wanted).all()
            ids = [row.ticket for row in rows]
            found = {row.id: row for chunk in chunks(ids) for row in connection.execute(
                select(tickets).where(tickets.c.id.in_(chunk)))}  # fmt: skip
            pauses = _pauses(connection, ids)
        return [_commitment(row, found[row.ticket], tuple(pauses[row.ticket])) for row in rows]

    def mailed(self) -> dict[Mailed, datetime]:
        """See `SlaStore.mailed`."""
        with transaction(self._engine) as connection:
            rows = connection.execute(select(sla_mails)).all()
        return {(row.mailbox, row.department, Signal(row.signal)): row.at for row in rows}

    def rules_changed(self, mailbox: str, rules: str) -> int:
        """See `SlaStore.rules_changed`."""
        of_mailbox = select(tickets.c.id).where(tickets.c.id == sla.c.ticket, tickets.c.mailbox == mailbox)
        with transaction(self._engine) as connection:
            return connection.execute(
                update(sla)
                .where(sla.c.next_at.is_not(None), sla.c.rules != rules, of_mailbox.exists())
                .values(next_at=sla.c.started_at)
            ).rowcount

    def is_behind(self, since: datetime, mailboxes_: Sequence[str]) -> bool:
        """See `SlaStore.is_behind`."""
        undecided = select(arrivals.c.id).where(arrivals.c.state.in_(("pending", "claimed"))).limit(1)
        polled = select(func.count(mailboxes.c.mailbox.distinct())).where(
            mailboxes.c.mailbox.in_(list(mailboxes_)), mailboxes.c.polled_at >= since
        )
        with transaction(self._engine) as connection:
            if connection.execute(undecided).first():
                return True
            return int(connection.execute(polled).scalar_one()) < len(mailboxes_)

    def settle(
        self, looked_at: Sequence[Commitment], mailed: Mapping[Mailed, datetime], mails: Sequence[Outgoing],
        lines: Sequence[Audit],
    ) -> bool:  # fmt: skip
        """See `SlaStore.settle`."""
        now = self._clock.now()
        try:
            with transaction(self._engine) as connection:
                if looked_at and connection.execute(_settle, [_row(c) for c in looked_at]).rowcount < len(looked_at):
                    raise Overtaken
                if looked_at:
                    connection.execute(_promised, [_ticket_row(c.ticket) for c in looked_at])
                if mailed:
                    keys = ("mailbox", "department", "signal", "at")
                    connection.execute(_mailed, [dict(zip(keys, (*k, at), strict=True)) for k, at in mailed.items()])
                insert_rows(connection, outbox, [outbox_row(mail, None, now) for mail in mails])
                audit.append(connection, lines, now)
        except Overtaken:
            return False
        return True


def _pauses(connection: Connection, ids: Sequence[str]) -> Mapping[str, list[Pause]]:
    found: defaultdict[str, list[Pause]] = defaultdict(list)
    for chunk in chunks(ids):
        wanted = select(sla_pauses).where(sla_pauses.c.ticket.in_(chunk)).order_by(sla_pauses.c.id)
        for row in connection.execute(wanted):
            found[row.ticket].append(Pause(row.began_at, row.ended_at))
    return found


def _commitment(row: Row[Any], of: Row[Any], pauses: tuple[Pause, ...]) -> Commitment:
    closed_at = row.closed_at or of.closed_at  # the latter is all there is where somebody closed it in the database
    resolution = _promise(row, Target.RESOLUTION) if row.resolution_hours is not None else None
    return Commitment(
        ticket=ticket_of(of), department=row.department, started_at=row.started_at,
        answered_at=of.first_answer_at, closed_at=closed_at, pauses=pauses,
        response=_promise(row, Target.RESPONSE), resolution=resolution, calendar=row.calendar, rules=row.rules,
        next_at=row.next_at, revision=row.revision,
    )  # fmt: skip


def _promise(row: Row[Any], target: Target) -> Promise:
    columns = row._mapping
    named = {name: columns[f"{target}_{name}"] for name in OF_PROMISE}
    return Promise(progress=Progress(columns[target]), **named)


def _row(c: Commitment) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(c, name) for name in KEPT}
    for target, promise in ((Target.RESPONSE, c.response), (Target.RESOLUTION, c.resolution)):
        values[target] = promise.progress.value if promise else ""
        values |= {f"{target}_{name}": getattr(promise, name) if promise else None for name in OF_PROMISE}
    return {"on": c.ticket.id, "seen": c.revision} | {f"new_{name}": value for name, value in values.items()}


def _ticket_row(ticket: Ticket) -> dict[str, Any]:
    return {"on": ticket.id, "due": ticket.due_at, "shown": ticket.zone}
