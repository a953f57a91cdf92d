"""What a look at a ticket's promises leads to: pure functions of what was promised, the rules and the time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from helpdesk_daemon.ports import Audit
from helpdesk_daemon.ports.sla import Commitment
from helpdesk_daemon.tickets.calendar import ALWAYS
from helpdesk_daemon.tickets.sla import Course, Progress, Promise, Signal, Target, judge, marked, next_look, wanted
from helpdesk_daemon.triage.rules import Routing
from helpdesk_daemon.triage.terms import terms_of

PRECISION = timedelta(milliseconds=1)  # of times in the database


@dataclass(frozen=True, slots=True)
class News:
    """Something people have to be told.

    Attributes:
        ticket: tracking ID.
        subject: of the ticket.
        priority: of the ticket.
        target: which promise it is about.
        signal: reminder or escalation.
        due_at: of the promise, in the zone in which people read it.
    """

    ticket: str
    subject: str
    priority: str
    target: Target
    signal: Signal
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Judged:
    """A commitment as it stands.

    Attributes:
        commitment: to be kept.
        news: what people have to be told.
        escalation: addresses that hear of what was missed.
        audit: lines for the log.
    """

    commitment: Commitment
    news: tuple[News, ...]
    escalation: tuple[str, ...]
    audit: tuple[Audit, ...]


def look_at(before: Commitment, routing: Routing, now: datetime) -> Judged:
    """Judge a ticket's promises as the rules are now.

    Args:
        before: as it was read.
        routing: the rules of the ticket's mailbox.
        now: the present moment.
    """
    ticket, terms = before.ticket, terms_of(routing, before.ticket)
    course = Course(terms.calendar or ALWAYS, before.started_at, before.pauses)
    ends = _ends(before)
    promises = {
        target: judge(promise, course, ends[target], now)
        for target, promise in _promises(before, terms.resolution_hours).items()
    }
    zone = str(course.calendar.zone)
    response = promises[Target.RESPONSE]
    looks = [next_look(p, course, now) for target, p in promises.items() if ends[target] is None]
    after = replace(
        before, response=response, resolution=promises.get(Target.RESOLUTION), department=ticket.department,
        calendar=course.calendar.name, rules=routing.version,
        next_at=min((at for at in looks if at), default=None),
        ticket=replace(ticket, due_at=_due_of(before, response), zone=zone),
    )  # fmt: skip
    news = tuple(
        News(ticket.id, ticket.subject, ticket.priority, target, signal, promise.due_at.astimezone(ZoneInfo(zone)))
        for target, promise in promises.items()
        if promise.due_at and (signal := wanted(promise, course, ends[target], now))
    )
    return Judged(after, news, terms.escalation or (ticket.address,), tuple(_lines(before, after)))


def told(commitment: Commitment, target: Target, signal: Signal, now: datetime) -> Commitment:
    """The commitment when people were told."""
    if target == Target.RESPONSE:
        return replace(commitment, response=marked(commitment.response, signal, now))
    assert commitment.resolution is not None
    return replace(commitment, resolution=marked(commitment.resolution, signal, now))


def _ends(c: Commitment) -> dict[Target, datetime | None]:
    """When what was promised was done; a ticket that is closed needs no answer any more."""
    done = [at for at in (c.answered_at, c.closed_at) if at]
    return {Target.RESPONSE: min(done, default=None), Target.RESOLUTION: c.closed_at}


def _promises(c: Commitment, resolution_hours: float | None) -> dict[Target, Promise]:
    """What is promised now. A department that did not have the ticket before has heard nothing, so it is told anew."""
    promises = {Target.RESPONSE: replace(c.response, hours=c.ticket.sla_hours)}
    if resolution_hours:
        promises[Target.RESOLUTION] = replace(c.resolution or Promise(resolution_hours), hours=resolution_hours)
    if c.ticket.department == c.department:
        return promises
    return {target: replace(p, reminded_at=None, escalated_at=None) for target, p in promises.items()}


def _due_of(c: Commitment, response: Promise) -> datetime:
    """The due time that the ticket shows: it stays what it was while the promise is paused."""
    due, shown = response.due_at, c.ticket.due_at
    return shown if due is None or abs(due - shown) < PRECISION else due


def _lines(before: Commitment, after: Commitment) -> list[Audit]:
    ticket = after.ticket
    lines = []
    if ticket.due_at != before.ticket.due_at:
        detail = {
            "from": before.ticket.due_at.isoformat(), "to": ticket.due_at.isoformat(), "hours": ticket.sla_hours,
            "calendar": after.calendar or "around the clock", "department": ticket.department,
            "priority": ticket.priority.value,
        }  # fmt: skip
        lines.append(Audit("due.moved", detail, ticket.id))
    pairs = (
        (Target.RESPONSE, before.response, after.response),
        (Target.RESOLUTION, before.resolution, after.resolution),
    )
    for target, old, new in pairs:
        if new and new.progress != (old.progress if old else Progress.RUNNING):
            due = new.due_at.isoformat() if new.due_at else None
            lines.append(Audit(f"{target}.{EVENTS[new.progress]}", {"due_at": due, "hours": new.hours}, ticket.id))
    return lines


EVENTS = {Progress.RUNNING: "resumed", Progress.PAUSED: "paused", Progress.KEPT: "kept", Progress.MISSED: "missed"}
