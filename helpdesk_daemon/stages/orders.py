"""What operators order about a ticket by command: pure, the same steps as agents' orders by mail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from helpdesk_daemon.errors import Refused
from helpdesk_daemon.outgoing.message import Outgoing
from helpdesk_daemon.ports import Change, Known, Outcome
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
