"""What the console reads and changes: the functions of the commands, behind the doors of `ports/console`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Engine, Select, literal, select, tuple_

from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.mail import holding
from helpdesk_daemon.adapters.store.schema.labels import examples
from helpdesk_daemon.adapters.store.schema.mail import outbox
from helpdesk_daemon.adapters.store.schema.tickets import messages, tickets
from helpdesk_daemon.adapters.store.upkeep import operate
from helpdesk_daemon.adapters.store.views import reading
from helpdesk_daemon.adapters.store.views.waiting import IN_REVIEW
from helpdesk_daemon.ports import Clock
from helpdesk_daemon.ports.console import LogFilter
from helpdesk_daemon.ports.web import Place, Row

LOG_LINES = 100  # of one ticket


class ConsoleTickets:
    """`TicketDesk` on the database; the engine is one for looking only."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def story(self, ticket: str) -> Row | None:
        """See `TicketDesk.story`."""
        found = reading.ticket(self._engine, ticket)
        if found is None:
            return None
        decisions = found["decisions"][::-1]
        near = {n["example"] for d in decisions for n in d["neighbours"]}
        texts = self._texts(near)
        for decision in decisions:
            decision["views"] = json.loads(decision["views"])
            decision["neighbours"] = [n | {"text": texts.get(n["example"], "")} for n in decision["neighbours"]]
        log = reading.audit_tail(self._engine, LOG_LINES, ticket_id=ticket)[::-1]
        return found | {"decisions": decisions, "promise": found["sla"], "log": log}

    def _texts(self, numbers: Iterable[int]) -> dict[int, str]:
        """Examples in words: whoever may see this may see every ticket."""
        with transaction(self._engine) as connection:
            wanted = select(examples.c.id, examples.c.text).where(examples.c.id.in_(list(numbers)))
            return {row.id: row.text for row in connection.execute(wanted)}

    def original(self, ticket: str, message: int) -> bytes:
        """See `TicketDesk.original`."""
        wanted = select(messages.c.arrival).where(messages.c.id == message, messages.c.ticket == ticket)
        with transaction(self._engine) as connection:
            number = connection.execute(wanted).scalar()
        kept = reading.arrival(self._engine, number) if number else None
        return kept[1] if kept else b""

    def log(self, wanted: LogFilter, before: int, limit: int) -> list[Row]:
        """See `TicketDesk.log`."""
        rows = reading.audit_tail(
            self._engine, limit, wanted.ticket, wanted.event, wanted.address.lower(), wanted.since, wanted.until,
            before=before,
        )  # fmt: skip
        return [*rows[::-1]]

    def next_in_review(self, after: str) -> str:
        """See `TicketDesk.next_in_review`."""
        place = select(tickets.c.created_at).where(tickets.c.id == after)
        with transaction(self._engine) as connection:
            at = connection.execute(place).scalar() if after else None
            return connection.execute(next_in_review(Place(at, after) if at else None)).scalar() or ""


def next_in_review(after: Place | None) -> Select[Any]:
    """The oldest ticket in review behind a place."""
    wanted = select(tickets.c.id).where(IN_REVIEW).order_by(tickets.c.created_at, tickets.c.id).limit(1)
    if after is None:
        return wanted
    here = tuple_(literal(after.created_at, tickets.c.created_at.type), literal(after.ticket))
    return wanted.where(tuple_(tickets.c.created_at, tickets.c.id) > here)


def page_of_outbox(states: Sequence[str], before: int, limit: int) -> Select[Any]:
    """One page of outgoing mail, newest first, without the bytes."""
    wanted = select(*(c for c in outbox.c if c.name != "mime")).order_by(outbox.c.id.desc()).limit(limit)
    if states:
        wanted = wanted.where(outbox.c.state.in_(states))
    return wanted.where(outbox.c.id < before) if before else wanted


class ConsoleMail:
    """`MailReading` on the database; the engine is one for looking only."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def outbox(self, states: Sequence[str], before: int, limit: int) -> list[Row]:
        """See `MailReading.outbox`."""
        with transaction(self._engine) as connection:
            return [dict(row) for row in connection.execute(page_of_outbox(states, before, limit)).mappings()]

    def outgoing(self, number: int) -> tuple[Row, bytes] | None:
        """See `MailReading.outgoing`."""
        return reading.outgoing(self._engine, number)

    def breaker(self) -> Row | None:
        """See `MailReading.breaker`."""
        return holding.breaker(self._engine)

    def quarantine(self, limit: int) -> list[Row]:
        """See `MailReading.quarantine`."""
        return [*reading.arrival_list(self._engine, ("quarantined",), limit)]

    def arrival(self, number: int) -> tuple[Row, bytes] | None:
        """See `MailReading.arrival`."""
        return reading.arrival(self._engine, number)

    def suppressions(self, limit: int) -> list[Row]:
        """See `MailReading.suppressions`."""
        return [*reading.suppression_list(self._engine, False, limit)]


class ConsoleMailWrites:
    """`MailWriting` on the database."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    def hold(self, reason: str, actor: str) -> None:
        """See `MailWriting.hold`."""
        holding.open_breaker(self._engine, self._clock, reason, actor)

    def release(self, actor: str) -> None:
        """See `MailWriting.release`."""
        holding.release_breaker(self._engine, self._clock, actor)

    def retry(self, numbers: Sequence[int], actor: str) -> int:
        """See `MailWriting.retry`."""
        return len(holding.retry(self._engine, self._clock, numbers, actor)) if numbers else 0

    def drop(self, numbers: Sequence[int], actor: str) -> int:
        """See `MailWriting.drop`."""
        return len(holding.drop(self._engine, self._clock, holding.Wanted(tuple(numbers)), actor)) if numbers else 0

    def retry_quarantined(self, numbers: Sequence[int], actor: str) -> int:
        """See `MailWriting.retry_quarantined`."""
        return len(operate.retry_quarantined(self._engine, self._clock, numbers, actor)) if numbers else 0

    def unsuppress(self, emails: Sequence[str], actor: str) -> int:
        """See `MailWriting.unsuppress`."""
        return len(operate.release_suppressions(self._engine, self._clock, emails, actor))
