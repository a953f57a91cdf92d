"""What one mail becomes: a pure function from the mail and what is known to everything to be written."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from helpdesk_daemon.mail.authentication import dmarc_failed
from helpdesk_daemon.mail.body import own_text
from helpdesk_daemon.mail.bounce import failed_recipients
from helpdesk_daemon.mail.message import Address, Message
from helpdesk_daemon.mail.screen import Kind, Policy, Screening, screen
from helpdesk_daemon.outgoing.compose import Composer, deliverable
from helpdesk_daemon.outgoing.limits import Bucket, Limits, take
from helpdesk_daemon.outgoing.message import Kind as Purpose
from helpdesk_daemon.outgoing.message import Outgoing
from helpdesk_daemon.ports import Arrival, Audit, Change, Known, Outcome, Stored
from helpdesk_daemon.stages.thread import Thread, find_thread, mentioned, returned_proof
from helpdesk_daemon.tickets.sla import due_at
from helpdesk_daemon.tickets.ticket import Priority, State, Ticket
from helpdesk_daemon.tickets.tracking import Party, Signer, new_tracking_id
from helpdesk_daemon.triage.decide import Decision, decide
from helpdesk_daemon.triage.rules import Department, Routing
from helpdesk_daemon.triage.vote import Vote

SEALED = frozenset({"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"})
COMMAND = re.compile(r"^\s*#[A-Za-z]")
HARD = re.compile(r"^Action:\s*failed\b", re.IGNORECASE | re.MULTILINE)
HARD_STATUS = re.compile(r"^Status:\s*5\.", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything planning needs that does not come with the mail.

    Attributes:
        routing: the operator's rules.
        policy: for screening.
        composer: makes the outgoing mails.
        signer: verifies tokens and Message-IDs.
        limits: on automatic mail.
        ack_max_age: older mail is not acknowledged.
        reopen_within: a reply later than this after closing opens a linked ticket.
        operator: who hears of trouble, empty for nobody.
        model: name of the model that votes.
        new_id: makes tracking IDs.
    """

    routing: Routing
    policy: Policy
    composer: Composer
    signer: Signer
    limits: Limits
    ack_max_age: timedelta
    reopen_within: timedelta
    operator: str = ""
    model: str = ""
    new_id: Callable[[], str] = new_tracking_id


@dataclass(frozen=True, slots=True)
class Case:
    """One mail with all that was found out about it."""

    arrival: Arrival
    message: Message
    screening: Screening
    thread: Thread | None
    known: Known
    desk: Desk
    now: datetime

    def outcome(self, state: str, reason: str, **more: object) -> Outcome:
        """An outcome whose last audit line says where the mail ended."""
        ticket = str(more.get("ticket", ""))
        detail = {
            "arrival": self.arrival.id, "state": state, "reason": reason, "row": self.screening.row,
            "from": self.message.sender.email, "subject": self.message.subject[:200],
        }  # fmt: skip
        lines = (*more.pop("audit", ()), Audit("message.settled", detail, ticket))  # type: ignore[misc]
        sender, subject = str(self.message.sender), self.message.subject
        return Outcome(self.arrival.id, state, reason, sender, subject, audit=lines, **more)  # type: ignore[arg-type]

    def stored(self, ticket: str, kind: str) -> Stored:
        """The mail as kept on a ticket."""
        m = self.message
        return Stored(ticket, "in", kind, m.message_id, str(m.sender), m.subject, m.text, m.new_text,
                      self.arrival.received_at)  # fmt: skip


def consider(arrival: Arrival, message: Message, known: Known, desk: Desk, now: datetime) -> Case:
    """Screen and thread a mail."""
    policy = replace(desk.policy, suppressed=frozenset(known.suppressed)) if known.suppressed else desk.policy
    thread = find_thread(message, known, desk.signer)
    return Case(arrival, message, screen(message, policy), thread, known, desk, now)


def opens_ticket(case: Case) -> bool:
    """Whether planning will need a vote."""
    if _copied(case) or case.screening.kind in (Kind.OWN, Kind.BOUNCE):
        return False
    if case.thread is None:
        return case.screening.ticket
    return case.thread.party == Party.CUSTOMER and _is_late(case, case.thread.ticket) and case.screening.ticket


def plan(case: Case, voted: Vote | None) -> Outcome:
    """What a mail becomes.

    Args:
        case: the mail, screened and threaded.
        voted: the vote where a ticket opens; None when the model or index was not available.
    """
    if _copied(case):
        return case.outcome("ignored", f"copy of arrival {case.known.digests[case.arrival.digest]}")
    kind = case.screening.kind
    if kind == Kind.OWN:
        return case.outcome("ignored", case.screening.reason)
    if kind == Kind.BOUNCE:
        return _bounce(case)
    if case.thread and kind == Kind.AUTO_REPLY:
        return _append(case, case.thread.ticket, f"automatic: {case.screening.reason}")
    if case.thread and case.thread.party == Party.AGENT:
        return _agent_reply(case, case.thread.ticket)
    if case.thread and not opens_ticket(case):
        return _customer_reply(case, case.thread)
    if not case.screening.ticket:
        return case.outcome("ignored", case.screening.reason)
    return _open_ticket(case, voted)


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


# --- on a ticket that exists ---------------------------------------------------------------------


def _append(case: Case, ticket: Ticket, reason: str, kind: str = "automatic") -> Outcome:
    """Keep a mail on its ticket and cause nothing else."""
    return case.outcome("reply", reason, ticket=ticket.id, message=case.stored(ticket.id, kind))


def _customer_reply(case: Case, thread: Thread) -> Outcome:
    ticket, message = thread.ticket, case.message
    closed = ticket.state == State.CLOSED
    reopens = case.screening.reopen or not closed
    state = State.OPEN if reopens and ticket.state in (State.WAITING, State.CLOSED) else None
    confidence, rule = case.known.confidence.get(ticket.id, (0.0, "default"))
    forward = case.desk.composer.follow_up(ticket, message, confidence, rule, case.now)
    change = Change(ticket.id, state, message.message_id or None, participants=(message.sender.email,))
    lines = [Audit("reply.received", {"how": thread.how, "from": message.sender.email}, ticket.id)]
    if closed and state:
        lines.append(Audit("ticket.reopened", {"by": message.sender.email}, ticket.id))
    return case.outcome(
        "reply", thread.how, ticket=ticket.id, change=change, message=case.stored(ticket.id, "reply"),
        outgoing=(forward,), audit=tuple(lines),
    )  # fmt: skip


def _department(case: Case, ticket: Ticket) -> Department:
    return case.desk.routing.departments.get(ticket.department) or Department(ticket.department, ticket.address)


def _agent_reply(case: Case, ticket: Ticket) -> Outcome:
    message, department = case.message, _department(case, ticket)
    if not department.has_agent(message.sender.email):
        return _hold(case, ticket, f"{message.sender.email} is not an agent of {department.name}")
    if dmarc_failed(message.headers, case.desk.policy.authserv_id):
        return _hold(case, ticket, "it fails DMARC, so its sender may be forged")
    if COMMAND.match(message.new_text):
        return _hold(case, ticket, "it begins with a # word")
    if not own_text(message.text, message.html) and not message.attachments:
        return _hold(case, ticket, "no new text was found above the quoted mail")
    if not deliverable(ticket.requester_email):
        return _hold(case, ticket, f"the customer's address {ticket.requester_email!r} cannot be written to")
    relays = tuple(
        case.desk.composer.relay(ticket, message, department, case.now, person)
        for person in _customers(case, ticket, department)
    )
    change = Change(ticket.id, State.WAITING, first_answer_at=case.arrival.received_at)
    line = Audit("answer.relayed", {"agent": message.sender.email}, ticket.id, message.sender.email)
    return case.outcome(
        "reply", "answer of an agent", ticket=ticket.id, change=change, message=case.stored(ticket.id, "answer"),
        outgoing=relays, audit=(line,),
    )  # fmt: skip


def _customers(case: Case, ticket: Ticket, department: Department) -> list[Address]:
    """Who gets an answer: the requester first, then everybody else who takes part on the customer's side."""
    others = sorted(case.known.participants.get(ticket.id, set()) - {ticket.requester_email})
    people = [Address(ticket.requester_name, ticket.requester_email), *(Address("", email) for email in others)]
    own = case.desk.policy.own_addresses
    return [p for p in people if p.email not in own and not department.has_agent(p.email) and deliverable(p.email)]


def _hold(case: Case, ticket: Ticket, reason: str) -> Outcome:
    """Neither relay a mail nor take it for the customer's; let the department see it."""
    scopes = {f"ticket:{ticket.id}": case.desk.limits.ticket}
    buckets, empty = take(case.known.buckets, scopes, case.now)
    shown = () if empty else (case.desk.composer.held(ticket, case.message, reason, case.arrival.raw, case.now),)
    line = Audit("reply.held", {"reason": reason, "from": case.message.sender.email, "shown": not empty}, ticket.id)
    return case.outcome(
        "reply", f"held: {reason}", ticket=ticket.id, message=case.stored(ticket.id, "held"), outgoing=shown,
        buckets=buckets, audit=(line,),
    )  # fmt: skip


def _bounce(case: Case) -> Outcome:
    """Tie a bounce to the mail of ours it returns; nothing else is caused but what keeps mail from being lost."""
    message, desk = case.message, case.desk
    proof = returned_proof(message, desk.signer)
    ticket = case.known.tickets.get(proof[0]) if proof else None
    if ticket is None or proof is None:
        return case.outcome("ignored", f"bounce of no mail of ours: {case.screening.reason}")
    hard = bool(HARD.search(message.report) and HARD_STATUS.search(message.report))
    triage = desk.routing.triage.department.address
    suppress: dict[str, str] = {}
    shown = ""  # who should see the bounce
    if proof[1] == Party.AGENT and triage not in {ticket.address, *failed_recipients(message)}:
        shown = triage
    elif proof[1] == Party.ANSWERED:
        shown = ticket.address
    if proof[1] != Party.AGENT and hard:
        suppress = {ticket.requester_email: "hard bounce"}
    outgoing: tuple[Outgoing, ...] = ()
    buckets, empty = take(case.known.buckets, {f"ticket:{ticket.id}": desk.limits.ticket} if shown else {}, case.now)
    if shown and not empty:
        why = f"a mail to {ticket.requester_email if shown == ticket.address else ticket.address} came back"
        outgoing = (desk.composer.held(replace(ticket, address=shown), message, why, case.arrival.raw, case.now),)
        if shown == triage and desk.operator:
            outgoing += (_department_alert(desk, ticket, case.now),)
    line = Audit("outgoing.bounced", {"party": proof[1], "hard": hard, "shown": shown}, ticket.id)
    return case.outcome(
        "reply", f"bounce: {case.screening.reason}", ticket=ticket.id, message=case.stored(ticket.id, "bounce"),
        outgoing=outgoing, buckets=buckets, suppress=suppress, audit=(line,),
    )  # fmt: skip


# --- a new ticket --------------------------------------------------------------------------------


def _keep_whole(case: Case) -> str:
    """Why the original travels along whole and a person sorts it; empty when neither is needed."""
    if case.message.content_type in SEALED:
        return "encrypted mail"
    if any(a.content_type == "text/calendar" for a in case.message.attachments):
        return "calendar invitation"
    if "MIME structure not read" in case.message.defects:
        return "the mail's structure could not be read"
    return "only its beginning was fetched: it is over the size limit" if case.arrival.truncated else ""


def _open_ticket(case: Case, voted: Vote | None) -> Outcome:
    desk, message, screening = case.desk, case.message, case.screening
    whole = _keep_whole(case)
    to_triage = screening.reason if screening.to_triage else whole
    decision = decide(message, voted, desk.routing, to_triage, desk.model)
    if decision.ignore:
        return case.outcome("ignored", f"rule {decision.set_by['action']}")
    if screening.kind == Kind.AUTO_REPLY:
        decision = replace(decision, priority=Priority.LOW)
    ticket = _ticket(case, decision)
    forward = desk.composer.forward(ticket, message, decision, case.now, case.arrival.raw if whole else b"")
    ticket = replace(ticket, forward_id=forward.message_id)
    buckets, breaker, withheld = _may_acknowledge(case, ticket, decision)
    outgoing = [forward]
    if not withheld:
        outgoing.append(desk.composer.acknowledgement(ticket, message, case.now))
    if breaker and desk.operator:
        outgoing.append(_breaker_alert(desk, breaker, case.now))
    people = (screening.requester.email, message.sender.email, *(a.email for a in message.cc))
    others = tuple(dict.fromkeys(p for p in people if p and p not in desk.policy.own_addresses))
    return case.outcome(
        "ticket", screening.reason, ticket=ticket.id, opened=ticket, participants=others, decision=decision,
        message=case.stored(ticket.id, "request"), outgoing=tuple(outgoing), buckets=buckets, breaker=breaker,
        audit=_decided(ticket, decision, withheld),
    )  # fmt: skip


def _ticket(case: Case, decision: Decision) -> Ticket:
    who = case.screening.requester
    return Ticket(
        id=case.desk.new_id(), state=State.NEW, subject=case.message.subject, requester_email=who.email,
        requester_name=who.name, mailbox=case.arrival.mailbox, category=decision.category,
        department=decision.department.name, address=decision.department.address, priority=decision.priority,
        sla_hours=decision.sla_hours, due_at=due_at(case.arrival.received_at, decision.sla_hours),
        created_at=case.arrival.received_at, needs_review=decision.needs_review,
        linked_to=case.thread.ticket.id if case.thread else mentioned(case.message, case.known),
        customer_id=case.message.message_id,
    )  # fmt: skip


def _may_acknowledge(case: Case, ticket: Ticket, decision: Decision) -> tuple[dict[str, Bucket], str, str]:
    """Whether the customer is answered: buckets after it, why the breaker opens, why it is withheld."""
    limits, now = case.desk.limits, case.now
    if not case.screening.acknowledge:
        return {}, "", case.screening.reason
    if not decision.acknowledge:
        return {}, "", f"rule {decision.set_by['acknowledge']}"
    if now - case.arrival.received_at > case.desk.ack_max_age:
        return {}, "", "the mail is too old"
    if not deliverable(ticket.requester_email):
        return {}, "", f"{ticket.requester_email!r} cannot be written to"
    scopes = {f"address:{ticket.requester_email}": limits.address, "all": limits.total}
    buckets, empty = take(case.known.buckets, scopes, now)
    opens = empty == "all" and not case.known.breaker_open
    breaker = f"more than {limits.total.burst} acknowledgements at once" if opens else ""
    return buckets, breaker, f"limit of automatic mail reached ({empty.partition(':')[0]})" if empty else ""


def _breaker_alert(desk: Desk, reason: str, now: datetime) -> Outgoing:
    values = {
        "problem": f"The circuit breaker opened: {reason}. Outgoing mail is held; incoming mail is kept and decided.",
        "mend": "Look at `helpdesk-daemon tickets list` for a loop or a flood, then let mail go on with "
        "`helpdesk-daemon outbox release`.",
        "identity": desk.composer.identity,
    }  # fmt: skip
    return desk.composer.notice(Purpose.ALERT, "alert", "Outgoing mail is held", desk.operator, values, now)


def _department_alert(desk: Desk, ticket: Ticket, now: datetime) -> Outgoing:
    values = {
        "problem": f"Mail to {ticket.department} <{ticket.address}> comes back. Ticket {ticket.id} went to triage.",
        "mend": "Check that mailbox, or its address in routing.toml.",
        "identity": desk.composer.identity,
    }
    return desk.composer.notice(Purpose.ALERT, "alert", "A department cannot be reached", desk.operator, values, now)


def _decided(ticket: Ticket, decision: Decision, withheld: str) -> tuple[Audit, ...]:
    detail = {
        "category": decision.category, "confidence": round(decision.confidence, 4),
        "needs_review": decision.needs_review, "review_reason": decision.review_reason,
        "department": ticket.department, "priority": ticket.priority.value, "sla_hours": ticket.sla_hours,
        "rule": decision.rule, "neighbours": [n.example for n in decision.neighbours], "model": decision.model,
        "rules_version": decision.rules_version,
    }  # fmt: skip
    decided = Audit("ticket.decided", detail, ticket.id)
    if not withheld:
        return (decided,)
    return decided, Audit("acknowledgement.withheld", {"reason": withheld}, ticket.id)
