"""What a mail of the customer's side does on a ticket: it is kept, forwarded or held."""

from __future__ import annotations

from helpdesk_daemon.mail.screening.authentication import doubtful_sender
from helpdesk_daemon.outgoing.limits import take
from helpdesk_daemon.ports import Audit, Change, Outcome
from helpdesk_daemon.stages.case import Case
from helpdesk_daemon.stages.opening import MOST_TAKE_PART, taking_part
from helpdesk_daemon.stages.thread import Thread
from helpdesk_daemon.tickets.ticket import State, Ticket


def append(case: Case, ticket: Ticket, reason: str, kind: str = "automatic") -> Outcome:
    """Keep a mail on its ticket and cause nothing else."""
    return case.outcome("reply", reason, ticket=ticket.id, message=case.stored(ticket.id, kind))


def customer_reply(case: Case, thread: Thread) -> Outcome:
    """A mail of the customer's side: forwarded to the department, not acknowledged again."""
    ticket, message = thread.ticket, case.message
    closed = ticket.state == State.CLOSED
    reopens = case.screening.reopen or not closed
    state = State.OPEN if reopens and ticket.state in (State.WAITING, State.CLOSED) else None
    confidence, rule = case.known.confidence.get(ticket.id, (0.0, "default"))
    here = case.known.participants.get(ticket.id, set())
    stranger = message.sender.email not in here
    doubt = doubtful_sender(message, case.desk.policy.authserv_id) or (
        f"{message.sender.email} has not taken part in this ticket, and does not get your answer" if stranger else ""
    )
    forward = case.desk.composer.follow_up(ticket, message, confidence, rule, case.now, doubt)
    joins = _joining(case, here) if thread.signed and not doubt else ()
    change = Change(ticket.id, state, message.message_id or None, participants=joins)
    detail = {"how": thread.how, "from": message.sender.email, "takes_part": not stranger, "doubt": doubt}
    lines = [Audit("reply.received", detail, ticket.id)]
    if closed and state:
        lines.append(Audit("ticket.reopened", {"by": message.sender.email}, ticket.id))
    return case.outcome(
        "reply", thread.how, ticket=ticket.id, change=change, message=case.stored(ticket.id, "reply"),
        outgoing=(forward,), audit=tuple(lines),
    )  # fmt: skip


def _joining(case: Case, here: set[str]) -> tuple[str, ...]:
    """Those on copy of a participant's mail, who get answers from now on, as far as there is room."""
    people = taking_part(case.desk, case.message.cc)
    return tuple(p for p in people if p not in here)[: max(MOST_TAKE_PART - len(here), 0)]


def hold(case: Case, ticket: Ticket, reason: str) -> Outcome:
    """Neither relay a mail nor take it for the customer's; let the department see it."""
    scopes = {f"ticket:{ticket.id}": case.desk.limits.ticket}
    buckets, empty = take(case.known.buckets, scopes, case.now)
    shown = () if empty else (case.desk.composer.held(ticket, case.message, reason, case.arrival.raw, case.now),)
    line = Audit("reply.held", {"reason": reason, "from": case.message.sender.email, "shown": not empty}, ticket.id)
    return case.outcome(
        "reply", f"held: {reason}", ticket=ticket.id, message=case.stored(ticket.id, "held"), outgoing=shown,
        buckets=buckets, audit=(line,),
    )  # fmt: skip
