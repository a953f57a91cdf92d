"""`/sign-in/` and `/sign-out/`. Nothing here tells whether an address has an account."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from helpdesk_daemon.log import get, who
from helpdesk_daemon.outgoing.limits import Rate
from helpdesk_daemon.web import auth
from helpdesk_daemon.web.pages import forms
from helpdesk_daemon.web.visitor import Visitor, enter, leave, session_of, signed_in, way_on

router = APIRouter(include_in_schema=False)
# Tries at once, and an hour. A stranger who only knows a name cannot keep its owner out from one address.
OF_ADDRESS, OF_NAME_THERE, OF_NAME = Rate(20, 60), Rate(10, 30), Rate(100, 100)


@router.get("/sign-in/")
async def ask(request: Request) -> Response:
    """The form; who is signed in already goes on."""
    wanted = way_on(request.query_params.get("next", ""))
    if await session_of(request):
        return RedirectResponse(wanted, 303)
    return forms.show(request, "sign_in.html", {"next": wanted, "email": "", "wrong": False})


@router.post("/sign-in/")
async def sign_in(request: Request) -> Response:
    """Sign in."""
    services = auth.services_of(request)
    filled = await forms.read(request, 0)
    email, password = filled.values.get("email", "").strip().lower()[:254], filled.values.get("password", "")
    here = auth.address_of(request)
    auth.admit(services, f"sign-in:{here}", OF_ADDRESS)
    auth.admit(services, f"sign-in:{here}:{email}", OF_NAME_THERE)
    auth.admit(services, f"sign-in:{email}", OF_NAME)
    wanted = way_on(filled.values.get("next", ""))
    user = await services.console.prove(services.console.sign_in.verified, email, password)
    if user is None:
        get("web").warning("sign_in.refused", user=who(email), address=here)
        return forms.show(request, "sign_in.html", {"next": wanted, "email": email, "wrong": True}, 422)
    return await enter(request, RedirectResponse(wanted, 303), user)


@router.post("/sign-out/")
async def sign_out(request: Request, visitor: Annotated[Visitor, Depends(signed_in("viewer"))]) -> Response:
    """Sign out."""
    return await leave(request, RedirectResponse("/sign-in/", 303))
