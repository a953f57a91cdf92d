"""What the daily digest tells, and which digests were made; costs as much as the time it tells of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Integer,
    Table,
    Text,
    case,
    cast,
    func,
    insert,
    select,
    type_coerce,
)
from sqlalchemy.exc import IntegrityError

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.bulk import insert_rows
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.mail.outbox import outbox_row
from helpdesk_daemon.adapters.store.observing.accuracy import WINDOW, overall
from helpdesk_daemon.adapters.store.schema.deciding import decisions
from helpdesk_daemon.adapters.store.schema.log import audit_log
from helpdesk_daemon.adapters.store.schema.mail import arrivals, outbox, suppressions
from helpdesk_daemon.adapters.store.schema.telling import digests, incidents
from helpdesk_daemon.adapters.store.schema.tickets import tickets
from helpdesk_daemon.outgoing.message import Outgoing
from helpdesk_daemon.ports import Audit, Clock, DayCount, DepartmentCount, Figures, SlowTicket, Span
from helpdesk_daemon.tickets.ticket import State

WAITING = ("pending", "claimed")
NEED_A_PERSON = ("failed", "ambiguous", "held")
UNANSWERED = (State.NEW, State.OPEN)
SLOWEST = 5
NAMED = 20  # suppressed addresses and incidents
COUNTED = tickets.c.merged_into == "", type_coerce(tickets.c.tags, Text).not_like('%"spam"%')  # as in v_sla_kept
review = cast(tickets.c.needs_review, Integer)


class Digests:
    """`DigestStore` on the database."""

    def __init__(self, engine: Engine, clock: Clock, weight: float = 1.0) -> None:
        self._engine, self._clock, self._weight = engine, clock, weight

    def last(self) -> tuple[date, datetime] | None:
        """See `DigestStore.last`."""
        wanted = select(digests).where(digests.c.until <= self._clock.now()).order_by(digests.c.day.desc()).limit(1)
        with transaction(self._engine) as connection:
            row = connection.execute(wanted).first()
        return (date.fromisoformat(row.day), row.until) if row else None

    def keep(self, day: date, until: datetime, mails: Sequence[Outgoing]) -> bool:
        """See `DigestStore.keep`."""
        now = self._clock.now()
        try:
            with transaction(self._engine) as connection:
                connection.execute(insert(digests).values(day=day.isoformat(), until=until, mails=len(mails)))
                insert_rows(connection, outbox, [outbox_row(mail, None, now) for mail in mails])
                detail = {"day": day.isoformat(), "recipients": [mail.recipient for mail in mails]}
                audit.append(connection, [Audit("digest.made", detail)] if mails else [], now)
        except IntegrityError:
            return False
        return True

    def figures(self, since: datetime, until: datetime, days: Sequence[Span]) -> Figures:
        """See `DigestStore.figures`."""
        with transaction(self._engine) as connection:
            kept, missed = _promises(connection, since, until)
            head = connection.execute(
                select(audit_log.c.seq, audit_log.c.hash).order_by(audit_log.c.seq.desc()).limit(1)
            ).first()
            return Figures(
                since=since, until=until, settled=_settled(connection, since),
                waiting=sum(_by_state(connection, arrivals, WAITING).values()),
                departments=_departments(connection, since), days=[_day(connection, span) for span in days],
                corrected=_corrected(connection, since), kept=kept, missed=missed, overdue=_overdue(connection, until),
                slowest=_slowest(connection, since, until), suppressed=_suppressed(connection, since),
                suppressed_in_all=_suppressed_in_all(connection), incidents=_incidents(connection, since),
                unsent=_by_state(connection, outbox, NEED_A_PERSON),
                accuracy=overall(connection, until - WINDOW, self._weight),
                head=(head.seq, head.hash) if head else (0, ""),
            )  # fmt: skip


def _last_before(connection: Connection, table: Table, at: Column[datetime], since: datetime) -> int:
    """Number of the last row before a moment: numbers grow with time, so what is newer is found from the end."""
    wanted = select(table.c.id).where(at <= since).order_by(table.c.id.desc()).limit(1)
    return connection.execute(wanted).scalar() or 0


def _by_state(connection: Connection, table: Table, states: Sequence[str]) -> dict[str, int]:
    wanted = select(table.c.state, func.count()).where(table.c.state.in_(states)).group_by(table.c.state)
    return {row[0]: row[1] for row in connection.execute(wanted)}


def _settled(connection: Connection, since: datetime) -> dict[str, int]:
    first = _last_before(connection, arrivals, arrivals.c.fetched_at, since)
    wanted = (
        select(arrivals.c.state, func.count())
        .where(arrivals.c.id > first, arrivals.c.state.not_in(WAITING))
        .group_by(arrivals.c.state)
    )
    return {row[0]: row[1] for row in connection.execute(wanted)}


def _departments(connection: Connection, since: datetime) -> list[DepartmentCount]:
    wanted = (
        select(tickets.c.department, func.count(), func.sum(review))
        .where(tickets.c.created_at > since)
        .group_by(tickets.c.department)
        .order_by(func.count().desc(), tickets.c.department)
    )
    return [DepartmentCount(*row) for row in connection.execute(wanted)]


def _day(connection: Connection, span: Span) -> DayCount:
    day, begin, end = span
    wanted = select(func.count(), func.coalesce(func.sum(review), 0)).where(
        tickets.c.created_at >= begin, tickets.c.created_at < end
    )
    count, reviewed = connection.execute(wanted).one()
    return DayCount(day, count, reviewed)


def _corrected(connection: Connection, since: datetime) -> int:
    """Decisions by somebody else than the daemon."""
    first = _last_before(connection, decisions, decisions.c.at, since)
    wanted = select(func.count()).select_from(decisions).where(decisions.c.id > first, decisions.c.actor != "daemon")
    return connection.execute(wanted).scalar_one()


def _due(since: datetime, until: datetime) -> tuple[ColumnElement[bool], ...]:
    """Due in a time; the states are all named, so that the index that begins with them is of use."""
    return *COUNTED, tickets.c.state.in_(list(State)), tickets.c.due_at > since, tickets.c.due_at <= until


def _promises(connection: Connection, since: datetime, until: datetime) -> tuple[int, int]:
    in_time = case((tickets.c.first_answer_at <= tickets.c.due_at, 1), else_=0)
    wanted = select(func.count(), func.coalesce(func.sum(in_time), 0)).where(*_due(since, until))
    due, kept = connection.execute(wanted).one()
    return kept, due - kept


def _overdue(connection: Connection, until: datetime) -> int:
    late = *COUNTED, tickets.c.state.in_(UNANSWERED), tickets.c.due_at < until
    return connection.execute(select(func.count()).select_from(tickets).where(*late)).scalar_one()


def _slowest(connection: Connection, since: datetime, until: datetime) -> list[SlowTicket]:
    ended = func.coalesce(tickets.c.first_answer_at, until)
    took = (func.julianday(ended) - func.julianday(tickets.c.created_at)) * 24
    wanted = (
        select(tickets.c.id, tickets.c.subject, tickets.c.department, took, tickets.c.first_answer_at.is_not(None))
        .where(*_due(since, until))
        .order_by(took.desc(), tickets.c.id)
        .limit(SLOWEST)
    )
    return [SlowTicket(row[0], row[1], row[2], float(row[3]), bool(row[4])) for row in connection.execute(wanted)]


def _suppressed(connection: Connection, since: datetime) -> list[tuple[str, str]]:
    wanted = (
        select(suppressions.c.email, suppressions.c.reason)
        .where(suppressions.c.at > since, suppressions.c.released_at.is_(None))
        .order_by(suppressions.c.at)
        .limit(NAMED)
    )
    return [(row.email, row.reason) for row in connection.execute(wanted)]


def _suppressed_in_all(connection: Connection) -> int:
    wanted = select(func.count()).select_from(suppressions).where(suppressions.c.released_at.is_(None))
    return connection.execute(wanted).scalar_one()


def _incidents(connection: Connection, since: datetime) -> list[str]:
    wanted = select(incidents.c.title).where(incidents.c.opened_at > since).order_by(incidents.c.id.desc()).limit(NAMED)
    return list(connection.execute(wanted).scalars())[::-1]
