"""Which calendar, resolution time and escalation addresses hold for a ticket."""

from __future__ import annotations

from helpdesk_daemon.tickets.calendar import ALWAYS, Calendar
from helpdesk_daemon.tickets.ticket import Ticket
from helpdesk_daemon.triage.rules import Routing, Terms


def terms(routing: Routing, category: str, department: str, needs_review: bool) -> Terms:
    """What holds for a ticket.

    The category's table (or triage's, while a person has to sort the ticket) is asked first, then the department's. A
    table whose department does not have the ticket is not asked: a rule or a person sent it elsewhere.

    Args:
        routing: the operator's rules.
        category: of the ticket, empty when it is not classified.
        department: name of the one that has it.
        needs_review: a person has to check the category.
    """
    route = routing.triage if needs_review else routing.categories.get(category, routing.triage)
    own = route.terms if route.department.name == department else Terms()
    found = routing.departments.get(department)
    general = found.terms if found else Terms()
    return Terms(
        own.calendar or general.calendar,
        own.resolution_hours or general.resolution_hours,
        own.escalation or general.escalation,
    )


def terms_of(routing: Routing, ticket: Ticket) -> Terms:
    """What holds for a ticket; see `terms`."""
    return terms(routing, ticket.category, ticket.department, ticket.needs_review)


def calendar_of(routing: Routing, category: str, department: str, needs_review: bool) -> Calendar:
    """The calendar in which a ticket's hours count; around the clock when none is named. See `terms`."""
    return terms(routing, category, department, needs_review).calendar or ALWAYS
