"""What a bounce does: it is kept on the ticket whose mail it returns, and people see what must not be lost."""

from __future__ import annotations

from dataclasses import replace

from helpdesk_daemon.mail.bounce.verdict import Bounce, read_bounce
from helpdesk_daemon.outgoing.limits import notice_scope, take
from helpdesk_daemon.outgoing.message import Outgoing
from helpdesk_daemon.ports import Audit, Outcome
from helpdesk_daemon.stages.case import Case
from helpdesk_daemon.stages.replies import append
from helpdesk_daemon.stages.thread import lasting, returned_proof
from helpdesk_daemon.tickets.ticket import Ticket
from helpdesk_daemon.tickets.tracking import Party


def bounced(case: Case) -> Outcome:
    """Tie a bounce to the mail of ours it returns; nothing else is caused but what keeps mail from being lost."""
    proof = returned_proof(case.message, case.desk.signer)
    ticket = lasting(case.known, proof[0]) if proof else None
    if ticket is None or proof is None:
        return case.outcome("ignored", f"bounce of no mail of ours: {case.screening.reason}")
    party, found = proof[1], read_bounce(case.message) or Bounce(case.screening.reason)
    if found.still_tried or (found.delivered and not found.failed):
        return append(case, ticket, f"delivery report: {found.how}", "bounce")
    shown = _shown_to(case, ticket, party, found)
    scopes = {notice_scope(ticket.id): case.desk.limits.ticket} if shown else {}
    buckets, empty = take(case.known.buckets, scopes, case.now)
    outgoing = () if not shown or empty else (_notice(case, ticket, shown, party),)
    detail = {
        "party": party, "shown": shown, "left_out": bool(empty), "hard": found.hard,
        "failed": [f"{f.address} {f.status} {f.diagnostic}"[:300] for f in found.failed[:10]],
    }  # fmt: skip
    return case.outcome(
        "reply", f"bounce: {case.screening.reason}", ticket=ticket.id, message=case.stored(ticket.id, "bounce"),
        outgoing=outgoing, buckets=buckets, suppress=_dead(case, ticket, party, found),
        audit=(Audit("outgoing.bounced", detail, ticket.id),),
    )  # fmt: skip


def _shown_to(case: Case, ticket: Ticket, party: Party, found: Bounce) -> str:
    """Who should see a bounce: triage that of a forward, unless triage is what bounced; the department an answer's."""
    triage = case.desk.routing.triage.department.address
    if party == Party.AGENT:
        return "" if triage in {ticket.address, *(f.address for f in found.failed)} else triage
    return ticket.address if party == Party.ANSWERED else ""


def _dead(case: Case, ticket: Ticket, party: Party, found: Bounce) -> dict[str, str]:
    """Addresses on the customer's side that are no longer written to by ourselves, with the reason."""
    if party == Party.AGENT:
        return {}
    side = {ticket.requester_email, *case.known.participants.get(ticket.id, ())}
    dead = {f.address: f"hard bounce: {f.diagnostic or f.status}"[:300] for f in found.failed if f.hard}
    if party == Party.CUSTOMER and dead and not side & dead.keys():
        # An acknowledgement goes to the requester alone, whatever the address behind it is called.
        return {ticket.requester_email: next(iter(dead.values()))}
    return {address: reason for address, reason in dead.items() if address in side}


def _notice(case: Case, ticket: Ticket, shown: str, party: Party) -> Outgoing:
    why = f"a mail to {ticket.address if party == Party.AGENT else ticket.requester_email} came back"
    return case.desk.composer.held(replace(ticket, address=shown), case.message, why, case.arrival.raw, case.now)
