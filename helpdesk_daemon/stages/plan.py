"""What one mail becomes: a pure function from the mail and what is known to everything to be written."""

from __future__ import annotations

from dataclasses import replace

from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.mail.screen import Kind
from helpdesk_daemon.ports import Arrival, Known, Outcome
from helpdesk_daemon.stages.bounces import bounced
from helpdesk_daemon.stages.bounds import bounded
from helpdesk_daemon.stages.case import Case
from helpdesk_daemon.stages.opening import open_ticket
from helpdesk_daemon.stages.replies import agent_reply, append, customer_reply
from helpdesk_daemon.tickets.ticket import State, Ticket
from helpdesk_daemon.tickets.tracking import Party
from helpdesk_daemon.triage.vote import Vote


def opens_ticket(case: Case) -> bool:
    """Whether planning will need a vote."""
    if _copied(case) or case.screening.kind in (Kind.OWN, Kind.BOUNCE):
        return False
    if case.thread is None:
        return case.screening.ticket
    return case.thread.party == Party.CUSTOMER and _is_late(case, case.thread.ticket) and case.screening.ticket


def plan(case: Case, voted: Vote | None) -> Outcome:
    """What a mail becomes, within the limits of what one may cause.

    Args:
        case: the mail, screened and threaded.
        voted: the vote where a ticket opens; None when the model or index was not available.
    """
    return bounded(case, _becomes(case, voted))


def _becomes(case: Case, voted: Vote | None) -> Outcome:
    """The room that a mail goes to, first match."""
    if _copied(case):
        return case.outcome("ignored", f"copy of arrival {case.known.digests[case.arrival.digest]}")
    kind = case.screening.kind
    if kind == Kind.OWN:
        return case.outcome("ignored", case.screening.reason)
    if kind == Kind.BOUNCE:
        return bounced(case)
    if case.thread and kind == Kind.AUTO_REPLY:
        return append(case, case.thread.ticket, f"automatic: {case.screening.reason}")
    if case.thread and case.thread.party == Party.AGENT:
        return agent_reply(case, case.thread.ticket)
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
    known.breaker_open = known.breaker_open or bool(outcome.breaker)
    if outcome.opened:
        known.tickets[outcome.ticket] = outcome.opened
        known.participants[outcome.ticket] = set(outcome.participants)
        if outcome.decision:
            known.confidence[outcome.ticket] = (outcome.decision.confidence, outcome.decision.rule)
    if outcome.change:
        ticket = known.tickets[outcome.change.ticket]
        known.tickets[ticket.id] = replace(
            ticket, state=outcome.change.state or ticket.state,
            customer_id=outcome.change.customer_id or ticket.customer_id,
        )  # fmt: skip
        known.participants.setdefault(ticket.id, set()).update(outcome.change.participants)


def _copied(case: Case) -> bool:
    return case.known.digests.get(case.arrival.digest, case.arrival.id) < case.arrival.id


def _is_late(case: Case, ticket: Ticket) -> bool:
    closed = case.known.closed_at.get(ticket.id)
    return ticket.state == State.CLOSED and closed is not None and case.now - closed > case.desk.reopen_within
