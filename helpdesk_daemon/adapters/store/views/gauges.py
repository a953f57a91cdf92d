"""What a scrape asks of the database: one row a gauge; each costs as much as is at hand, not as was ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, Table, func, select

from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.schema.mail import arrivals, outbox
from helpdesk_daemon.adapters.store.schema.telling import incidents
from helpdesk_daemon.adapters.store.schema.tickets import tickets
from helpdesk_daemon.adapters.store.schema.watching import crowds, verdicts
from helpdesk_daemon.adapters.store.telling import health
from helpdesk_daemon.tickets.ticket import State

UNSENT = ("pending", "sending", "deferred", "held", "failed", "ambiguous")
UNDECIDED = ("pending", "claimed")
JUDGED = 10_000
UNANSWERED = (State.NEW, State.OPEN)
UNCLOSED = (*UNANSWERED, State.WAITING)
Sample = tuple[tuple[str, ...], float]  # values of the labels, and the figure


@dataclass(frozen=True, slots=True)
class Gauge:
    """A row of the table.

    Attributes:
        name: as Prometheus knows it.
        help: what it says, with its unit.
        labels: their names.
        measure: gives the samples at a moment.
    """

    name: str
    help: str
    labels: tuple[str, ...]
    measure: Callable[[Connection, datetime], Iterable[Sample]]


def _by_state(table: Table, states: tuple[str, ...]) -> Callable[[Connection, datetime], Iterable[Sample]]:
    """Counts of some states, those that are empty too, by the index that begins with the state."""

    def measure(connection: Connection, now: datetime) -> Iterable[Sample]:
        wanted = select(table.c.state, func.count()).where(table.c.state.in_(states)).group_by(table.c.state)
        found = {row[0]: row[1] for row in connection.execute(wanted)}
        return [((state,), float(found.get(state, 0))) for state in states]

    return measure


def _oldest_pending(connection: Connection, now: datetime) -> Iterable[Sample]:
    at = health.oldest_pending(connection)
    yield (), _age(at, now)


def _oldest_due(connection: Connection, now: datetime) -> Iterable[Sample]:
    row = health.oldest_due(connection, now)
    yield (), _age(row.next_attempt_at if row else None, now)


def _age(at: datetime | None, now: datetime) -> float:
    return max((now - at).total_seconds(), 0.0) if at else 0.0


def _succeeded(connection: Connection, now: datetime) -> Iterable[Sample]:
    for name, row in health.polls(connection).items():
        yield (name,), row.succeeded_at.astimezone(UTC).timestamp() if row.succeeded_at else 0.0


def _failing(connection: Connection, now: datetime) -> Iterable[Sample]:
    for name, row in health.polls(connection).items():
        yield (name,), float(bool(row.last_error))


def _breaker(connection: Connection, now: datetime) -> Iterable[Sample]:
    yield (), float(health.open_breaker(connection) is not None)


def _incidents(connection: Connection, now: datetime) -> Iterable[Sample]:
    wanted = (
        select(incidents.c.name, func.count())
        .where(incidents.c.opened_at.is_not(None), incidents.c.recovered_at.is_(None))
        .group_by(incidents.c.name)
    )
    for name, count in connection.execute(wanted):
        yield (name,), float(count)


def _overdue(connection: Connection, now: datetime) -> Iterable[Sample]:
    late = (tickets.c.state.in_(UNANSWERED), tickets.c.due_at < now)
    yield (), float(connection.execute(select(func.count()).select_from(tickets).where(*late)).scalar_one())


def _verdicts(connection: Connection, now: datetime) -> Iterable[Sample]:
    newest = connection.execute(select(func.max(verdicts.c.id))).scalar() or 0
    wanted = (
        select(verdicts.c.department, verdicts.c.said_by, func.count())
        .where(verdicts.c.id > newest - JUDGED, verdicts.c.needs_review.is_(False))
        .group_by(verdicts.c.department, verdicts.c.said_by)
    )
    for department, said_by, count in connection.execute(wanted):
        yield (department, said_by), float(count)


def _crowds(connection: Connection, now: datetime) -> Iterable[Sample]:
    found = Counter(connection.execute(select(crowds.c.kind).where(crowds.c.ended_at.is_(None))).scalars())
    return [((kind,), float(found[kind])) for kind in ("burst", "topic")]


GAUGES: tuple[Gauge, ...] = (
    Gauge("helpdesk_arrivals_waiting", "Mails that are not decided.", ("state",), _by_state(arrivals, UNDECIDED)),
    Gauge("helpdesk_oldest_pending_seconds", "Age of the oldest mail that is not decided; 0 for none.", (),
          _oldest_pending),
    Gauge("helpdesk_outbox", "Outgoing mails that are not sent.", ("state",), _by_state(outbox, UNSENT)),
    Gauge("helpdesk_oldest_due_seconds", "For how long the oldest unsent mail has been due; 0 for none.", (),
          _oldest_due),
    Gauge("helpdesk_mailbox_last_success_timestamp_seconds", "When a mailbox was last read well, Unix time; 0: never.",
          ("mailbox",), _succeeded),
    Gauge("helpdesk_mailbox_failing", "1 while the last poll of a mailbox failed.", ("mailbox",), _failing),
    Gauge("helpdesk_breaker_open", "1 while the circuit breaker holds outgoing mail.", (), _breaker),
    Gauge("helpdesk_incidents_open", "Open incidents.", ("name",), _incidents),
    Gauge("helpdesk_tickets", "Tickets that are not closed.", ("state",), _by_state(tickets, UNCLOSED)),
    Gauge("helpdesk_tickets_overdue", "Tickets without an answer whose due time has passed.", (), _overdue),
    Gauge("helpdesk_verdicts", "What people said of routed tickets, the latest 10,000 they judged.",
          ("department", "said_by"), _verdicts),
    Gauge("helpdesk_crowds_open", "Crowds of tickets that resemble each other and are not over.", ("kind",), _crowds),
)  # fmt: skip


def measured(engine: Engine, now: datetime) -> list[tuple[Gauge, list[Sample]]]:
    """Every gauge with its samples, all of one moment.

    Raises:
        TransientError, StoreError: the database cannot be used.
    """
    with transaction(engine) as connection:
        return [(gauge, list(gauge.measure(connection, now))) for gauge in GAUGES]
