"""When an answer is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpdesk_daemon.tickets.calendar import ALWAYS
from helpdesk_daemon.tickets.sla import (
    Course,
    Pause,
    Progress,
    Promise,
    Signal,
    deadline,
    due_at,
    judge,
    marked,
    next_look,
    wanted,
)
from tests.unit.test_calendar import NIGHT, OFFICE, slowly

RECEIVED = datetime(2026, 5, 4, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "due"),
    [
        (4, datetime(2026, 5, 5, 2, 30, tzinfo=UTC)),
        (24, datetime(2026, 5, 5, 22, 30, tzinfo=UTC)),
        (0.5, datetime(2026, 5, 4, 23, 0, tzinfo=UTC)),
        (0, RECEIVED),
    ],
)
def test_hours_count_around_the_clock(hours: float, due: datetime) -> None:
    assert due_at(RECEIVED, hours) == due


@given(st.floats(0, 10_000))
def test_the_due_time_is_aware_and_never_before_receipt(hours: float) -> None:
    due = due_at(RECEIVED, hours)
    assert due.tzinfo is UTC
    assert timedelta() <= due - RECEIVED <= timedelta(hours=hours, seconds=1)


MINUTE = timedelta(minutes=1)
START = datetime(2026, 10, 23, 8, tzinfo=UTC)  # a Friday, two days before the clocks change


def hours_from_start(first: int, last: int) -> st.SearchStrategy[datetime]:
    return st.integers(first * 60, last * 60).map(lambda n: START + n * MINUTE)


@st.composite
def courses(draw: st.DrawFn) -> Course:
    """A ticket's pauses as they come: one after the other, or, where clocks jumped, over one another."""
    edges = draw(st.lists(hours_from_start(-2, 96), max_size=6))
    edges = draw(st.sampled_from([edges, sorted(edges)]))
    ends: list[datetime | None] = [*edges[1::2], *([None] if len(edges) % 2 else [])]
    pauses = tuple(Pause(began, ended) for began, ended in zip(edges[::2], ends, strict=True))
    return Course(draw(st.sampled_from([ALWAYS, OFFICE, NIGHT])), START, pauses)


def slow_deadline(course: Course, minutes: int) -> datetime | None:
    """Count the minutes that are open and in no pause, for so long as any may follow."""
    for at, is_open in slowly(course.calendar, START):
        paused = any(p.began_at <= at and (p.ended_at is None or at < p.ended_at) for p in course.pauses)
        minutes -= is_open and not paused
        if minutes == 0:
            return at + MINUTE
        if at > START + timedelta(days=21):
            return None
    raise AssertionError


@settings(max_examples=100, deadline=None)
@given(courses(), st.integers(1, 600))
def test_a_deadline_is_that_of_a_walk_through_time(course: Course, minutes: int) -> None:
    due = deadline(course, minutes / 60)
    slow = slow_deadline(course, minutes)
    assert (due is None) == (slow is None)
    assert due is None or slow is None or abs(due.astimezone(UTC) - slow) < timedelta(milliseconds=1)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def course(*pauses: tuple[float, float | None]) -> Course:
    return Course(ALWAYS, START, tuple(Pause(at(a), None if b is None else at(b)) for a, b in pauses))


@pytest.mark.parametrize(
    ("pauses", "ended", "now", "progress", "due"),
    [
        ([], None, 3.9, Progress.RUNNING, 4),
        ([], None, 4, Progress.MISSED, 4),
        ([], 4, 9, Progress.KEPT, 4),
        ([], 4.1, 9, Progress.MISSED, 4),
        ([(1, None)], None, 9, Progress.PAUSED, None),
        ([(1, 3)], None, 5, Progress.RUNNING, 6),
        ([(1, 3)], 5.5, 9, Progress.KEPT, 6),
        ([(5, None)], None, 5, Progress.MISSED, 4),  # a pause mends nothing that was missed
        ([(1, None)], 9, 9, Progress.KEPT, None),  # closed while we waited for the customer
        ([(3, None)], 3, 9, Progress.KEPT, 4),  # the answer itself is what began the pause
        ([(3, 2)], None, 1, Progress.RUNNING, 4),  # the clock was set back in between
    ],
)
def test_how_a_promise_of_four_hours_stands(
    pauses: list[tuple[float, float | None]], ended: float | None, now: float, progress: Progress, due: float | None
) -> None:
    judged = judge(Promise(4), course(*pauses), None if ended is None else at(ended), at(now))
    assert judged.progress == progress
    assert judged.due_at == (None if due is None else at(due))


@pytest.mark.parametrize(
    ("promise", "now", "signal", "look"),
    [
        (Promise(4), 2.9, None, 3),
        (Promise(4), 3, Signal.REMINDER, 4),
        (Promise(4, reminded_at=at(3)), 3.5, None, 4),
        (Promise(4), 4, Signal.ESCALATION, None),  # too late for a reminder
        (Promise(4, reminded_at=at(3)), 4, Signal.ESCALATION, None),
        (Promise(4, escalated_at=at(4)), 5, None, None),
        (Promise(4, reminded_at=at(3), escalated_at=at(4)), 1, None, 4),  # the clock was set back
    ],
)
def test_what_people_are_told_and_when_to_look_again(
    promise: Promise, now: float, signal: Signal | None, look: float | None
) -> None:
    judged = judge(promise, course(), None, at(now))
    assert wanted(judged, course(), None, at(now)) == signal
    assert next_look(judged, course(), at(now)) == (None if look is None else at(look))


def test_nobody_is_told_of_what_is_done_or_paused() -> None:
    late = judge(Promise(4), course(), at(5), at(9))
    assert late.progress == Progress.MISSED
    assert wanted(late, course(), at(5), at(9)) is None
    paused = course((1, None))
    assert wanted(judge(Promise(4), paused, None, at(9)), paused, None, at(9)) is None


def test_a_mark_stands_on_what_was_told() -> None:
    assert marked(Promise(4), Signal.REMINDER, at(3)) == Promise(4, reminded_at=at(3))
    assert marked(Promise(4), Signal.ESCALATION, at(4)) == Promise(4, escalated_at=at(4))
