"""`/admin/audit/`: the audit log, newest first."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from helpdesk_daemon.ports.console import LogFilter
from helpdesk_daemon.tickets.tracking import read_tracking_id
from helpdesk_daemon.web import auth
from helpdesk_daemon.web.pages.admin.common import PAGE, Number, Viewer, Word, further, moment, split
from helpdesk_daemon.web.visitor import page

router = APIRouter(prefix="/admin/audit", include_in_schema=False)
FILTERS = ("ticket", "event", "address", "from", "to")
EVENTS = (
    "ticket.*", "ticket.opened", "ticket.decided", "ticket.corrected", "ticket.rerouted", "ticket.closed",
    "ticket.reopened", "outgoing.*", "outgoing.sent", "outgoing.failed", "outgoing.resent", "outgoing.dropped",
    "breaker.*", "example.*", "rules.*", "session.*", "user.*",
)  # fmt: skip


def _written(word: str, end: bool = False) -> str:
    """A day or moment of the query as the log writes moments; empty for what is neither."""
    at = moment(word, end)
    return f"{at:%Y-%m-%dT%H:%M:%S}" if at else ""


@router.get("/")
async def lines(request: Request, visitor: Viewer, ticket: Word = "", event: Word = "", before: Number = 0) -> Response:
    """Lines of the log, of a ticket, event, address or time if asked."""
    services = auth.services_of(request)
    given = {name: request.query_params.get(name, "")[:200] for name in FILTERS}
    named = read_tracking_id(ticket) if ticket else ""
    wanted = LogFilter(
        named, event.strip(), given["address"].strip(), _written(given["from"]), _written(given["to"], end=True)
    )
    unknown = bool(ticket) and not named
    found = [] if unknown else await services.look(services.console.tickets.log, wanted, before, PAGE + 1)
    rows, place = split(found, lambda row: row["seq"])
    older = further(request, before=place) if place else ""
    values = {"rows": rows, "given": given, "events": EVENTS, "older": older}
    return await page(request, visitor, "admin/audit.html", values)
