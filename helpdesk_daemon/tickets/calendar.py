"""Opening hours: how much of a stretch of time they cover, and when so many of them are over.

Opening hours are read off a wall clock that is never set back. An hour that the clock skips in spring opens and closes
at the moment of the jump; of an hour it shows twice in autumn the first showing counts, so that a shift over the change
is an hour longer and no shift is opened twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

DAY = 24 * 60  # minutes
HORIZON = timedelta(days=20 * 366)  # nothing is promised for later than this
Span = tuple[int, int]  # minutes since midnight: opens, closes; the latter at most DAY
Stretch = tuple[datetime, datetime]

AROUND_THE_CLOCK: tuple[tuple[Span, ...], ...] = (((0, DAY),),) * 7


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a department works.

    Attributes:
        name: as in routing.toml, empty for around the clock.
        zone: the zone in which its hours are meant and its times are shown.
        week: for each weekday from Monday on, its opening hours, in order and apart; at least one in the week.
        holidays: dates on which nothing is open.
    """

    name: str = ""
    zone: tzinfo = UTC
    week: tuple[tuple[Span, ...], ...] = AROUND_THE_CLOCK
    holidays: frozenset[date] = field(default=frozenset(), repr=False)

    @property
    def is_always_open(self) -> bool:
        """Whether its hours are those of the clock."""
        return self.week == AROUND_THE_CLOCK and not self.holidays

    @property
    def weekly_hours(self) -> float:
        """Opening hours in a week without holidays."""
        return sum(closes - opens for day in self.week for opens, closes in day) / 60


ALWAYS = Calendar()


def add(calendar: Calendar, start: datetime, hours: float) -> datetime:
    """The moment at which some opening hours are over.

    Args:
        calendar: says what is open.
        start: from when on; aware.
        hours: at least 0. None at all are over when it opens next.

    Returns:
        The moment in the calendar's zone: the end of the hours before a closing time rather than the next opening.
    """
    left = timedelta(hours=hours)
    if calendar.is_always_open:
        return (start + left).astimezone(calendar.zone)
    for opens, closes in _open_from(calendar, start):
        if left <= closes - opens:
            return (opens + left).astimezone(calendar.zone)
        left -= closes - opens
    return (start + HORIZON).astimezone(calendar.zone)


def between(calendar: Calendar, start: datetime, end: datetime) -> timedelta:
    """How long it is open between two moments, both aware; nothing when the second is not later."""
    if end <= start:
        return timedelta()
    if calendar.is_always_open:
        return end - start
    total = timedelta()
    for opens, closes in _open_from(calendar, start):
        if opens >= end:
            break
        total += min(closes, end) - opens
    return total


def _open_from(calendar: Calendar, start: datetime) -> Iterator[Stretch]:
    """What is open from a moment on, in order, in UTC."""
    start = start.astimezone(UTC)
    day = start.astimezone(calendar.zone).date()
    last = day + HORIZON
    while day < last:
        for opens, closes in _open_on(calendar, day):
            if closes > start:
                yield max(opens, start), closes
        day += timedelta(days=1)


@lru_cache(maxsize=4_096)
def _open_on(calendar: Calendar, day: date) -> tuple[Stretch, ...]:
    """What is open on a date, in UTC."""
    if day in calendar.holidays:
        return ()
    found = ((_moment(calendar.zone, day, opens), _moment(calendar.zone, day, closes))
             for opens, closes in calendar.week[day.weekday()])  # fmt: skip
    return tuple((opens, closes) for opens, closes in found if opens < closes)


def _moment(zone: tzinfo, day: date, minutes: int) -> datetime:
    """The first moment at which the zone's clock shows a time, or has jumped past it; in UTC."""
    shown = datetime.combine(day, time()) + timedelta(minutes=minutes)
    late = shown.replace(tzinfo=zone).astimezone(UTC)
    if late.astimezone(zone).replace(tzinfo=None) == shown:
        return late
    # In a gap the two folds are read with the offsets before and after it (PEP 495), which puts the jump between them.
    early = shown.replace(tzinfo=zone, fold=1).astimezone(UTC)
    while late - early > timedelta(seconds=1):
        middle = early + timedelta(seconds=(late - early) // timedelta(seconds=2))
        if middle.astimezone(zone).replace(tzinfo=None) < shown:
            early = middle
        else:
            late = middle
    return late
