"""`/admin/review/`: tickets that nobody should guess about, one after the other, by keyboard."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from helpdesk_daemon.errors import Refused
from helpdesk_daemon.tickets.tracking import read_tracking_id
from helpdesk_daemon.web import auth
from helpdesk_daemon.web.pages.admin.common import Agent, Viewer, Word
from helpdesk_daemon.web.pages.admin.ticket import said_on, story_of
from helpdesk_daemon.web.visitor import page

router = APIRouter(prefix="/admin/review", include_in_schema=False)
KEYS = "123456789"
OTHER_KEYS = "qwertyuiopsdfghjkl"  # where there are more than nine categories


@router.get("/")
async def first(request: Request, visitor: Viewer, after: Word = "", was: Word = "") -> Response:
    """The ticket that waits longest, or the one after it; a page that says so when none does."""
    services = auth.services_of(request)
    behind = read_tracking_id(after) if after else ""
    found = await services.look(services.console.tickets.next_in_review, behind)
    if not found and behind:  # the end of the queue: what was skipped comes again
        found = await services.look(services.console.tickets.next_in_review, "")
    if not found:
        return await page(request, visitor, "admin/review.html", {"ticket": None, "was": read_tracking_id(was)})
    return await _one(request, visitor, found, read_tracking_id(was))


async def _one(request: Request, visitor: Viewer, ticket: str, was: str) -> Response:
    story = await story_of(request, ticket)
    routing = auth.services_of(request).routing()
    decision = story["decisions"][0] if story["decisions"] else None
    talk = [said_on(row) for row in story["messages"]]
    values = {
        "ticket": story, "decision": decision, "opening": talk[0] if talk else None, "more": len(talk) - 1, "was": was,
        "keys": list(zip(KEYS + OTHER_KEYS, routing.categories, strict=False)),
        "goes": {name: route.department.name for name, route in routing.categories.items()},
        "guess": story["category"] if story["category"] in routing.categories else "",
    }  # fmt: skip
    return await page(request, visitor, "admin/review.html", values)


@router.post("/")
async def judged(request: Request, visitor: Agent) -> Response:
    """Take the suggested category or another one, and go on to the next ticket."""
    services = auth.services_of(request)
    ticket = read_tracking_id(visitor.typed("ticket", 40))
    try:
        await services.keep(services.orders, "correct", ticket, visitor.user.email, (visitor.typed("category"),))
    except Refused:
        if await services.look(services.reading.ticket, ticket) is not None:
            raise
        return RedirectResponse("/admin/review/", 303)  # it was erased or merged meanwhile
    services.wake()
    return RedirectResponse(f"/admin/review/?was={ticket}", 303)
