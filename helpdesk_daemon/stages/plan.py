"""What one mail becomes: a pure function from the mail and what is known to everything to be written."""

from __future__ import annotations

from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.mail.screening.table import Kind
from helpdesk_daemon.ports import Arrival, Known, Outcome, changed
from helpdesk_daemon.stages.answers import agent_reply
from helpdesk_daemon.stages.bounces import bounced
from helpdesk_daemon.stages.bounds import bounded
from helpdesk_daemon.stages.case import Case
from helpdesk_daemon.stages.opening import open_ticket
from helpdesk_daemon.stages.repeats import copy_of
from helpdesk_daemon.stages.replies import append, customer_reply
from helpdesk_daemon.tickets.ticket import SPAM, State, Ticket
from helpdesk_daemon.tickets.tracking import Party
from helpdesk_daemon.triage.vote import Vote


def opens_ticket(case: Case) -> bool:
    """Whether planning will need a vote."""
    if copy_of(case) or case.screening.kind in (Kind.OWN, Kind.BOUNCE):
        return False
    if case.thread is None:
        return case.screening.ticket
    if case.thread.party == Party.AGENT or SPAM in case.thread.ticket.tags:
        return False
    return _is_late(case, case.thread.ticket) and case.screening.ticket


def plan(case: Case, voted: Vote | None) -> Outcome:
    """What a mail becomes, within the limits of what one may cause.

    Args:
        case: the mail, screened and threaded.
        voted: the vote where a ticket opens; None when the model or index was not available.
    """
    return bounded(case, _becomes(case, voted))


def _becomes(case: Case, voted: Vote | None) -> Outcome:
    """The room that a mail goes to, first match."""
    if copied := copy_of(case):
        return case.outcome("ignored", copied)
    kind = case.screening.kind
    if kind == Kind.OWN:
        return case.outcome("ignored", case.screening.reason)
    if kind == Kind.BOUNCE:
        return bounced(case)
    if case.thread and kind == Kind.AUTO_REPLY:
        return append(case, case.thread.ticket, f"automatic: {case.screening.reason}")
    if case.thread and case.thread.party == Party.AGENT:
        return agent_reply(case, case.thread.ticket)
    if case.thread and SPAM in case.thread.ticket.tags:
        return append(case, case.thread.ticket, "the ticket was marked as spam", "reply")
    if case.thread and not opens_ticket(case):
        return customer_reply(case, case.thread)
    if not case.screening.ticket:
        return case.outcome("ignored", case.screening.reason)
    return open_ticket(case, voted)


def absorb(known: Known, arrival: Arrival, message: Message, outcome: Outcome) -> None:
    """Let later mails of the same batch see what an earlier one led to."""
    known.digests.setdefault(arrival.digest, arrival.id)
    known.buckets.update(outcome.buckets)
    known.suppressed.update(outcome.suppress)
    if outcome.ticket and message.message_id:
        known.by_message_id.setdefault(message.message_id, outcome.ticket)
    if outcome.message and message.message_id:
        known.copies.setdefault(message.message_id, []).append(outcome.message)
    if outcome.message and outcome.ticket in known.stories:
        known.stories[outcome.ticket].append((outcome.message, arrival.raw))
    known.breaker_open = known.breaker_open or bool(outcome.breaker)
    if outcome.opened:
        known.tickets[outcome.ticket] = outcome.opened
        known.participants[outcome.ticket] = set(outcome.participants)
    if outcome.decision:
        known.confidence[outcome.ticket] = (outcome.decision.confidence, outcome.decision.rule)
        known.departments.setdefault(outcome.ticket, set()).add(outcome.decision.department.name)
    if outcome.change:
        ticket = known.tickets[outcome.change.ticket]
        known.tickets[ticket.id] = changed(ticket, outcome.change)
        known.participants.setdefault(ticket.id, set()).update(outcome.change.participants)


def _is_late(case: Case, ticket: Ticket) -> bool:
    closed = case.known.closed_at.get(ticket.id)
    return ticket.state == State.CLOSED and closed is not None and case.now - closed > case.desk.reopen_within
