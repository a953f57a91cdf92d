"""Opening hours, against a walk through time minute by minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpdesk_daemon.tickets.calendar import ALWAYS, DAY, HORIZON, Calendar, Span, add, between

MINUTE = timedelta(minutes=1)
BERLIN = ZoneInfo("Europe/Berlin")
# Each with a date near which its clocks jump: an hour, half an hour, at midnight, at one minute past it, over a whole
# day, never; ahead of UTC and behind it.
ZONES = [
    ("Europe/Berlin", date(2026, 3, 29)), ("Europe/Berlin", date(2026, 10, 25)), ("Europe/London", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)), ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 5)), ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("America/Sao_Paulo", date(2018, 11, 4)), ("America/Sao_Paulo", date(2018, 2, 18)),
    ("America/Havana", date(2026, 11, 1)),
    ("America/St_Johns", date(2010, 11, 7)), ("America/St_Johns", date(2010, 3, 14)),
    ("Pacific/Apia", date(2011, 12, 30)), ("Asia/Kathmandu", date(2026, 6, 1)), ("UTC", date(2026, 12, 31)),
]  # fmt: skip


def weekdays(*spans: Span) -> tuple[tuple[Span, ...], ...]:
    return (tuple(spans),) * 5 + ((),) * 2


OFFICE = Calendar("office", BERLIN, weekdays((9 * 60, 17 * 60)), frozenset({date(2026, 12, 25)}))
NIGHT = Calendar("night", BERLIN, (((0, 6 * 60), (22 * 60, DAY)),) * 7)


def slowly(calendar: Calendar, start: datetime) -> Iterator[tuple[datetime, bool]]:
    """Every minute from `start` on, and whether it is open, by a wall clock that is never set back."""
    at = start - timedelta(hours=30)
    clock = at.astimezone(calendar.zone).replace(tzinfo=None)
    while True:
        clock = max(clock, at.astimezone(calendar.zone).replace(tzinfo=None))
        minutes = clock.hour * 60 + clock.minute
        spans = calendar.week[clock.weekday()] if clock.date() not in calendar.holidays else ()
        if at >= start:
            yield at, any(opens <= minutes < closes for opens, closes in spans)
        at += MINUTE


def slow_add(calendar: Calendar, start: datetime, minutes: int) -> datetime:
    for at, is_open in slowly(calendar, start):
        if is_open and minutes == 0:
            return at
        minutes -= is_open
        if is_open and minutes == 0:
            return at + MINUTE
    raise AssertionError


def slow_between(calendar: Calendar, start: datetime, end: datetime) -> timedelta:
    total = timedelta()
    for at, is_open in slowly(calendar, start):
        if at >= end:
            break
        total += MINUTE * is_open
    return total


@st.composite
def spans(draw: st.DrawFn) -> tuple[Span, ...]:
    edges = draw(st.lists(st.integers(0, DAY // 5).map(lambda n: n * 5), max_size=4, unique=True).map(sorted))
    return tuple((opens, closes) for opens, closes in zip(edges[::2], edges[1::2], strict=False))


@st.composite
def situations(draw: st.DrawFn) -> tuple[Calendar, datetime]:
    """A calendar, and a moment near a change of its clocks."""
    name, change = draw(st.sampled_from(ZONES))
    week = tuple(draw(st.lists(spans(), min_size=7, max_size=7)))
    if not any(week):
        week = (((8 * 60, 12 * 60),), *week[1:])
    near = st.integers(-4, 6).map(lambda n: change + timedelta(days=n))
    calendar = Calendar("any", ZoneInfo(name), week, draw(st.frozensets(near, max_size=2)))
    minute = draw(st.integers(-3 * DAY, 2 * DAY))
    return calendar, datetime.combine(change, datetime.min.time(), UTC) + minute * MINUTE


@settings(max_examples=120, deadline=None)
@given(situations(), st.integers(0, 900))
def test_hours_added_are_those_of_a_walk_through_time(situation: tuple[Calendar, datetime], minutes: int) -> None:
    calendar, start = situation
    due = add(calendar, start, minutes / 60)
    assert abs(due.astimezone(UTC) - slow_add(calendar, start, minutes)) < timedelta(milliseconds=1)


@settings(max_examples=120, deadline=None)
@given(situations(), st.integers(-100, 5 * DAY))
def test_hours_between_are_those_of_a_walk_through_time(situation: tuple[Calendar, datetime], minutes: int) -> None:
    calendar, start = situation
    end = start + minutes * MINUTE
    assert between(calendar, start, end) == slow_between(calendar, start, end)


@settings(max_examples=100, deadline=None)
@given(situations(), st.floats(0.1, 200))
def test_between_is_what_was_added(situation: tuple[Calendar, datetime], hours: float) -> None:
    calendar, start = situation
    passed = between(calendar, start, add(calendar, start, hours))
    assert abs(passed.total_seconds() - hours * 3600) < 0.001


@pytest.mark.parametrize(
    ("calendar", "start", "hours", "due"),
    [
        (OFFICE, "2026-11-20T16:00+01:00", 2, "2026-11-23T10:00+01:00"),  # Friday evening to Monday
        (OFFICE, "2026-11-20T09:00+01:00", 8, "2026-11-20T17:00+01:00"),  # a day is over when it closes
        (OFFICE, "2026-11-21T12:00+01:00", 1, "2026-11-23T10:00+01:00"),  # received on a Saturday
        (OFFICE, "2026-12-24T16:00+01:00", 2, "2026-12-28T10:00+01:00"),  # over a holiday and a weekend
        (OFFICE, "2026-03-27T16:00+01:00", 2, "2026-03-30T10:00+02:00"),  # over the change of the clocks
        (OFFICE, "2026-11-20T23:00+09:00", 1, "2026-11-20T16:00+01:00"),  # received in another zone
        (NIGHT, "2026-11-20T23:00+01:00", 6, "2026-11-21T05:00+01:00"),  # over midnight
        (NIGHT, "2026-10-24T22:00+02:00", 8, "2026-10-25T05:00+01:00"),  # a night of nine hours
        (NIGHT, "2026-03-28T22:00+01:00", 8, "2026-03-29T23:00+02:00"),  # a night of seven
        (ALWAYS, "2026-03-28T22:00+01:00", 24, "2026-03-29T23:00+02:00"),
    ],
)
def test_hours_end_where_people_expect(calendar: Calendar, start: str, hours: float, due: str) -> None:
    found = add(calendar, datetime.fromisoformat(start), hours)
    assert found.isoformat(timespec="minutes") == datetime.fromisoformat(due).astimezone(calendar.zone).isoformat(
        timespec="minutes"
    )


def test_a_shift_that_begins_in_a_skipped_hour_begins_with_the_jump() -> None:
    early = Calendar("early", BERLIN, (((150, 600),),) * 7)  # 02:30 to 10:00; on this day 02:00 is 03:00
    assert add(early, datetime(2026, 3, 29, tzinfo=UTC), 1) == datetime(2026, 3, 29, 2, tzinfo=UTC)


def test_the_zone_names_itself() -> None:
    assert add(OFFICE, datetime(2026, 7, 6, 8, tzinfo=UTC), 1).strftime("%H:%M %Z") == "11:00 CEST"


def test_a_calendar_that_hardly_opens_ends_somewhere() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    closed = Calendar("rare", BERLIN, (((0, 1),), *((),) * 6))
    assert add(closed, start, 1_000) == start + HORIZON
    assert closed.weekly_hours == pytest.approx(1 / 60)
