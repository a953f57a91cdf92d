"""What commands and pages read: never writes, never waits for the daemon."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Engine, Select, func, select, text

from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.mail.arrivals import unpack
from helpdesk_daemon.adapters.store.observing.accuracy import crowds_of
from helpdesk_daemon.adapters.store.schema.deciding import decisions
from helpdesk_daemon.adapters.store.schema.log import audit_detail, audit_log
from helpdesk_daemon.adapters.store.schema.mail import arrivals, breakers, outbox, suppressions
from helpdesk_daemon.adapters.store.schema.sla import sla
from helpdesk_daemon.adapters.store.schema.tickets import messages, participants, tickets

Row = dict[str, Any]


def _rows(engine: Engine, wanted: Select[Any]) -> list[Row]:
    with transaction(engine) as connection:
        return [dict(row) for row in connection.execute(wanted).mappings()]


def ticket_list(
    engine: Engine, limit: int, state: str = "", department: str = "", text_: str = "", review: bool = False,
    mailbox: str = "", missed: bool = False,
) -> list[Row]:  # fmt: skip
    """The newest tickets, with the confidence and rule of their latest decision."""
    each = decisions.alias()
    latest = select(func.max(each.c.id)).where(each.c.ticket == tickets.c.id).correlate(tickets).scalar_subquery()
    wanted = (
        select(tickets, decisions.c.confidence, decisions.c.rule, sla.c.response, sla.c.resolution)
        .select_from(tickets)
        .outerjoin(decisions, decisions.c.id == latest)
        .outerjoin(sla, sla.c.ticket == tickets.c.id)
        .order_by(tickets.c.created_at.desc(), tickets.c.id)
        .limit(limit)
    )
    if state:
        wanted = wanted.where(tickets.c.state == state)
    if department:
        wanted = wanted.where(tickets.c.department == department)
    if mailbox:
        wanted = wanted.where(tickets.c.mailbox == mailbox)
    if review:
        wanted = wanted.where(tickets.c.needs_review)
    if missed:
        wanted = wanted.where((sla.c.response == "missed") | (sla.c.resolution == "missed"))
    if text_:
        wanted = wanted.where(
            tickets.c.subject.contains(text_, autoescape=True)
            | tickets.c.requester_email.contains(text_, autoescape=True)
        )
    return _rows(engine, wanted)


def ticket(engine: Engine, ticket_id: str) -> Row | None:
    """One ticket with its messages, decisions and outgoing mails; None when there is none."""
    found = _rows(engine, select(tickets).where(tickets.c.id == ticket_id))
    if not found:
        return None
    story = found[0]
    story["crowds"] = [asdict(crowd) for crowd in crowds_of(engine, ticket_id)]
    story["sla"] = next(iter(_rows(engine, select(sla).where(sla.c.ticket == ticket_id))), None)
    story["messages"] = _rows(engine, select(messages).where(messages.c.ticket == ticket_id).order_by(messages.c.id))
    story["decisions"] = [
        row | {name: json.loads(row[name]) for name in ("neighbours", "set_by", "tags")}
        for row in _rows(engine, select(decisions).where(decisions.c.ticket == ticket_id).order_by(decisions.c.id))
    ]
    story["outgoing"] = _rows(
        engine,
        select(*(c for c in outbox.c if c.name != "mime")).where(outbox.c.ticket == ticket_id).order_by(outbox.c.id),
    )
    return story


def outbox_list(engine: Engine, states: Sequence[str], limit: int) -> list[Row]:
    """Outgoing mails, newest first; all states when none is named."""
    columns = [c for c in outbox.c if c.name != "mime"]
    wanted = select(*columns).order_by(outbox.c.id.desc()).limit(limit)
    return _rows(engine, wanted.where(outbox.c.state.in_(states)) if states else wanted)


def outgoing(engine: Engine, number: int) -> tuple[Row, bytes] | None:
    """One outgoing mail: its row, and its bytes as they leave; None when there is no such mail."""
    found = _rows(engine, select(outbox).where(outbox.c.id == number))
    return (found[0], found[0].pop("mime") or b"") if found else None


def arrival_list(engine: Engine, states: Sequence[str], limit: int) -> list[Row]:
    """Received mails with where they ended and why, newest first; all states when none is named."""
    columns = [c for c in arrivals.c if c.name != "raw"]
    wanted = select(*columns).order_by(arrivals.c.id.desc()).limit(limit)
    return _rows(engine, wanted.where(arrivals.c.state.in_(states)) if states else wanted)


def arrival(engine: Engine, number: int) -> tuple[Row, bytes] | None:
    """One received mail: its row, and its bytes as they came; None when there is no such arrival."""
    found = _rows(engine, select(arrivals).where(arrivals.c.id == number))
    if not found:
        return None
    raw = found[0].pop("raw")
    return found[0], unpack(raw) if raw else b""


def suppression_list(engine: Engine, released: bool, limit: int) -> list[Row]:
    """Addresses that are not acknowledged, newest first; `released` adds those that are again."""
    wanted = select(suppressions).order_by(suppressions.c.at.desc()).limit(limit)
    return _rows(engine, wanted if released else wanted.where(suppressions.c.released_at.is_(None)))


def audit_tail(
    engine: Engine, limit: int, ticket_id: str = "", event: str = "", address: str = "", since: str = "",
    until: str = "", after: int | None = None, before: int = 0,
) -> list[Row]:  # fmt: skip
    """The last lines of the audit log, oldest of them first; `detail` is None where it was erased.

    Args:
        engine: the database.
        limit: at most so many; the newest, or the oldest ones beyond `after`.
        ticket_id: only this ticket.
        event: only this event; `*` stands for anything.
        address: only lines of tickets it takes part in, or whose detail names it.
        since: only from this moment on, ISO 8601 UTC.
        until: only before this moment.
        after: only rows beyond this number.
        before: only rows below this number, 0 for all.
    """
    log, detail = audit_log.c, audit_detail.c.detail
    wanted = select(log.seq, log.at, log.actor, log.event, log.ticket, detail).outerjoin(
        audit_detail, audit_detail.c.seq == log.seq
    )
    if ticket_id:
        wanted = wanted.where(log.ticket == ticket_id)
    if event:
        wanted = wanted.where(log.event.like(event.replace("*", "%")))
    if address:
        theirs = select(participants.c.ticket).where(participants.c.email == address)
        asked = select(tickets.c.id).where(tickets.c.requester_email == address)
        named = func.instr(func.lower(detail), address) > 0
        wanted = wanted.where(log.ticket.in_(theirs) | log.ticket.in_(asked) | named)
    if since:
        wanted = wanted.where(log.at >= since)
    if until:
        wanted = wanted.where(log.at < until)
    if before:
        wanted = wanted.where(log.seq < before)
    if after is not None:
        rows = _rows(engine, wanted.where(log.seq > after).order_by(log.seq).limit(limit))
    else:
        rows = _rows(engine, wanted.order_by(log.seq.desc()).limit(limit))[::-1]
    return [row | {"detail": json.loads(row["detail"]) if row["detail"] else None} for row in rows]


def audit_end(engine: Engine) -> int:
    """The number of the last row of the audit log, 0 when it is empty."""
    with transaction(engine) as connection:
        return connection.execute(select(func.max(audit_log.c.seq))).scalar() or 0


def raw_of_ticket(engine: Engine, ticket_id: str) -> list[tuple[int, bytes]]:
    """The received mails of a ticket as they came, with their arrival numbers."""
    wanted = select(arrivals.c.id, arrivals.c.raw).where(arrivals.c.ticket == ticket_id).order_by(arrivals.c.id)
    return [(row["id"], unpack(row["raw"])) for row in _rows(engine, wanted) if row["raw"]]


def counts(engine: Engine) -> Row:
    """Numbers of the pipeline: arrivals and outgoing mails by state, tickets, open breaker."""
    with transaction(engine) as connection:
        return {
            "arrivals": dict(
                connection.execute(select(arrivals.c.state, func.count()).group_by(arrivals.c.state)).all()
            ),
            "outbox": dict(connection.execute(select(outbox.c.state, func.count()).group_by(outbox.c.state)).all()),
            "tickets": connection.execute(select(func.count()).select_from(tickets)).scalar_one(),
            "breaker": connection.execute(select(breakers.c.reason).where(breakers.c.released_at.is_(None))).scalar(),
        }


def integrity(engine: Engine) -> str:
    """What SQLite says of the file: `ok`, or its first complaint."""
    with transaction(engine) as connection:
        return str(connection.execute(text("pragma quick_check(1)")).scalar())
