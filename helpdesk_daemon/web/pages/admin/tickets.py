"""`/admin/tickets/`: tickets, searched and listed. The dashboard links here with the filters in the query."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from helpdesk_daemon.ports.dashboard import SOON
from helpdesk_daemon.ports.web import Place, TicketFilter
from helpdesk_daemon.tickets.ticket import Priority, State
from helpdesk_daemon.web import auth, shapes
from helpdesk_daemon.web.pages.admin.common import PAGE, Viewer, Word, further, moment, said, split
from helpdesk_daemon.web.visitor import HOME, page

router = APIRouter(prefix="/admin", include_in_schema=False)
SLA = ("running", "missed", "kept", "soon", "overdue")  # the last two: unanswered, and due within `SOON`, or past due
BAND, CROWD = re.compile(r"(\d{1,2})-(\d{1,3})"), re.compile(r"\d{1,18}")
REVIEW = {"1": True, "yes": True, "0": False, "no": False}
FILTERS = ("text", "status", "department", "category", "priority", "review", "sla", "from", "to", "confidence", "crowd")


@router.get("/")
async def home() -> Response:
    """Where people begin."""
    return RedirectResponse(HOME, 303)


def _due(sla: str, now: datetime) -> tuple[datetime | None, datetime] | None:
    return {"soon": (now, now + SOON), "overdue": (None, now)}.get(sla)


def _band(word: str) -> tuple[int, int] | None:
    found = BAND.fullmatch(word)
    return (int(found[1]), int(found[2])) if found else None


def _crowd(word: str) -> int:
    return int(word) if CROWD.fullmatch(word) else 0


def _place(word: str) -> Place | None:
    with contextlib.suppress(ValueError):
        return shapes.read_cursor(word) if word else None
    return None


@router.get("/tickets/")
async def listed(
    request: Request, visitor: Viewer, text: Word = "", status: Word = "", department: Word = "", category: Word = "",
    priority: Word = "", review: Word = "", sla: Word = "", to: Word = "", cursor: Word = "",
) -> Response:  # fmt: skip
    """Tickets, newest first."""
    services = auth.services_of(request)
    since = request.query_params.get("from", "")[:40]
    wanted = TicketFilter(
        status if status in list(State) else "", category, department, priority, text.strip(), REVIEW.get(review),
        moment(since), moment(to, end=True), sla if sla in SLA[:3] else "", _due(sla, services.clock.now()),
        _band(request.query_params.get("confidence", "")), _crowd(request.query_params.get("crowd", "")),
    )  # fmt: skip
    found = await services.look(services.reading.tickets, wanted, _place(cursor), PAGE + 1)
    rows, place = split(found, shapes.cursor_of)
    given = {name: request.query_params.get(name, "") for name in FILTERS}
    routing = services.routing()
    values = {
        "rows": rows, "older": further(request, cursor=place) if place else "", "given": given, "said": said(request),
        "newest": further(request, cursor="") if cursor else "", "states": list(State), "priorities": list(Priority),
        "departments": list(routing.departments), "categories": list(routing.categories), "slas": SLA,
        "filtered": any(given.values()), "less": {name: further(request, **{name: "", "cursor": ""}) for name in given},
    }  # fmt: skip
    return await page(request, visitor, "admin/tickets.html", values)
