"""`/admin/tickets/ID/`: one ticket whole: what was said, why it went where it is, and what may be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.ports.web import Row
from helpdesk_daemon.tickets.tracking import read_tracking_id
from helpdesk_daemon.web import auth
from helpdesk_daemon.web.pages.admin.common import Agent, Viewer, done, said
from helpdesk_daemon.web.pages.conversation import formatted
from helpdesk_daemon.web.safety import FRAME_POLICY
from helpdesk_daemon.web.visitor import page

router = APIRouter(prefix="/admin/tickets", include_in_schema=False)
KINDS = {
    "request": ("theirs", ""), "reply": ("theirs", ""), "answer": ("ours", "Answer"), "note": ("inside", "Note"),
    "automatic": ("quiet", "Automatic answer"), "bounce": ("quiet", "Came back"), "held": ("held", "Held"),
}  # fmt: skip
ORDERS = {
    "correct": ("category", "corrected"), "reroute": ("department", "rerouted"), "close": ("", "closed"),
    "reopen": ("", "reopened"), "forward": ("", "forwarded"), "acknowledge": ("", "acknowledged"),
}  # fmt: skip
Numbered = InPath(ge=1, le=2**62)
FRAME = '<!doctype html><html lang="en"><meta charset="utf-8"><base target="_blank"><title>Mail</title>{}</html>'
PLAIN = '<p style="font: 15px system-ui; color: #555d6b">This mail has no formatting of its own.</p>'


async def story_of(request: Request, ticket_id: str) -> Row:
    """The ticket that a path names.

    Raises:
        HTTPException: 404, there is none.
    """
    services = auth.services_of(request)
    named = read_tracking_id(ticket_id[:40])
    found = await services.look(services.console.tickets.story, named) if named else None
    if found is None:
        raise HTTPException(404, "There is no such ticket")
    return found


def said_on(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A mail on a ticket as the page shows it: on whose side, its new words, and what they quote."""
    side, label = KINDS.get(row["kind"], ("quiet", row["kind"].replace("_", " ").capitalize()))
    new, whole = row["new_text"].strip(), row["text"].strip()
    return {**row, "side": side, "label": label, "new": new or whole, "rest": whole if new and whole != new else ""}


@router.get("/{ticket_id}/")
async def shown(request: Request, visitor: Viewer, ticket_id: str) -> Response:
    """The ticket."""
    story = await story_of(request, ticket_id)
    services = auth.services_of(request)
    routing = services.routing()
    values = {
        "ticket": story, "talk": [said_on(row) for row in story["messages"]], "said": said(request),
        "decisions": story["decisions"], "categories": list(routing.categories),
        "departments": list(routing.departments), "late": story["due_at"] < services.clock.now(),
    }  # fmt: skip
    return await page(request, visitor, "admin/ticket.html", values)


@router.post("/{ticket_id}/{order}/")
async def ordered(request: Request, visitor: Agent, ticket_id: str, order: str) -> Response:
    """Carry out what somebody orders about a ticket, as the commands do."""
    if order not in ORDERS:
        raise HTTPException(404)
    ticket = (await story_of(request, ticket_id))["id"]
    field, word = ORDERS[order]
    services = auth.services_of(request)
    words = (visitor.typed(field),) if field else ()
    await services.keep(services.orders, order, ticket, visitor.user.email, words)
    services.wake()
    return done(f"/admin/tickets/{ticket}/", word)


@router.get("/{ticket_id}/messages/{number}/")
async def framed(request: Request, visitor: Viewer, ticket_id: str, number: int = Numbered) -> Response:
    """A mail with its formatting, for a frame in which nothing runs and nothing loads."""
    raw = await _original(request, ticket_id, number)
    html = await auth.services_of(request).look(formatted, raw)
    return HTMLResponse(FRAME.format(html or PLAIN), headers={"Content-Security-Policy": FRAME_POLICY})


@router.get("/{ticket_id}/messages/{number}/original/")
async def original(request: Request, visitor: Viewer, ticket_id: str, number: int = Numbered) -> Response:
    """A mail as it came, to be saved; never shown, as it is a stranger's."""
    raw = await _original(request, ticket_id, number)
    return _saved(f"mail-{number}.eml", raw, "message/rfc822")


@router.get("/{ticket_id}/messages/{number}/files/{place}/")
async def file(
    request: Request, visitor: Viewer, ticket_id: str, number: int = Numbered, place: int = InPath(ge=0, le=10_000)
) -> Response:
    """A file that came with a mail, by its place among them; to be saved, whatever it says it is."""
    raw = await _original(request, ticket_id, number)
    attached = (await auth.services_of(request).look(parse, raw)).attachments
    if place >= len(attached):
        raise HTTPException(404, "There is no such file")
    return _saved(attached[place].name, attached[place].content, "application/octet-stream")


def _saved(name: str, content: bytes, media: str) -> Response:
    """Bytes of a stranger under a name (RFC 6266): browsers save them and show nothing."""
    disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    headers = {"Content-Disposition": disposition, "Content-Security-Policy": "sandbox"}
    return Response(content, media_type=media, headers=headers)


async def _original(request: Request, ticket_id: str, number: int) -> bytes:
    services, named = auth.services_of(request), read_tracking_id(ticket_id[:40])
    raw = await services.look(services.console.tickets.original, named, number) if named else b""
    if not raw:
        raise HTTPException(404, "The mail is gone, or not on this ticket")
    return raw
