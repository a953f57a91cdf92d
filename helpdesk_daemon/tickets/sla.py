"""What was promised on a ticket, by when, and whether it was kept: values and arithmetic, no clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from helpdesk_daemon.tickets.calendar import ALWAYS, Calendar, add, between
from helpdesk_daemon.tickets.ticket import State

HOUR = timedelta(hours=1)
REMIND_AFTER = 0.75  # share of the promised hours
STOPPED = frozenset({State.WAITING, State.CLOSED})  # in these states no promise runs


class Target(StrEnum):
    """What is promised."""

    RESPONSE = "response"
    RESOLUTION = "resolution"


class Progress(StrEnum):
    """How a promise stands."""

    RUNNING = "running"
    PAUSED = "paused"
    KEPT = "kept"
    MISSED = "missed"


class Signal(StrEnum):
    """What people are told of a promise."""

    REMINDER = "reminder"
    ESCALATION = "escalation"


@dataclass(frozen=True, slots=True)
class Pause:
    """A stretch in which we wait for the customer, or the ticket is closed; `ended_at` is None while it lasts."""

    began_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """What promises of a ticket are measured by.

    Attributes:
        calendar: of the department.
        started_at: receipt of the first mail.
        pauses: when no promise ran, oldest first.
    """

    calendar: Calendar
    started_at: datetime
    pauses: tuple[Pause, ...] = ()


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise.

    Attributes:
        hours: in the department's calendar.
        due_at: when these are over; None while it is paused.
        progress: see `Progress`.
        reminded_at: people were told that it is due soon.
        escalated_at: people were told that it was missed.
    """

    hours: float
    due_at: datetime | None = None
    progress: Progress = Progress.RUNNING
    reminded_at: datetime | None = None
    escalated_at: datetime | None = None


def due_at(received: datetime, hours: float, calendar: Calendar = ALWAYS) -> datetime:
    """The time promised for the first answer.

    Args:
        received: receipt by our server, UTC.
        hours: the promise, in hours of the calendar.
        calendar: of the department; around the clock when there is none.

    Returns:
        The due time, in the calendar's zone.
    """
    return add(calendar, received, hours)


def deadline(course: Course, hours: float) -> datetime | None:
    """When some hours of a ticket's course are over; None when it is paused before that."""
    left = timedelta(hours=hours)  # whole microseconds, so that nothing is lost at a pause
    for began, ended in _runs(course.started_at, course.pauses):
        passed = left if ended is None else between(course.calendar, began, ended)
        if ended is None or (passed and passed >= left):
            return add(course.calendar, began, left / HOUR)
        left -= passed
    return None


def _runs(started: datetime, pauses: Sequence[Pause]) -> Iterator[tuple[datetime, datetime | None]]:
    """The stretches between pauses; clocks that were set back may make pauses overlap or end before they begin."""
    began = started
    for pause in sorted(pauses, key=lambda p: p.began_at):
        if pause.began_at > began:
            yield began, pause.began_at
        if pause.ended_at is None:
            return
        began = max(began, pause.began_at, pause.ended_at)
    yield began, None


def judge(promise: Promise, course: Course, ended_at: datetime | None, now: datetime) -> Promise:
    """How a promise stands.

    Args:
        promise: as it stood; what people were told is left as it is.
        course: of the ticket.
        ended_at: when what was promised was done, None when it was not.
        now: the present moment.
    """
    due = deadline(course, promise.hours)
    if ended_at is not None:
        at_end = tuple(p for p in course.pauses if p.began_at < ended_at)
        due = deadline(replace(course, pauses=at_end), promise.hours)
        progress = Progress.KEPT if due is None or ended_at <= due else Progress.MISSED
    elif due is None:
        progress = Progress.PAUSED
    else:
        progress = Progress.RUNNING if now < due else Progress.MISSED
    return replace(promise, due_at=due, progress=progress)


def wanted(promise: Promise, course: Course, ended_at: datetime | None, now: datetime) -> Signal | None:
    """What people should be told of a judged promise now; each once, and no reminder of what is missed already."""
    if ended_at is not None or promise.due_at is None:
        return None
    if promise.progress == Progress.MISSED:
        return None if promise.escalated_at else Signal.ESCALATION
    reminder = _reminder(promise, course)
    return Signal.REMINDER if reminder is not None and reminder <= now else None


def next_look(promise: Promise, course: Course, now: datetime) -> datetime | None:
    """When a judged promise of which people were told all there is has news again; None for never by itself."""
    if promise.progress != Progress.RUNNING or promise.due_at is None:
        return None
    reminder = _reminder(promise, course)
    return reminder if reminder is not None and reminder > now else promise.due_at


def _reminder(promise: Promise, course: Course) -> datetime | None:
    return None if promise.reminded_at else deadline(course, promise.hours * REMIND_AFTER)


def marked(promise: Promise, signal: Signal, now: datetime) -> Promise:
    """The promise when people were told."""
    if signal == Signal.REMINDER:
        return replace(promise, reminded_at=now)
    return replace(promise, escalated_at=now)
