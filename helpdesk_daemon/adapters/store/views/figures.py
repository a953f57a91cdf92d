"""The figures of `status`: how things stand now, and what today brought; costs as much as today, not as all history."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Integer, cast, func, select

from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.schema.labels import examples
from helpdesk_daemon.adapters.store.schema.mail import arrivals, mailboxes, outbox
from helpdesk_daemon.adapters.store.schema.telling import incidents
from helpdesk_daemon.adapters.store.schema.tickets import tickets
from helpdesk_daemon.adapters.store.telling import health

Row = dict[str, Any]
WAITING = ("pending", "claimed")
UNSENT = ("pending", "sending", "deferred", "failed", "ambiguous", "held")


def figures(engine: Engine, now: datetime) -> Row:
    """Everything `status` shows of the database, at one moment."""
    with transaction(engine) as connection:
        breaker, due = health.open_breaker(connection), health.oldest_due(connection, now)
        return {
            "mailboxes": _rows(connection, select(mailboxes).order_by(mailboxes.c.mailbox, mailboxes.c.folder)),
            "arrivals": by_state(connection, arrivals, WAITING) | {"oldest": health.oldest_pending(connection)},
            "outbox": by_state(connection, outbox, UNSENT) | {"oldest_due": due.next_attempt_at if due else None},
            "breaker": {"opened_at": breaker.opened_at, "reason": breaker.reason} if breaker else None,
            "incidents": incident_rows(connection),
            "examples": _examples(connection),
            "today": _today(connection, now.replace(hour=0, minute=0, second=0, microsecond=0)),
        }


def _rows(connection: Connection, wanted: Any) -> list[Row]:
    return [dict(row) for row in connection.execute(wanted).mappings()]


def by_state(connection: Connection, table: Any, states: tuple[str, ...]) -> Row:
    """How many rows of a table are in each of some states."""
    wanted = select(table.c.state, func.count()).where(table.c.state.in_(states)).group_by(table.c.state)
    found: dict[str, int] = dict(connection.execute(wanted).all())
    return {state: found.get(state, 0) for state in states}


def incident_rows(connection: Connection, limit: int = 100, recovered: bool = False) -> list[Row]:
    """Incidents people were told of, newest first; `recovered` adds those that are over."""
    wanted = select(incidents).where(incidents.c.opened_at.is_not(None)).order_by(incidents.c.id.desc()).limit(limit)
    return _rows(connection, wanted if recovered else wanted.where(incidents.c.recovered_at.is_(None)))


def incident_list(engine: Engine, limit: int, recovered: bool) -> list[Row]:
    """See `incident_rows`."""
    with transaction(engine) as connection:
        return incident_rows(connection, limit, recovered)


def _examples(connection: Connection) -> Row:
    def by(column: Any) -> Row:
        counted = select(column, func.count()).where(examples.c.active).group_by(column).order_by(column)
        return dict(connection.execute(counted).all())

    return {"by_source": by(examples.c.source), "by_model": by(examples.c.model)}


def _today(connection: Connection, midnight: datetime) -> Row:
    """What came in, and what became of it, since midnight UTC."""
    before = select(arrivals.c.id).where(arrivals.c.fetched_at < midnight).order_by(arrivals.c.id.desc()).limit(1)
    last = connection.execute(before).scalar() or 0
    ended = select(arrivals.c.state, func.count()).where(arrivals.c.id > last).group_by(arrivals.c.state)
    by_state: dict[str, int] = dict(connection.execute(ended).all())
    review, unanswered = cast(tickets.c.needs_review, Integer), cast(tickets.c.not_acknowledged != "", Integer)
    each = connection.execute(
        select(tickets.c.department, func.count().label("tickets"), func.sum(review), func.sum(unanswered))
        .where(tickets.c.created_at >= midnight)
        .group_by(tickets.c.department)
        .order_by(func.count().desc(), tickets.c.department)
    ).all()
    opened = sum(row[1] for row in each)
    return {
        "mails": sum(by_state.values()), "by_state": by_state, "tickets": opened,
        "review": sum(row[2] for row in each), "acknowledged": opened - sum(row[3] for row in each),
        "departments": {row[0]: row[1] for row in each},
    }  # fmt: skip
