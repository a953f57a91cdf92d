"""What the API and the pages read of the database; each list by an index, whatever its filter."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, exists, func, literal_column, select, text, tuple_

from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.schema.deciding import BY_DAEMON, decisions
from helpdesk_daemon.adapters.store.schema.labels import examples
from helpdesk_daemon.adapters.store.schema.log import audit_detail, audit_log
from helpdesk_daemon.adapters.store.schema.mail import outbox
from helpdesk_daemon.adapters.store.schema.pages import api_tokens
from helpdesk_daemon.adapters.store.schema.sla import sla
from helpdesk_daemon.adapters.store.schema.tickets import UNFINISHED, messages, tickets
from helpdesk_daemon.adapters.store.schema.watching import crowd_tickets
from helpdesk_daemon.adapters.store.views import reading
from helpdesk_daemon.adapters.store.views.figures import figures
from helpdesk_daemon.ports.web import UNSORTED, Place, Row, TicketFilter, Token
from helpdesk_daemon.tickets.tracking import read_tracking_id

SEEN = ("request", "reply", "answer")  # kinds of messages that a customer wrote or got
SHOWN = ("id", "state", "subject", "requester_email", "requester_name", "category", "department", "priority",
         "sla_hours", "due_at", "needs_review", "linked_to", "mailbox", "created_at", "updated_at", "first_answer_at",
         "closed_at")  # fmt: skip


class WebReads:
    """`WebReading` on the database; the engine is one for looking only."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _rows(self, wanted: Select[Any]) -> list[dict[str, Any]]:
        with transaction(self._engine) as connection:
            return [dict(row) for row in connection.execute(wanted).mappings()]

    def tickets(self, wanted: TicketFilter, after: Place | None, limit: int) -> list[Row]:
        """See `WebReading.tickets`."""
        return [*self._rows(page_of_tickets(wanted, after, limit))]

    def ticket(self, ticket: str) -> Row | None:
        """See `WebReading.ticket`."""
        found = self._rows(_decided(select(tickets).where(tickets.c.id == ticket)))
        return found[0] if found else None

    def messages(self, ticket: str) -> list[Row]:
        """See `WebReading.messages`."""
        found = self._rows(select(messages).where(messages.c.ticket == ticket).order_by(messages.c.id))
        wanted = select(outbox.c.arrival, outbox.c.recipient, outbox.c.mime).where(
            outbox.c.ticket == ticket, outbox.c.kind == "relay"
        )
        relays: dict[int, list[dict[str, Any]]] = {}
        for row in self._rows(wanted.order_by(outbox.c.id)):
            relays.setdefault(row["arrival"], []).append(row)
        return [row | {"relayed": _first(relays.get(row["arrival"], []))} for row in found]

    def decisions(self, ticket: str) -> list[Row]:
        """See `WebReading.decisions`."""
        found = self._rows(select(decisions).where(decisions.c.ticket == ticket).order_by(decisions.c.id))
        rows = [row | {name: json.loads(row[name]) for name in ("neighbours", "set_by", "tags")} for row in found]
        texts = self._texts(near["example"] for row in rows for near in row["neighbours"])
        for row in rows:
            row["neighbours"] = [near | texts.get(near["example"], {}) for near in row["neighbours"]]
        return [*rows]

    def _texts(self, numbers: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Where examples come from; in words only shipped ones, as others are what other customers wrote."""
        wanted = select(examples.c.id, examples.c.source, examples.c.ticket, examples.c.text).where(
            examples.c.id.in_(list(dict.fromkeys(numbers)))
        )
        return {
            row["id"]: {
                "source": row["source"], "ticket": row["ticket"],
                "text": row["text"] if row["source"] == "seed" else "",
            }
            for row in self._rows(wanted)
        }  # fmt: skip

    def stats(self, now: datetime) -> Row:
        """See `WebReading.stats`."""
        with transaction(self._engine) as connection:
            states: dict[str, int] = dict(
                connection.execute(select(tickets.c.state, func.count()).group_by(tickets.c.state)).all()
            )
        found = figures(self._engine, now)
        return {"tickets": states, "today": found["today"], "arrivals": found["arrivals"], "outbox": found["outbox"],
                "breaker": found["breaker"], "incidents": len(found["incidents"])}  # fmt: skip

    def audit(self, before: int, limit: int, ticket: str, event: str) -> list[Row]:
        """See `WebReading.audit`."""
        wanted = (
            select(audit_log.c.seq, audit_log.c.at, audit_log.c.actor, audit_log.c.event, audit_log.c.ticket,
                   audit_detail.c.detail)
            .outerjoin(audit_detail, audit_detail.c.seq == audit_log.c.seq)
            .order_by(audit_log.c.seq.desc())
            .limit(limit)
        )  # fmt: skip
        if before:
            wanted = wanted.where(audit_log.c.seq < before)
        if ticket:
            wanted = wanted.where(audit_log.c.ticket == ticket)
        if event:
            wanted = wanted.where(audit_log.c.event == event)
        return [row | {"detail": json.loads(row["detail"]) if row["detail"] else None} for row in self._rows(wanted)]

    def token(self, digest: str) -> Token | None:
        """See `WebReading.token`."""
        found = self._rows(select(api_tokens).where(api_tokens.c.digest == digest, api_tokens.c.revoked_at.is_(None)))
        return Token(found[0]["id"], found[0]["name"], frozenset(found[0]["scopes"].split())) if found else None

    def mail(self, ticket: str, message: int) -> bytes:
        """See `WebReading.mail`."""
        found = next((row for row in self.messages(ticket) if row["id"] == message), None)
        if found is None or found["kind"] not in SEEN:
            return b""
        if found["kind"] == "answer":
            return bytes(found["relayed"])
        kept = reading.arrival(self._engine, found["arrival"] or 0)
        return kept[1] if kept else b""


def _first(relays: list[dict[str, Any]]) -> bytes:
    return next((row["mime"] for row in relays if row["mime"]), b"")


def _decided(wanted: Select[Any]) -> Select[Any]:
    """Tickets with confidence and rule of their latest decision; only the tickets of `wanted` are looked up."""
    page, each = wanted.subquery(), decisions.alias()
    latest = select(func.max(each.c.id)).where(each.c.ticket == page.c.id).correlate(page).scalar_subquery()
    columns = [page.c[name] for name in SHOWN]
    return (
        select(*columns, decisions.c.confidence, decisions.c.rule)
        .select_from(page)
        .outerjoin(decisions, decisions.c.id == latest)
        .order_by(page.c.created_at.desc(), page.c.id.desc())
    )


def page_of_tickets(wanted: TicketFilter, after: Place | None, limit: int) -> Select[Any]:
    """One page of tickets, newest first."""
    rows = select(tickets).order_by(tickets.c.created_at.desc(), tickets.c.id.desc()).limit(limit)
    for condition in _conditions(wanted):
        rows = rows.where(condition)
    if after is not None:
        here = tuple_(tickets.c.created_at, tickets.c.id)
        rows = rows.where(here < tuple_(*_bound(after)))
    return _decided(rows)


def _bound(after: Place) -> tuple[Any, Any]:
    from sqlalchemy import literal

    return literal(after.created_at, tickets.c.created_at.type), literal(after.ticket)


def _confident(low: int, high: int) -> Select[Any]:
    """Tickets that the daemon decided on with a confidence in per cent."""
    sure = decisions.c.confidence
    upper = sure <= 1.0 if high >= 100 else sure < high / 100
    return select(decisions.c.ticket).where(text(BY_DAEMON), sure >= low / 100, upper)


def _conditions(wanted: TicketFilter) -> list[ColumnElement[bool]]:
    exact = {"state": wanted.state, "category": wanted.category, "department": wanted.department,
             "priority": wanted.priority}  # fmt: skip
    # A search walks through the index that holds what it looks at, so no other may tempt the planner.
    columns = {name: tickets.c[name] + "" if wanted.text else tickets.c[name] for name in exact}
    found: list[ColumnElement[bool]] = [
        columns[name] == ("" if value == UNSORTED else value) for name, value in exact.items() if value
    ]
    if wanted.review is not None:
        found.append(tickets.c.needs_review if wanted.review else ~tickets.c.needs_review)
    if wanted.sla:
        found.append(exists().where(sla.c.ticket == tickets.c.id, sla.c.response == wanted.sla))
    if wanted.after is not None:
        found.append(tickets.c.created_at >= wanted.after)
    if wanted.before is not None:
        found.append(tickets.c.created_at < wanted.before)
    if wanted.due is not None:
        found += [tickets.c.first_answer_at.is_(None), literal_column(UNFINISHED),
                  tickets.c.due_at <= wanted.due[1]]  # fmt: skip
        if wanted.due[0] is not None:
            found.append(tickets.c.due_at > wanted.due[0])
    if wanted.band is not None:
        found.append(tickets.c.id.in_(_confident(*wanted.band)))
    if wanted.crowd:
        found.append(tickets.c.id.in_(select(crowd_tickets.c.ticket).where(crowd_tickets.c.crowd == wanted.crowd)))
    if wanted.text:
        told = tickets.c.subject.contains(wanted.text, autoescape=True)
        told |= tickets.c.requester_email.contains(wanted.text, autoescape=True)
        if spoken := read_tracking_id(wanted.text):
            told = tickets.c.id == spoken
        found.append(told)
    return found
