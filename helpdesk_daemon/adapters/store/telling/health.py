"""What the database says about how the installation fares; a question costs as much as is at hand, not as was ever."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from helpdesk_daemon.adapters.store.schema.columns import iso
from helpdesk_daemon.adapters.store.schema.log import audit_detail, audit_log
from helpdesk_daemon.adapters.store.schema.mail import arrivals, breakers, mailboxes, outbox
from helpdesk_daemon.adapters.store.schema.tickets import tickets

MOST = 1_000  # events looked at; beyond that the number says enough


def polls(connection: Connection) -> dict[str, Row[Any, Any]]:
    """How the polls of each mailbox end, by its name; of the folder polled last."""
    return {row.mailbox: row for row in connection.execute(select(mailboxes).order_by(mailboxes.c.polled_at))}


def oldest_pending(connection: Connection) -> datetime | None:
    """When the oldest mail was fetched that is not decided."""
    each = (
        connection.execute(
            select(arrivals.c.fetched_at).where(arrivals.c.state == state).order_by(arrivals.c.id).limit(1)
        ).scalar()
        for state in ("pending", "claimed")
    )
    return min((at for at in each if at), default=None)


def oldest_due(connection: Connection, now: datetime) -> Row[Any, Any] | None:
    """The outgoing mail that has been due for longest, with the last words of the server."""
    each = (
        connection.execute(
            select(outbox.c.next_attempt_at, outbox.c.last_reply)
            .where(outbox.c.state == state, outbox.c.next_attempt_at <= now)
            .order_by(outbox.c.next_attempt_at)
            .limit(1)
        ).first()
        for state in ("pending", "deferred", "sending")
    )
    return min((row for row in each if row), key=lambda row: row.next_attempt_at, default=None)


def open_breaker(connection: Connection) -> Row[Any, Any] | None:
    """The circuit breaker, where it is open."""
    return connection.execute(select(breakers).where(breakers.c.released_at.is_(None))).first()


def events(connection: Connection, event: str, since: datetime) -> list[dict[str, Any]]:
    """The details of the audit lines of one event since a moment, with their `ticket`; erased ones are left out."""
    wanted = (
        select(audit_log.c.ticket, audit_detail.c.detail)
        .join(audit_detail, audit_detail.c.seq == audit_log.c.seq)
        .where(audit_log.c.event == event, audit_log.c.at >= iso(since), audit_detail.c.detail != "")
        .order_by(audit_log.c.at.desc())
        .limit(MOST)
    )
    return [json.loads(row.detail) | {"ticket": row.ticket} for row in connection.execute(wanted)]


def still(connection: Connection, table: Table, numbers: Sequence[int], state: str) -> list[int]:
    """Those of some arrivals or outgoing mails that are in a state; found by number, however many others are in it."""
    if not numbers:
        return []
    found = connection.execute(select(table.c.id, table.c.state).where(table.c.id.in_(numbers)))
    return [row.id for row in found if row.state == state]


def departments(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Name and address of the department of each of some tickets."""
    if not ids:
        return {}
    wanted = select(tickets.c.id, tickets.c.department, tickets.c.address).where(tickets.c.id.in_(ids))
    return {row.id: (row.department, row.address) for row in connection.execute(wanted)}
