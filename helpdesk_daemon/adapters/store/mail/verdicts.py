"""Facts that watching needs, noted with the decision: what mail was like, what people say of decisions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from helpdesk_daemon.adapters.store.bulk import insert_rows
from helpdesk_daemon.adapters.store.schema.deciding import decisions
from helpdesk_daemon.adapters.store.schema.watching import sightings, verdicts
from helpdesk_daemon.ports import Outcome

DAEMON = "daemon"
CORRECTION, CONFIRMATION, CLOSING = "correction", "confirmation", "closing"


def note(connection: Connection, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Note what outcomes tell of decisions, in the caller's transaction."""
    insert_rows(connection, sightings, [_sighting(o) for o in outcomes if o.opened and o.decision and o.sighting])
    for outcome in outcomes:
        if outcome.decision and not outcome.opened and outcome.actor != DAEMON:
            _judge(connection, outcome.ticket, outcome.decision.category, now)
        elif _closes(outcome):
            _judge(connection, outcome.ticket, None, now)


def _sighting(o: Outcome) -> dict[str, Any]:
    assert o.opened and o.decision and o.sighting
    return {
        "ticket": o.opened.id, "at": o.opened.created_at, "category": o.decision.category,
        "department": o.decision.department.name, "confidence": o.decision.confidence,
        "needs_review": o.decision.needs_review, "scope": o.sighting.scope, "usual": o.sighting.usual,
        "vector": o.sighting.vector,
    }  # fmt: skip


def _closes(o: Outcome) -> bool:
    """Whether a person is done with a ticket; spam and merged tickets are closed by other events."""
    return any(line.event == "ticket.closed" and line.actor != DAEMON for line in o.audit)


def _judge(connection: Connection, ticket: str, said: str | None, now: datetime) -> None:
    """Write down what a person says of a ticket's first decision; `said` is a category, None for closing as it is.

    The last word counts, but closing takes back no word.
    """
    first = connection.execute(
        select(decisions).where(decisions.c.ticket == ticket).order_by(decisions.c.id).limit(1)
    ).first()
    if first is None or first.actor != DAEMON or not first.category:
        return
    known = connection.execute(select(verdicts.c.said_by).where(verdicts.c.ticket == ticket)).scalar()
    if said is None and known is not None:
        return
    right = said is None or said == first.category
    said_by = CLOSING if said is None else CONFIRMATION if right else CORRECTION
    connection.execute(delete(verdicts).where(verdicts.c.ticket == ticket))
    connection.execute(insert(verdicts).values(
        ticket=ticket, at=now, said_by=said_by, right=right, category=first.category, department=first.department,
        confidence=first.confidence, needs_review=first.needs_review, by_rule='"category"' in first.set_by,
    ))  # fmt: skip
