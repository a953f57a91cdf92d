"""Who is on which side of a ticket."""

from __future__ import annotations

from helpdesk_daemon.mail.message import Address
from helpdesk_daemon.outgoing.compose import deliverable
from helpdesk_daemon.stages.case import Case, Desk
from helpdesk_daemon.tickets.ticket import Ticket
from helpdesk_daemon.triage.rules import Department


def department_of(desk: Desk, ticket: Ticket) -> Department:
    """Who has a ticket; a department that is no longer in the rules answers by its mailbox."""
    return desk.routing.departments.get(ticket.department) or Department(ticket.department, ticket.address)


def may_answer(case: Case, ticket: Ticket) -> bool:
    """Whether the sender answers for us: for the department, for one that had the ticket before, or for triage."""
    routing = case.desk.routing
    former = (routing.departments.get(name) for name in case.known.departments.get(ticket.id, ()))
    answering = (department_of(case.desk, ticket), routing.triage.department, *filter(None, former))
    return any(department.has_agent(case.message.sender.email) for department in answering)


def customers(case: Case, ticket: Ticket) -> list[Address]:
    """Who gets an answer: the requester first, then everybody else who takes part on the customer's side.

    The requester may work here, too; other colleagues have what they need from their department's mailbox. A mailbox
    that our mail goes to by itself gets none: two of them would write to each other for ever.
    """
    routing = case.desk.routing
    ours = (department_of(case.desk, ticket), routing.triage.department, *routing.departments.values())
    others = sorted(case.known.participants.get(ticket.id, set()) - {ticket.requester_email})
    people = [
        Address(ticket.requester_name, ticket.requester_email),
        *(Address("", email) for email in others if not any(department.has_agent(email) for department in ours)),
    ]
    ruled_out = (case.desk.policy.is_own, case.desk.is_colleague)
    return [p for p in people if deliverable(p.email) and not any(is_out(p.email) for is_out in ruled_out)]


def private_addresses(case: Case, ticket: Ticket) -> tuple[str, ...]:
    """Addresses that no customer should see: the agent's, and all of our departments and agents."""
    routing = case.desk.routing
    ours = (department_of(case.desk, ticket), routing.triage.department, *routing.departments.values())
    listed = (address for department in ours for address in (department.address, *department.agents))
    found = dict.fromkeys((case.message.sender.email, ticket.address, case.desk.operator, *listed))
    public = {case.desk.composer.identity.address, *(p.email for p in customers(case, ticket))}
    return tuple(address for address in found if address and address not in public)
