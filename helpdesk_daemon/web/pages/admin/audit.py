"""`/admin/audit/`: the audit log, newest first."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from helpdesk_daemon.tickets.tracking import read_tracking_id
from helpdesk_daemon.web import auth
from helpdesk_daemon.web.pages.admin.common import PAGE, Number, Viewer, Word, further, split
from helpdesk_daemon.web.visitor import page

router = APIRouter(prefix="/admin/audit", include_in_schema=False)
EVENTS = (
    "ticket.opened", "ticket.decided", "ticket.corrected", "ticket.rerouted", "ticket.closed", "ticket.reopened",
    "outgoing.sent", "outgoing.failed", "outgoing.resent", "outgoing.retried", "outgoing.dropped", "breaker.opened",
    "breaker.released", "example.corrected", "example.confirmed", "example.imported", "example.withdrawn",
    "example.restored", "session.started", "session.ended", "user.added", "user.role_changed",
)  # fmt: skip


@router.get("/")
async def lines(request: Request, visitor: Viewer, ticket: Word = "", event: Word = "", before: Number = 0) -> Response:
    """Lines of the log, of one ticket or event if asked."""
    services = auth.services_of(request)
    named = read_tracking_id(ticket) if ticket else ""
    unknown = bool(ticket) and not named
    found = [] if unknown else await services.look(services.reading.audit, before, PAGE + 1, named, event.strip())
    rows, place = split(found, lambda row: row["seq"])
    values = {
        "rows": rows, "ticket": ticket, "event": event, "events": EVENTS,
        "older": further(request, before=place) if place else "",
    }  # fmt: skip
    return await page(request, visitor, "admin/audit.html", values)
