"""What the dashboard shows: trends from counters by the hour, the present by indexes over what is open.

No question grows with the history: counters have a few rows an hour, whatever the number of tickets.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, Engine, Select, case, func, select, text

from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.observing.accuracy import WINDOW, accuracy_of
from helpdesk_daemon.adapters.store.schema.columns import iso
from helpdesk_daemon.adapters.store.schema.deciding import hourly
from helpdesk_daemon.adapters.store.schema.log import audit_log
from helpdesk_daemon.adapters.store.schema.mail import arrivals, mailboxes, outbox
from helpdesk_daemon.adapters.store.schema.tickets import UNANSWERED, tickets
from helpdesk_daemon.adapters.store.telling import health
from helpdesk_daemon.adapters.store.views import figures
from helpdesk_daemon.adapters.store.views.waiting import IN_REVIEW
from helpdesk_daemon.ports.dashboard import BANDS, SOON, Count, Group, Picture, Row
from helpdesk_daemon.ports.watching import Accuracy

NEXT = 6  # tickets named that are due next
WEEK = 7
HOUR = timedelta(hours=1)
TROUBLES = 20  # incidents named
COUNTED = ("ticket", "review", "kept", "missed")


class Dashboard:
    """`DashboardReading` on the database; the engine is one for looking only."""

    def __init__(self, engine: Engine, zone: tzinfo = UTC, window: timedelta = WINDOW, weight: float = 1.0) -> None:
        self._engine, self._zone, self._window, self._weight = engine, zone, window, weight

    def mark(self) -> Any:
        """See `DashboardReading.mark`."""
        with transaction(self._engine) as connection:
            last = connection.execute(select(func.max(audit_log.c.seq))).scalar()
            sent = connection.execute(select(func.max(outbox.c.id))).scalar()
            return last, sent

    def accuracy(self, now: datetime) -> Accuracy:
        """See `DashboardReading.accuracy`."""
        return accuracy_of(self._engine, now, self._window, self._weight)

    def picture(self, now: datetime, days: int) -> Picture:
        """See `DashboardReading.picture`."""
        begins = day_begins(now, self._zone, max(2 * days, WEEK))
        span, since = begins[-days - 1 :], begins[-days - 1]
        with transaction(self._engine) as connection:
            pressing = _pressing(connection, now)
            breaker, due = health.open_breaker(connection), health.oldest_due(connection, now)
            bands = _bands(connection, since)
            return Picture(
                at=now, zone=self._zone, since=since, days=days,
                counts=_counts(connection, hours_between(*span) if days == 1 else span),
                before=_totals(connection, begins[-2 * days - 1], now - timedelta(days=days)),
                departments=_groups(_by(connection, hourly.c.department, since), pressing),
                categories=_groups(_by(connection, hourly.c.name, since), {}),
                week=_week(connection, begins[-WEEK - 1 :], self._zone), sure=bands["sure"], doubted=bands["doubted"],
                reviewing=_reviewing(connection), next_due=_next_due(connection, now),
                corrections=_corrections(connection, since),
                arrivals=figures.by_state(connection, arrivals, figures.WAITING)
                | {"oldest": health.oldest_pending(connection)},
                outbox=figures.by_state(connection, outbox, figures.UNSENT)
                | {"oldest_due": due.next_attempt_at if due else None},
                breaker={"opened_at": breaker.opened_at, "reason": breaker.reason} if breaker else None,
                mailboxes=_rows(connection, select(mailboxes).order_by(mailboxes.c.mailbox, mailboxes.c.folder)),
                incidents=figures.incident_rows(connection, TROUBLES),
            )  # fmt: skip


def hour_of(at: datetime) -> str:
    """A moment as `hourly` keys it."""
    return at.strftime("%Y-%m-%dT%H")


def _rows(connection: Connection, wanted: Select[Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(wanted).mappings()]


def since_hour(since: datetime, *what: str) -> Any:
    """The rows of `hourly` from a moment on: a stretch of its key for each thing that is counted."""
    return hourly.c.what.in_(what) & (hourly.c.hour >= hour_of(since))


def day_begins(now: datetime, zone: tzinfo, days: int) -> list[datetime]:
    """When the last days began and when today ends, in UTC: to the full hour, as counters go by hours of UTC."""
    today = now.astimezone(zone).date()
    dates = (today - timedelta(days=back) for back in range(days - 1, -2, -1))
    found = (datetime.combine(date, time(), zone).astimezone(UTC) for date in dates)
    return [at.replace(minute=0, second=0, microsecond=0) for at in found]


def hours_between(since: datetime, until: datetime) -> list[datetime]:
    """The full hours from one to another; of a day there may be 23 or 25."""
    return [since + number * HOUR for number in range((until - since) // HOUR + 1)]


def _counts(connection: Connection, bounds: Sequence[datetime]) -> list[Count]:
    """Between one bound and the next; those without a ticket are there, too."""
    keys = [hour_of(at) for at in bounds]
    found: list[dict[str, int]] = [defaultdict(int) for _ in keys]
    wanted = select(hourly.c.hour, hourly.c.what, func.sum(hourly.c.count)).where(since_hour(bounds[0], *COUNTED))
    for hour, what, count in connection.execute(wanted.group_by(hourly.c.hour, hourly.c.what)):
        found[bisect_right(keys, hour) - 1][what] += count
    return [Count(since, until, *_values(found[number])) for number, (since, until) in enumerate(pairwise(bounds))]


def _values(found: Mapping[str, int]) -> tuple[int, int, int, int]:
    """In the order of `Count` and `Group`."""
    ticket, review, kept, missed = (found.get(what, 0) for what in COUNTED)
    return ticket, review, kept, missed


def _totals(connection: Connection, since: datetime, until: datetime) -> tuple[int, int]:
    wanted = select(hourly.c.what, func.sum(hourly.c.count)).where(
        since_hour(since, "ticket", "review"), hourly.c.hour < hour_of(until)
    )
    found = {row[0]: row[1] for row in connection.execute(wanted.group_by(hourly.c.what))}
    return found.get("ticket", 0), found.get("review", 0)


def _by(connection: Connection, column: Any, since: datetime) -> dict[str, dict[str, int]]:
    what = COUNTED if column is hourly.c.department else COUNTED[:2]
    wanted = select(column, hourly.c.what, func.sum(hourly.c.count)).where(since_hour(since, *what))
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for name, counted, count in connection.execute(wanted.group_by(column, hourly.c.what)):
        found[name][counted] = count
    return found


def _groups(found: dict[str, dict[str, int]], pressing: dict[str, tuple[int, int]]) -> list[Group]:
    made = (Group(name, *_values(found.get(name, {})), *pressing.get(name, (0, 0))) for name in {*found, *pressing})
    shown = [group for group in made if group.tickets or group.soon or group.overdue]
    return sorted(shown, key=lambda group: (-group.tickets, group.name))


def _pressing(connection: Connection, now: datetime) -> dict[str, tuple[int, int]]:
    """By department: unanswered tickets due soon, and those past due."""
    late = func.sum(case((tickets.c.due_at <= now, 1), else_=0))
    department = tickets.c.department + ""  # else the planner walks through all tickets in the order of departments
    wanted = select(department, func.count() - late, late).where(text(UNANSWERED), tickets.c.due_at <= now + SOON)
    return {row[0]: (row[1], row[2]) for row in connection.execute(wanted.group_by(department))}


def _next_due(connection: Connection, now: datetime) -> list[Row]:
    wanted = select(tickets.c.id, tickets.c.subject, tickets.c.department, tickets.c.priority, tickets.c.due_at)
    wanted = wanted.where(text(UNANSWERED), tickets.c.due_at > now).order_by(tickets.c.due_at).limit(NEXT)
    return _rows(connection, wanted)


def _week(connection: Connection, begins: Sequence[datetime], zone: tzinfo) -> list[list[Count]]:
    """By hour of the clock: one that is skipped counts nothing, one that is shown twice counts twice."""
    hours = _counts(connection, hours_between(begins[0], begins[-1]))
    days: list[list[Count]] = []
    for since, until in pairwise(begins):
        shown = {hour: Count(since + hour * HOUR, since + hour * HOUR) for hour in range(24)}
        for count in hours[(since - begins[0]) // HOUR : (until - begins[0]) // HOUR]:
            hour = (count.until - timedelta(microseconds=1)).astimezone(zone).hour
            first = shown[hour] if shown[hour].since < shown[hour].until else count
            more = 0 if first is count else first.tickets
            shown[hour] = Count(first.since, count.until, count.tickets + more)
        days.append(list(shown.values()))
    return days


def _bands(connection: Connection, since: datetime) -> dict[str, list[int]]:
    wanted = select(hourly.c.what, hourly.c.name, func.sum(hourly.c.count)).where(since_hour(since, "sure", "doubted"))
    found = {"sure": [0] * BANDS, "doubted": [0] * BANDS}
    for what, band, count in connection.execute(wanted.group_by(hourly.c.what, hourly.c.name)):
        found[what][int(band)] = count
    return found


def _reviewing(connection: Connection) -> int:
    wanted = select(func.count()).select_from(tickets).where(IN_REVIEW)
    return connection.execute(wanted).scalar_one()


def _corrections(connection: Connection, since: datetime) -> int:
    wanted = select(func.count()).select_from(audit_log)
    wanted = wanted.where(audit_log.c.event == "ticket.corrected", audit_log.c.at >= iso(since))
    return connection.execute(wanted).scalar_one()
