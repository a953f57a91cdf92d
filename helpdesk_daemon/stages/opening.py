"""A mail becomes a new ticket: decided, forwarded, acknowledged where that is safe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from helpdesk_daemon.mail.message import Address
from helpdesk_daemon.mail.screening.table import Kind
from helpdesk_daemon.outgoing.compose import deliverable
from helpdesk_daemon.outgoing.form import FORM, MARK
from helpdesk_daemon.outgoing.limits import ALL_ACKNOWLEDGEMENTS, Bucket, address_scope, take
from helpdesk_daemon.ports import Audit, Outcome, Sighting
from helpdesk_daemon.stages.case import Case, Desk
from helpdesk_daemon.stages.thread import mentioned
from helpdesk_daemon.tickets.sla import due_at
from helpdesk_daemon.tickets.ticket import State, Ticket
from helpdesk_daemon.tickets.tracking import read_tracking_id
from helpdesk_daemon.triage.decide import Decision, decide
from helpdesk_daemon.triage.terms import calendar_of
from helpdesk_daemon.triage.vote import Vote
from helpdesk_daemon.triage.watching.gathering import BURST, belongs

MOST_TAKE_PART = 25  # people on the customer's side who get answers: a list of addresses is no conversation
SEALED = frozenset({"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"})


def _keep_whole(case: Case) -> str:
    """Why the original travels along whole and a person sorts it; empty when neither is needed."""
    if case.message.content_type in SEALED:
        return "encrypted mail"
    if any(a.content_type == "text/calendar" for a in case.message.attachments):
        return "calendar invitation"
    if "MIME structure not read" in case.message.defects:
        return "the mail's structure could not be read"
    return "only its beginning was fetched: it is over the size limit" if case.arrival.truncated else ""


def open_ticket(case: Case, voted: Vote | None) -> Outcome:
    """Decide on a mail and write everything that its new ticket brings.

    Args:
        case: the mail.
        voted: what the classifier says; None when it was not available.
    """
    desk, message, screening = case.desk, case.message, case.screening
    whole = _keep_whole(case)
    to_triage = screening.reason if screening.to_triage else whole
    decision = decide(message, voted, desk.routing, to_triage, desk.model, screening.kind == Kind.AUTO_REPLY)
    basis = replace(decision.basis, mailbox=desk.mailbox) if decision.basis else None
    if decision.ignore:
        return case.outcome("ignored", f"rule {decision.set_by['action']}", basis=basis)
    ticket = _ticket(case, decision)
    forward = desk.composer.forward(ticket, message, decision, case.now, case.arrival.raw if whole else b"")
    ticket = replace(ticket, forward_id=forward.message_id)
    buckets, breaker, withheld = _may_acknowledge(case, ticket, decision)
    ticket = replace(ticket, not_acknowledged=withheld)
    outgoing, known = [forward], known_burst(case, voted)
    if not withheld:
        outgoing.append(desk.composer.acknowledgement(ticket, message, case.now, known > 0))
    people = taking_part(desk, (screening.requester, message.sender, *message.cc))
    return case.outcome(
        "ticket", screening.reason, ticket=ticket.id, opened=ticket, participants=people, decision=decision,
        message=case.stored(ticket.id, "request"), outgoing=tuple(outgoing), buckets=buckets, breaker=breaker,
        basis=basis, audit=_decided(ticket, decision, withheld, message.language, known), sighting=sighting(voted),
    )  # fmt: skip


def known_burst(case: Case, voted: Vote | None) -> int:
    """Number of the open burst that a mail belongs to, where its acknowledgement may tell; 0 for none."""
    bursts = case.known.bursts
    if not case.desk.tells_known or not bursts or voted is None or voted.vector is None:
        return 0
    centres = [np.frombuffer(centre, dtype="<f2").astype(np.float32) for centre in bursts.values()]
    alike = [centre for centre in centres if centre.shape == voted.vector.shape]
    found = belongs(voted.vector, alike, BURST.joins) if len(alike) == len(centres) else -1
    return list(bursts)[found] if found >= 0 else 0


def sighting(voted: Vote | None) -> Sighting | None:
    """What a mail was like; None where nothing was found out."""
    if voted is None or voted.vector is None or voted.standing is None:
        return None
    return Sighting(voted.vector.astype("<f2").tobytes(), voted.scope, voted.standing.scope_floor)


def taking_part(desk: Desk, people: Iterable[Address]) -> tuple[str, ...]:
    """Those of `people` who take part in a ticket on the customer's side, at most `MOST_TAKE_PART`."""
    foreign = (p.email for p in people if p.email and not desk.policy.is_own(p.email))
    return tuple(dict.fromkeys(foreign))[:MOST_TAKE_PART]


def promised_id(case: Case) -> str:
    """The tracking ID that was shown when our own form was sent; empty for mail, whatever its headers say."""
    return read_tracking_id(case.message.headers.get(MARK)) if case.arrival.mailbox == FORM else ""


def _ticket(case: Case, decision: Decision) -> Ticket:
    who = case.screening.requester
    calendar = calendar_of(case.desk.routing, decision.category, decision.department.name, decision.needs_review)
    return Ticket(
        id=promised_id(case) or case.desk.new_id(), state=State.NEW, subject=case.message.subject,
        requester_email=who.email, requester_name=who.name, mailbox=case.desk.mailbox, category=decision.category,
        department=decision.department.name, address=decision.department.address, priority=decision.priority,
        sla_hours=decision.sla_hours, due_at=due_at(case.arrival.received_at, decision.sla_hours, calendar),
        created_at=case.arrival.received_at, needs_review=decision.needs_review,
        linked_to=case.thread.ticket.id if case.thread else mentioned(case.message, case.known),
        customer_id=case.message.message_id, zone=str(calendar.zone), tags=decision.tags,
    )  # fmt: skip


def _may_acknowledge(case: Case, ticket: Ticket, decision: Decision) -> tuple[dict[str, Bucket], str, str]:
    """Whether the customer is answered: buckets after it, why the breaker opens, why it is withheld."""
    limits, now = case.desk.limits, case.now
    if not case.screening.acknowledge:
        return {}, "", case.screening.reason
    if not decision.acknowledge:
        return {}, "", f"rule {decision.set_by['acknowledge']}"
    if now - case.arrival.received_at > case.desk.ack_max_age:
        return {}, "", f"it is older than {case.desk.ack_max_age.total_seconds() / 3600:g} hours"
    if not deliverable(ticket.requester_email):
        return {}, "", f"{ticket.requester_email!r} cannot be written to"
    if case.desk.is_colleague(ticket.requester_email):
        return {}, "", f"{ticket.requester_email} is a mailbox of our own people"
    scopes = {address_scope(ticket.requester_email): limits.address, ALL_ACKNOWLEDGEMENTS: limits.total}
    buckets, empty = take(case.known.buckets, scopes, now)
    opens = empty == ALL_ACKNOWLEDGEMENTS and not case.known.breaker_open
    breaker = f"more than {limits.total.burst} acknowledgements at once" if opens else ""
    return buckets, breaker, f"limit of automatic mail reached ({empty.partition(':')[0]})" if empty else ""


def _decided(ticket: Ticket, decision: Decision, withheld: str, language: str, known: int) -> tuple[Audit, ...]:
    detail = {
        "category": decision.category, "confidence": round(decision.confidence, 4),
        "needs_review": decision.needs_review, "review_reason": decision.review_reason,
        "department": ticket.department, "priority": ticket.priority.value, "sla_hours": ticket.sla_hours,
        "rule": decision.rule, "neighbours": [n.example for n in decision.neighbours], "model": decision.model,
        "judge": decision.judge, "views": {v.name: [v.category, round(v.share, 4)] for v in decision.views},
        "rules_version": decision.rules_version, "language": language,
        **({"told_of_burst": known} if known and not withheld else {}),
    }  # fmt: skip
    decided = Audit("ticket.decided", detail, ticket.id)
    if not withheld:
        return (decided,)
    return decided, Audit("acknowledgement.withheld", {"reason": withheld}, ticket.id)
