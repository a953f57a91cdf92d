"""`/submit/`: a customer asks something by a form."""

from __future__ import annotations

import secrets
from typing import cast

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from helpdesk_daemon.tickets.tracking import new_tracking_id, read_tracking_id
from helpdesk_daemon.web import auth
from helpdesk_daemon.web.pages import forms
from helpdesk_daemon.web.render import render
from helpdesk_daemon.web.services import Form
from helpdesk_daemon.web.shapes import Submission

router = APIRouter(include_in_schema=False)
NAMES = {"customer_name": "name", "customer_email": "email", "subject": "subject", "description": "description"}


def _page(request: Request, filled: forms.Filled, status: int = 200) -> Response:
    limit = auth.services_of(request).terms.attachments
    values = {
        "values": filled.values, "wrong": filled.wrong, "key": filled.values.get("key") or secrets.token_hex(16),
        "most_bytes": limit, "most_files": forms.MOST_FILES,
    }  # fmt: skip
    return forms.show(request, "submit.html", values, status)


@router.get("/submit/")
async def empty(request: Request) -> Response:
    """The form."""
    return _page(request, forms.Filled({}))


@router.post("/submit/")
async def send(request: Request) -> Response:
    """Take the form."""
    services = auth.services_of(request)
    filled = await forms.read(request, services.terms.attachments)
    if filled.by_program:  # told what a person is told
        return _to_confirmation(new_tracking_id())
    given = cast("Submission | None", forms.check(filled, Submission, NAMES))
    if given is None:
        return _page(request, filled, 422)
    auth.admit_form(request, services)
    form = Form(given.customer_name, given.customer_email, given.subject, given.description, filled.files)
    # A form that is sent twice, by a double click or the back button, is one.
    kept = await services.submit(form, "form", filled.values.get("key", "")[:64])
    if not kept.same:
        kept = await services.submit(form, "form", secrets.token_hex(16))
    return _to_confirmation(kept.ticket)


def _to_confirmation(ticket: str) -> Response:
    return RedirectResponse(f"/submit/{ticket}/", 303)


@router.get("/submit/{ticket_id}/")
async def sent(request: Request, ticket_id: str) -> Response:
    """The tracking ID; nothing is looked up, so nothing can be found out."""
    ticket = read_tracking_id(ticket_id[:40])
    if not ticket:
        raise HTTPException(404)
    return render(request, "submitted.html", {"ticket": ticket})
