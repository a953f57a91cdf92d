"""What operators order about a ticket by command: pure, the same steps as agents' orders by mail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from helpdesk_daemon.errors import Refused
from helpdesk_daemon.outgoing.compose import deliverable
from helpdesk_daemon.outgoing.limits import ALL_ACKNOWLEDGEMENTS, address_scope, take
from helpdesk_daemon.outgoing.message import Outgoing
from helpdesk_daemon.ports import Audit, Change, Known, Outcome
from helpdesk_daemon.stages import moves, story
from helpdesk_daemon.stages.case import Desk
from helpdesk_daemon.stages.moves import Moved
from helpdesk_daemon.tickets.ticket import State, Ticket


def corrected(desk: Desk, known: Known, actor: str, now: datetime, ticket_id: str, category: str) -> list[Outcome]:
    """Give a ticket another category; another department gets it with its conversation.

    Raises:
        Refused: there is no such ticket or category.
    """
    names = {name.casefold(): name for name in desk.routing.categories}
    if category.casefold() not in names:
        raise Refused(f"routing.toml has no category {category!r}; it has {', '.join(names.values())}")
    ticket = _going_on(known, ticket_id)
    mails = known.stories.get(ticket.id, [])
    moved = moves.correct(moves.begin(ticket, actor), names[category.casefold()], story.opening(mails), desk.routing)
    moved, outgoing = hand_over(desk, moved, mails, now)
    return [_outcome(moved, outgoing, decision=moved.decision, label=moved.label)]


def rerouted(desk: Desk, known: Known, actor: str, now: datetime, ticket_id: str, department: str) -> list[Outcome]:
    """Give a ticket to another department, with its conversation; its category stays.

    Raises:
        Refused: there is no such ticket or department, or it has the ticket already.
    """
    ticket, found = _going_on(known, ticket_id), desk.routing.departments.get(department)
    if found is None:
        names = ", ".join(desk.routing.departments)
        raise Refused(f"routing.toml has no department {department!r}; it has {names}")
    if found.name == ticket.department:
        raise Refused(f"{ticket.id} is with {found.name} already")
    confidence, _ = known.confidence.get(ticket.id, (0.0, ""))
    moved = moves.reroute(moves.begin(ticket, actor), found, confidence, desk.routing)
    moved, outgoing = hand_over(desk, moved, known.stories.get(ticket.id, []), now)
    return [_outcome(moved, outgoing, decision=moved.decision)]


def forwarded_again(desk: Desk, known: Known, actor: str, now: datetime, ticket_id: str) -> list[Outcome]:
    """Send a ticket's conversation to its department once more.

    Raises:
        Refused: there is no such ticket, or it is closed.
    """
    ticket = _going_on(known, ticket_id)
    if ticket.state == State.CLOSED:
        raise Refused(f"{ticket.id} is closed: reopen it first")
    decided = known.confidence.get(ticket.id, (0.0, "default"))
    why = f"{actor} sent this ticket once more."
    forward = retell(desk, ticket, known.stories.get(ticket.id, []), decided, why, now, answers=ticket.forward_id)
    return [_sent_again(ticket, actor, forward)]


def acknowledged_again(desk: Desk, known: Known, actor: str, now: datetime, ticket_id: str) -> list[Outcome]:
    """Acknowledge a ticket to its customer once more, within the limits of automatic mail.

    Raises:
        Refused: there is no such ticket, it is closed, or its customer may not be written to.
    """
    ticket = _going_on(known, ticket_id)
    to, limits = ticket.requester_email, desk.limits
    if ticket.state == State.CLOSED:
        raise Refused(f"{ticket.id} is closed: reopen it first")
    if to in known.suppressed:
        raise Refused(f"mail to {to} came back: release the address first")
    if not deliverable(to) or desk.is_colleague(to):
        raise Refused(f"{to!r} is no customer's address that can be written to")
    scopes = {address_scope(to): limits.address, ALL_ACKNOWLEDGEMENTS: limits.total}
    buckets, empty = take(known.buckets, scopes, now)
    if empty:
        raise Refused(f"the limit of automatic mail is reached ({empty.partition(':')[0]}): try again in an hour")
    mail = desk.composer.acknowledgement(ticket, story.opening(known.stories.get(ticket.id, [])), now)
    return [replace(_sent_again(ticket, actor, mail), buckets=buckets)]


def _sent_again(ticket: Ticket, actor: str, mail: Outgoing) -> Outcome:
    line = Audit("outgoing.resent", {"kind": mail.kind.value, "to": mail.recipient}, ticket.id, actor)
    moved = moves.begin(ticket, actor)
    return _outcome(replace(moved, audit=(line,)), (mail,))


def closed(desk: Desk, known: Known, actor: str, now: datetime, ticket_id: str) -> list[Outcome]:
    """Close a ticket; nobody is told.

    Raises:
        Refused: there is no such ticket, or it is closed already.
    """
    ticket = _going_on(known, ticket_id)
    if ticket.state == State.CLOSED:
        raise Refused(f"{ticket.id} is closed already")
    moved = moves.close(moves.begin(ticket, actor))
    if desk.confirms:
        moved = moves.confirm(moved, story.opening(known.stories.get(ticket.id, [])))
    return [_outcome(moved, label=moved.label)]


def reopened(desk: Desk, known: Known, actor: str, now: datetime, ticket_id: str) -> list[Outcome]:
    """Open a closed ticket again.

    Raises:
        Refused: there is no such ticket, or it is not closed.
    """
    ticket = _going_on(known, ticket_id)
    if ticket.state != State.CLOSED:
        raise Refused(f"{ticket.id} is not closed: it is {ticket.state.value}")
    return [_outcome(moves.reopen(moves.begin(ticket, actor)))]


def merged(desk: Desk, known: Known, actor: str, now: datetime, ticket_id: str, into_id: str) -> list[Outcome]:
    """Close a ticket whose people go on in another one; whoever has that one gets the conversation.

    Returns:
        What happens to the ticket, and to the one that goes on.

    Raises:
        Refused: one of them is not there, or they are the same.
    """
    ticket, into = _going_on(known, ticket_id), _going_on(known, into_id)
    if ticket.id == into.id:
        raise Refused(f"{ticket.id} cannot be merged into itself")
    moved = moves.merge(moves.begin(ticket, actor), into)
    outgoing: tuple[Outgoing, ...] = ()
    if into.state != State.CLOSED:
        why = f"{actor} merged {ticket.id} into this ticket. Answers go to the people of both."
        mails = known.stories.get(ticket.id, [])
        confidence, rule = known.confidence.get(into.id, (0.0, "default"))
        told = retell(desk, into, mails, (confidence, rule), why, now, answers=into.forward_id)
        outgoing = (told,)
    people = tuple(sorted(known.participants.get(ticket.id, ())))
    reason = f"merged with {ticket.id} by {actor}"
    lasting = Outcome(
        0, "reply", reason, ticket=into.id, change=Change(into.id, participants=people), outgoing=outgoing
    )
    return [_outcome(moved), lasting]


def hand_over(desk: Desk, moved: Moved, mails: story.Mails, now: datetime) -> tuple[Moved, tuple[Outgoing, ...]]:
    """Tell another department what it now has, if one has it; later mails answer that forward."""
    if not moved.leaves or moved.decision is None:
        return moved, ()
    why = f"{moved.actor} moved this ticket from {moved.before.department} to {moved.ticket.department}."
    decision = moved.decision
    forward = retell(desk, moved.ticket, mails, (decision.confidence, decision.rule), why, now)
    return replace(moved, ticket=replace(moved.ticket, forward_id=forward.message_id)), (forward,)


def retell(
    desk: Desk, ticket: Ticket, mails: story.Mails, decided: tuple[float, str], why: str, now: datetime,
    answers: str = "",
) -> Outgoing:  # fmt: skip
    """A forward with a whole conversation; `decided` is the confidence and rule of the ticket's latest decision."""
    files, whole = story.attachments(mails)
    if not whole:
        why += f" Not all files are attached: `helpdesk-daemon tickets show {ticket.id} --save FOLDER` writes them."
    return desk.composer.retold(
        ticket, story.opening(mails), *decided, why, story.retold(mails), files, now, answers=answers
    )


def _going_on(known: Known, ticket_id: str) -> Ticket:
    ticket = known.tickets.get(ticket_id)
    if ticket is None:
        raise Refused(f"there is no ticket {ticket_id}")
    if ticket.merged_into:
        raise Refused(f"{ticket.id} was merged into {ticket.merged_into}: name that one")
    return ticket


def _outcome(moved: Moved, outgoing: Iterable[Outgoing] = (), **more: object) -> Outcome:
    reason = ", ".join(line.event for line in moved.audit)
    return Outcome(
        0, "reply", reason, ticket=moved.ticket.id, change=moved.change, actor=moved.actor,
        outgoing=tuple(outgoing), audit=moved.audit, **more,  # type: ignore[arg-type]
    )  # fmt: skip
