"""What one mail may cause at most: over a limit, mails are made all the same, but wait for a person."""

from __future__ import annotations

from dataclasses import replace

from helpdesk_daemon.outgoing.limits import (
    ALL_MAIL,
    ONCE_A_DAY,
    Rate,
    conversation_scope,
    sender_scope,
    take,
    told_scope,
)
from helpdesk_daemon.outgoing.message import Kind, Outgoing
from helpdesk_daemon.ports import Audit, Outcome
from helpdesk_daemon.stages.case import Case

# An acknowledgement has limits of its own, in `opening`; an alert is sent once an incident.
BOUNDED = frozenset(Kind) - {Kind.ACKNOWLEDGEMENT, Kind.ALERT}


def bounded(case: Case, outcome: Outcome) -> Outcome:
    """Hold back what goes over the limit of its ticket or its requester; open the breaker over that of all mail.

    Args:
        case: the mail.
        outcome: what it leads to, however that was planned.
    """
    if any(mail.kind in BOUNDED for mail in outcome.outgoing):
        outcome = _hold_back(case, outcome)
    return _count(case, outcome)


def _hold_back(case: Case, outcome: Outcome) -> Outcome:
    scope, rate, whose = _limit(case, outcome)
    buckets, empty = take(case.known.buckets, {scope: rate}, case.now)
    if not empty:
        return replace(outcome, buckets={**outcome.buckets, **buckets})
    why = f"more than {rate.burst} mails at once {whose}: a loop or a flood is likely"
    held = [replace(mail, held=why) if mail.kind in BOUNDED else mail for mail in outcome.outgoing]
    buckets, told = take(case.known.buckets, {told_scope(scope): ONCE_A_DAY}, case.now)
    if not told:
        held.append(_notice(case, outcome, why))
    detail = {"scope": scope, "reason": why, "held": sum(bool(mail.held) for mail in held), "people_told": not told}
    lines = (Audit("outgoing.held", detail, outcome.ticket), *outcome.audit)
    return replace(outcome, outgoing=tuple(held), buckets={**outcome.buckets, **buckets}, audit=lines)


def _limit(case: Case, outcome: Outcome) -> tuple[str, Rate, str]:
    """What the mails of an outcome count against: scope, rate, and whose limit it is, in words."""
    limits, requester = case.desk.limits, case.screening.requester.email
    if not outcome.opened:
        return conversation_scope(outcome.ticket), limits.conversation, f"on ticket {outcome.ticket}"
    rate = limits.address if case.desk.is_colleague(requester) else limits.sender
    return sender_scope(requester), rate, f"for {requester or 'nobody'}"


def _notice(case: Case, outcome: Outcome, why: str) -> Outgoing:
    """Tells the department; the operator instead where it is the department's own mailbox that writes."""
    desk = case.desk
    ticket = outcome.opened or case.known.tickets[outcome.ticket]
    own = case.screening.requester.email == ticket.address or case.message.sender.email == ticket.address
    to = (desk.operator or desk.routing.triage.department.address) if own else ticket.address
    values = {
        "problem": f"Mail is held back: {why}. It is kept with its ticket, {ticket.id}, and so is what follows.",
        "mend": "Look at it with `helpdesk-daemon outbox list --state held`. Let a mail go with `helpdesk-daemon "
        "outbox retry ID`, or discard it with `helpdesk-daemon outbox drop ID`. This is said once a day.",
        "identity": desk.composer.identity,
    }  # fmt: skip
    return desk.composer.notice(Kind.NOTICE, "alert", f"[{ticket.id}] Mail is held back", to, values, case.now)


def _count(case: Case, outcome: Outcome) -> Outcome:
    """Count what leaves against the limit of all mail; it leaves even over it, as far as the breaker lets it."""
    leaving = sum(not mail.held and mail.kind != Kind.ALERT for mail in outcome.outgoing)
    if not leaving:
        return outcome
    rate = case.desk.limits.mail
    buckets, empty = take(case.known.buckets, {ALL_MAIL: rate}, case.now, leaving)
    buckets = {**outcome.buckets, **buckets}
    if not empty or case.known.breaker_open or outcome.breaker:
        return replace(outcome, buckets=buckets)
    return replace(outcome, buckets=buckets, breaker=f"more than {rate.burst} mails at once")
