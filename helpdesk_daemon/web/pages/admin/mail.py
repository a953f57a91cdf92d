"""`/admin/outbox/`, `/admin/quarantine/`, `/admin/suppressions/`: mail that did not go its way."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from starlette.exceptions import HTTPException
from starlette.responses import Response

from helpdesk_daemon.web import auth
from helpdesk_daemon.web.pages.admin.common import (
    PAGE,
    Admin,
    Number,
    Viewer,
    Word,
    done,
    further,
    read_mail,
    said,
    split,
)
from helpdesk_daemon.web.visitor import page

router = APIRouter(prefix="/admin", include_in_schema=False)
STATES = {
    "stuck": ("failed", "ambiguous", "held"), "waiting": ("pending", "deferred", "sending"), "sent": ("sent",),
    "dropped": ("dropped",), "all": (),
}  # fmt: skip
Numbered = InPath(ge=1, le=2**62)


@router.get("/outbox/")
async def outbox(request: Request, visitor: Viewer, state: Word = "stuck", before: Number = 0) -> Response:
    """Outgoing mail, what did not leave first."""
    services = auth.services_of(request)
    state = state if state in STATES else "all"
    found = await services.look(services.console.mail.outbox, STATES[state], before, PAGE + 1)
    rows, place = split(found, lambda row: row["id"])
    values = {
        "rows": rows, "state": state, "tabs": list(STATES), "older": further(request, before=place) if place else "",
        "breaker": await services.look(services.console.mail.breaker), "said": said(request),
    }  # fmt: skip
    return await page(request, visitor, "admin/outbox.html", values)


@router.get("/outbox/{number}/")
async def outgoing(request: Request, visitor: Viewer, number: int = Numbered) -> Response:
    """One outgoing mail as it leaves."""
    services = auth.services_of(request)
    found = await services.look(services.console.mail.outgoing, number)
    if found is None:
        raise HTTPException(404, "There is no such mail")
    row, mime = found
    values = {"row": row, "mail": await services.look(read_mail, mime), "gone": not mime, "said": said(request)}
    return await page(request, visitor, "admin/outgoing.html", values)


@router.post("/outbox/{act}/")
async def act_on_outbox(request: Request, visitor: Admin, act: str) -> Response:
    """Hold or release all mail, or try or drop some."""
    services = auth.services_of(request)
    acts, actor, numbers = services.console.mail_acts, visitor.user.email, visitor.numbers("id")
    back = f"/admin/outbox/{numbers[0]}/" if visitor.typed("one") and numbers else "/admin/outbox/"
    if act == "hold":
        await services.keep(acts.hold, visitor.typed("reason") or "by hand", actor)
        return done(back, "held")
    if act == "release":
        await services.keep(acts.release, actor)
        services.wake()
        return done(back, "released")
    if act not in ("retry", "drop"):
        raise HTTPException(404)
    count = await services.keep(acts.retry if act == "retry" else acts.drop, numbers, actor)
    services.wake()
    return done(back, {"retry": "retried", "drop": "dropped"}[act] if count else "nothing")


@router.get("/quarantine/")
async def quarantine(request: Request, visitor: Viewer) -> Response:
    """Mail that was set aside."""
    services = auth.services_of(request)
    rows = await services.look(services.console.mail.quarantine, 200)
    return await page(request, visitor, "admin/quarantine.html", {"rows": rows, "said": said(request)})


@router.get("/quarantine/{number}/")
async def arrival(request: Request, visitor: Viewer, number: int = Numbered) -> Response:
    """One received mail: where it ended, and what it says."""
    services = auth.services_of(request)
    found = await services.look(services.console.mail.arrival, number)
    if found is None:
        raise HTTPException(404, "There is no such mail")
    row, raw = found
    values = {"row": row, "mail": await services.look(read_mail, raw), "gone": not raw, "said": said(request)}
    return await page(request, visitor, "admin/arrival.html", values)


@router.post("/quarantine/retry/")
async def retry_quarantined(request: Request, visitor: Admin) -> Response:
    """Let mails be decided again."""
    services = auth.services_of(request)
    numbers, actor = visitor.numbers("id"), visitor.user.email
    count = await services.keep(services.console.mail_acts.retry_quarantined, numbers, actor)
    services.wake()
    return done("/admin/quarantine/", "retried" if count else "nothing")


@router.get("/suppressions/")
async def suppressions(request: Request, visitor: Viewer) -> Response:
    """Addresses that are not acknowledged."""
    services = auth.services_of(request)
    rows = await services.look(services.console.mail.suppressions, 500)
    return await page(request, visitor, "admin/suppressions.html", {"rows": rows, "said": said(request)})


@router.post("/suppressions/release/")
async def unsuppress(request: Request, visitor: Admin) -> Response:
    """Acknowledge an address again."""
    services = auth.services_of(request)
    emails, actor = [visitor.typed("email", 320)], visitor.user.email
    count = await services.keep(services.console.mail_acts.unsuppress, emails, actor)
    return done("/admin/suppressions/", "unsuppressed" if count else "nothing")
