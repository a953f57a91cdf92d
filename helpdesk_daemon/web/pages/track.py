"""`/track/`: a customer follows a request, by the link in the acknowledgement or by one that is mailed when asked for.

No answer here tells whether a ticket exists: who was not let in by a link sees the same page for every tracking ID.
"""

from __future__ import annotations

import secrets
from typing import cast

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response

from helpdesk_daemon.errors import HelpdeskError
from helpdesk_daemon.log import get
from helpdesk_daemon.ports.web import Row, token_digest
from helpdesk_daemon.tickets.tracking import read_tracking_id
from helpdesk_daemon.web import auth
from helpdesk_daemon.web.gate import minutely
from helpdesk_daemon.web.pages import forms
from helpdesk_daemon.web.pages.conversation import conversation, formatted
from helpdesk_daemon.web.render import render
from helpdesk_daemon.web.safety import FRAME_POLICY
from helpdesk_daemon.web.services import Form, Services

router = APIRouter(include_in_schema=False)
STEPS = {"new": 0, "open": 1, "waiting": 2, "closed": 3}


@router.get("/track/")
async def ask(request: Request) -> Response:
    """Which request, and whose."""
    return forms.show(request, "track.html", {"asked": False})


@router.post("/track/")
async def mail_link(request: Request) -> Response:
    """Mail a link to who takes part in a ticket; everybody is answered the same, and before anything is looked up."""
    services = auth.services_of(request)
    filled = await forms.read(request, 0)
    auth.admit_form(request, services)
    ticket = read_tracking_id(filled.values.get("ticket", "")[:40])
    email = filled.values.get("email", "").strip().lower()[:254]
    response = forms.show(request, "track.html", {"asked": True})
    if ticket and email and not filled.by_program:
        response.background = BackgroundTask(_mail_link, services, ticket, email, _base(request, services))
    return response


def _base(request: Request, services: Services) -> str:
    """Where links lead: never where a stranger's Host header says, as they are mailed to others."""
    if services.terms.base_url:
        return services.terms.base_url
    host, port = request.scope.get("server") or ("127.0.0.1", None)
    return f"http://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"


async def _mail_link(services: Services, ticket: str, email: str, base: str) -> None:
    secret = secrets.token_urlsafe(24)
    try:
        sent = await services.keep(services.writing.send_link, ticket, email, token_digest(secret),
                                   f"{base}/track/once/{secret}/")  # fmt: skip
    except HelpdeskError as error:
        get("web").error("link.failed", error=str(error))
        return
    if sent:
        services.wake()


@router.get("/track/once/{secret}/")
async def confirm(request: Request, secret: str) -> Response:
    """A page with a button: programs that look at links in mail do not use the link up."""
    return forms.show(request, "once.html", {})


@router.post("/track/once/{secret}/")
async def use(request: Request, secret: str) -> Response:
    """Use a mailed link."""
    services = auth.services_of(request)
    await forms.read(request, 0)
    auth.admit(services, f"link:{auth.address_of(request)}", minutely(20))
    ticket = await services.keep(services.writing.use_link, token_digest(secret[:200]))
    if not ticket:
        return render(request, "problem.html", {"title": "This link is used or over",
                      "detail": "A link works once, within an hour. Ask for another one."}, 410)  # fmt: skip
    return auth.open_ticket(request, RedirectResponse(f"/track/{ticket}/", 303), ticket)


def _admitted(request: Request, ticket_id: str) -> str:
    """The ticket of a path, if the browser was let in to it; empty otherwise, whether it exists or not."""
    ticket = read_tracking_id(ticket_id[:40])
    return ticket if auth.may_see(request, ticket) else ""


@router.get("/track/{word}/")
async def follow(request: Request, word: str, sent: bool = False) -> Response:
    """A signed link lets in; a tracking ID shows the ticket to who was let in."""
    services = auth.services_of(request)
    if ticket := services.signer.read_link(word[:100]):
        return auth.open_ticket(request, RedirectResponse(f"/track/{ticket}/", 303), ticket)
    row = await _row(services, _admitted(request, word))
    return RedirectResponse("/track/", 303) if row is None else await _show(request, row, sent=sent)


async def _row(services: Services, ticket: str) -> Row | None:
    return await services.look(services.reading.ticket, ticket) if ticket else None


async def _show(request: Request, row: Row, filled: forms.Filled | None = None, sent: bool = False) -> Response:
    services = auth.services_of(request)
    rows = await services.look(services.reading.messages, row["id"])
    filled = filled or forms.Filled({})
    values = {
        "ticket": row, "step": STEPS[row["state"]], "conversation": await services.look(conversation, rows),
        "late": row["first_answer_at"] is None and row["due_at"] < services.clock.now(), "sent": sent,
        "values": filled.values, "wrong": filled.wrong, "key": secrets.token_hex(16),
        "most_bytes": services.terms.attachments, "most_files": forms.MOST_FILES,
    }  # fmt: skip
    return forms.show(request, "ticket.html", values, 422 if filled.wrong else 200)


@router.post("/track/{word}/")
async def add(request: Request, word: str) -> Response:
    """Add a message to a ticket; it goes the way of a reply by mail."""
    services = auth.services_of(request)
    filled = await forms.read(request, services.terms.attachments)
    row = await _row(services, _admitted(request, word))
    if row is None:
        return RedirectResponse("/track/", 303)
    given = cast("forms.Message | None", forms.check(filled, forms.Message, {"text": "text"}))
    if given is None or filled.by_program:
        return await _show(request, row, filled)
    auth.admit_form(request, services)
    form = Form(row["requester_name"], row["requester_email"], f"Re: {row['subject']}", given.text, filled.files)
    await services.add(row, form, f"ticket:{row['id']}", filled.values.get("key", "")[:64])
    return RedirectResponse(f"/track/{row['id']}/?sent=1#conversation", 303)


@router.get("/track/{word}/messages/{number}/")
async def formatted_mail(request: Request, word: str, number: int) -> Response:
    """A mail with its formatting, for a frame in which nothing runs and nothing loads."""
    services = auth.services_of(request)
    ticket = _admitted(request, word)
    raw = await services.look(services.reading.mail, ticket, number) if ticket and 0 < number < 2**62 else b""
    html = await services.look(formatted, raw)
    if not html:
        raise HTTPException(404)
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><base target="_blank"><title>Mail</title>{html}</html>'
    )
    return HTMLResponse(page, headers={"Content-Security-Policy": FRAME_POLICY})
