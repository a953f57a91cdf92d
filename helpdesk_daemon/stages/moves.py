"""What people change on a ticket, by mail or by command: each change a step from ticket to ticket."""

from __future__ import annotations

from dataclasses import dataclass, replace

from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.ports import Audit, Change, Label, difference
from helpdesk_daemon.tickets.calendar import ALWAYS
from helpdesk_daemon.tickets.sla import due_at
from helpdesk_daemon.tickets.ticket import SPAM, Priority, State, Ticket
from helpdesk_daemon.triage.decide import Decision
from helpdesk_daemon.triage.rules import Department, Routing, apply
from helpdesk_daemon.triage.terms import calendar_of, terms_of
from helpdesk_daemon.triage.text import text_of


@dataclass(frozen=True, slots=True)
class Moved:
    """A ticket before and after what somebody did to it.

    Attributes:
        before: as the database has it.
        ticket: as it is from now on.
        actor: who did it.
        decision: how it is routed from now on, where that changed.
        label: what later tickets learn from it.
        audit: lines for the log.
    """

    before: Ticket
    ticket: Ticket
    actor: str
    decision: Decision | None = None
    label: Label | None = None
    audit: tuple[Audit, ...] = ()

    @property
    def change(self) -> Change:
        """What has to be written."""
        return difference(self.before, self.ticket)

    @property
    def leaves(self) -> bool:
        """Whether another department has to be told; a closed ticket needs nobody."""
        return self.ticket.address != self.before.address and self.ticket.state != State.CLOSED


def begin(ticket: Ticket, actor: str) -> Moved:
    """A ticket to which nothing was done yet."""
    return Moved(ticket, ticket, actor)


def _step(moved: Moved, event: str, detail: dict[str, object], **changes: object) -> Moved:
    after = replace(moved.ticket, **changes)  # type: ignore[arg-type]
    line = Audit(event, detail, after.id, moved.actor)
    return replace(moved, ticket=after, audit=(*moved.audit, line))


def correct(moved: Moved, category: str, opening: Message, routing: Routing) -> Moved:
    """Give a ticket another category, and all that follows from it; it teaches the classifier.

    Rules still set priority and promise, as for a mail that was classified so; the department is the category's.

    Args:
        moved: the ticket.
        category: one of the routing's.
        opening: the mail that opened it.
        routing: the operator's rules.
    """
    before, route = moved.ticket, routing.categories[category]
    applied = apply(routing.rules, opening, category, 1.0)
    hours = applied.then.sla_hours if applied.then.sla_hours is not None else route.sla_hours
    priority = applied.then.priority or route.priority
    hit = [applied.set_by[thing] for thing in ("priority", "sla_hours") if thing in applied.set_by]
    decision = Decision(
        category, 1.0, False, "", route.department, priority, hours, before.tags,
        rule=", ".join(dict.fromkeys(hit)) or "default", set_by={**applied.set_by, "category": moved.actor},
        rules_version=routing.version,
    )  # fmt: skip
    calendar = calendar_of(routing, category, route.department.name, False)
    goes = route.department.address != before.address
    detail: dict[str, object] = {
        "from": before.category, "to": category, "department": route.department.name, "before": before.department,
        "priority": priority.value, "sla_hours": hours,
    }  # fmt: skip
    after = _step(
        moved, "ticket.corrected", detail, category=category, department=route.department.name,
        address=route.department.address, priority=priority, sla_hours=hours,
        due_at=due_at(before.created_at, hours, calendar), zone=str(calendar.zone), needs_review=False,
        state=State.OPEN if goes and before.state == State.WAITING else before.state,
    )  # fmt: skip
    text = text_of(opening)
    label = Label(text, category, before.id, moved.actor) if text else None
    return replace(after, decision=decision, label=label)


def reroute(moved: Moved, department: Department, confidence: float, routing: Routing) -> Moved:
    """Give a ticket to another department; what it is about, and what was promised, stay.

    Args:
        moved: the ticket.
        department: one of the routing's.
        confidence: of the ticket's latest decision, 0 to 1.
        routing: the operator's rules.
    """
    before = moved.ticket
    decision = Decision(
        before.category, confidence, False, "", department, before.priority, before.sla_hours, before.tags,
        set_by={"department": moved.actor}, rules_version=routing.version,
    )  # fmt: skip
    calendar = calendar_of(routing, before.category, department.name, False)
    detail: dict[str, object] = {"from": before.department, "to": department.name}
    goes = department.address != before.address
    after = _step(
        moved, "ticket.rerouted", detail, department=department.name, address=department.address, needs_review=False,
        due_at=due_at(before.created_at, before.sla_hours, calendar), zone=str(calendar.zone),
        state=State.OPEN if goes and before.state == State.WAITING else before.state,
    )  # fmt: skip
    return replace(after, decision=decision)


def prioritise(moved: Moved, priority: Priority, routing: Routing) -> Moved:
    """Give a ticket another priority; what was promised to the customer stays, unless the rules say otherwise."""
    ticket, hours = moved.ticket, routing.priorities.get(priority)
    detail: dict[str, object] = {"from": ticket.priority.value, "to": priority.value}
    if hours is None:
        return _step(moved, "ticket.prioritised", detail, priority=priority)
    due = due_at(ticket.created_at, hours, terms_of(routing, ticket).calendar or ALWAYS)
    detail["sla_hours"] = hours
    return _step(moved, "ticket.prioritised", detail, priority=priority, sla_hours=hours, due_at=due)


def close(moved: Moved) -> Moved:
    """Close a ticket."""
    return _step(moved, "ticket.closed", {"state": moved.ticket.state.value}, state=State.CLOSED)


def confirm(moved: Moved, opening: Message) -> Moved:
    """Let the category under which a ticket is closed be a label, where the department had it and moved it nowhere.

    A ticket in triage confirms nothing: who answers there has no reason to put the category right.
    """
    text, ticket = text_of(opening), moved.ticket
    if moved.label or not text or not ticket.category or moved.before.needs_review or ticket.merged_into:
        return moved
    return replace(moved, label=Label(text, ticket.category, ticket.id, moved.actor, said=False))


def reopen(moved: Moved) -> Moved:
    """Open a ticket again; whoever does so says that it is no spam."""
    tags = tuple(tag for tag in moved.ticket.tags if tag != SPAM)
    return _step(moved, "ticket.reopened", {"by": moved.actor}, state=State.OPEN, tags=tags)


def mark_spam(moved: Moved) -> Moved:
    """Close a ticket for good: mail on it is kept and causes nothing. Its sender is not suppressed."""
    tags = tuple(dict.fromkeys((*moved.ticket.tags, SPAM)))
    return _step(moved, "ticket.marked_spam", {"state": moved.ticket.state.value}, state=State.CLOSED, tags=tags)


def merge(moved: Moved, into: Ticket) -> Moved:
    """Close a ticket whose conversation goes on in another one."""
    detail: dict[str, object] = {"into": into.id}
    return _step(moved, "ticket.merged", detail, state=State.CLOSED, merged_into=into.id)
