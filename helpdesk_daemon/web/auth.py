"""Who asks: tokens of the API, proofs of the tracking pages, and forms that are our own."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException
from starlette.responses import Response

from helpdesk_daemon.outgoing.limits import Rate
from helpdesk_daemon.ports.web import token_digest
from helpdesk_daemon.tickets.tracking import Signer, read_tracking_id
from helpdesk_daemon.web.gate import caller, hourly, minutely
from helpdesk_daemon.web.services import Services

BEARER = HTTPBearer(auto_error=False, description="A token of `helpdesk-daemon tokens create`")
FORM_COOKIE, TICKET_COOKIE = "hd_form", "hd_ticket"
TICKET_SECONDS = 4 * 3600  # that a tracking page stays open to who followed a link


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: for limits and ledger such as `token:3`, and for the audit log."""

    id: str
    actor: str


def services_of(request: Request) -> Services:
    """What the application works with."""
    found: Services = request.app.state.services
    return found


def address_of(request: Request) -> str:
    """Who an unknown caller is, by network address."""
    return f"address:{caller(request.client.host if request.client else '')}"


def admit(services: Services, scope: str, rate: Rate) -> None:
    """Let a request pass.

    Raises:
        HTTPException: 429, too many.
    """
    if wait := services.gate.wait(scope, rate):
        raise HTTPException(429, f"Try again in {wait} seconds", {"Retry-After": str(wait)})


def admit_form(request: Request, services: Services) -> None:
    """Let a form pass that may become mail.

    Raises:
        HTTPException: 429, too many.
    """
    admit(services, f"form:{address_of(request)}", hourly(services.terms.submissions_hourly))


def may(scope: str) -> Callable[..., Awaitable[Caller]]:
    """A dependency that finds out who calls, and refuses who may not do what `scope` names."""

    async def check(request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> Caller:
        services = services_of(request)
        terms, here = services.terms, address_of(request)
        if given is None:
            if scope == "submit" and terms.open_submit and "authorization" not in request.headers:
                admit_form(request, services)
                return Caller(here, "api")
            admit(services, here, minutely(terms.requests_minutely))
            raise HTTPException(401, "Send `Authorization: Bearer TOKEN`", {"WWW-Authenticate": "Bearer"})
        token = await services.look(services.tokens.token, token_digest(given.credentials))
        if token is None:
            admit(services, here, minutely(terms.requests_minutely))
            raise HTTPException(401, "This token is not known, or was revoked", {"WWW-Authenticate": "Bearer"})
        admit(services, f"token:{token.id}", minutely(terms.token_requests_minutely))
        if scope not in token.scopes:
            raise HTTPException(403, f"The token needs the scope {scope}")
        return Caller(f"token:{token.id}", f"token {token.name}")

    return check


def form_token(request: Request) -> tuple[str, str]:
    """The nonce of a browser, and what its forms must carry to be ours."""
    signer = services_of(request).signer
    nonce = request.cookies.get(FORM_COOKIE, "")
    if not (nonce.isalnum() and len(nonce) == 32):
        nonce = secrets.token_hex(16)
    return nonce, signer.stamp("form", nonce)


def keep_nonce(request: Request, response: Response, nonce: str) -> Response:
    """Give a browser its nonce."""
    response.set_cookie(FORM_COOKIE, nonce, max_age=86_400, httponly=True, samesite="lax", secure=is_secure(request))
    return response


def is_secure(request: Request) -> bool:
    """Whether customers come by HTTPS, as far as we are told."""
    return services_of(request).terms.base_url.startswith("https:") or request.url.scheme == "https"


def check_form(request: Request, token: str) -> None:
    """Refuse a form that another site sent (cross-site request forgery).

    Raises:
        HTTPException: 403.
    """
    nonce = request.cookies.get(FORM_COOKIE, "")
    if is_foreign(request) or not nonce or not services_of(request).signer.is_stamp(token, "form", nonce):
        raise HTTPException(403, "Open the page again and send the form from there. Cookies must be allowed.")


def is_foreign(request: Request) -> bool:
    """Whether a browser says that another site sent this."""
    origin = request.headers.get("origin")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    return bool(origin) and urlsplit(origin or "").netloc not in _hosts(request)


def _hosts(request: Request) -> set[str]:
    base = services_of(request).terms.base_url
    return {request.headers.get("host", ""), urlsplit(base).netloc if base else ""} - {""}


def open_ticket(request: Request, response: Response, ticket: str) -> Response:
    """Let a browser see a ticket for some hours."""
    services = services_of(request)
    until = str(int(services.clock.now().timestamp()) + TICKET_SECONDS)
    value = f"{ticket}.{until}.{services.signer.stamp('ticket', ticket, until)}"
    response.set_cookie(
        TICKET_COOKIE, value, max_age=TICKET_SECONDS, path="/track/", httponly=True, samesite="lax",
        secure=is_secure(request),
    )  # fmt: skip
    return response


def may_see(request: Request, ticket: str) -> bool:
    """Whether a browser was let in to a ticket."""
    services = services_of(request)
    return _is_open(request.cookies.get(TICKET_COOKIE, ""), ticket, services.signer, services.clock.now().timestamp())


def _is_open(cookie: str, ticket: str, signer: Signer, now: float) -> bool:
    named, _, rest = cookie.partition(".")
    until, _, tag = rest.partition(".")
    genuine = until.isascii() and until.isdigit() and len(until) < 12 and signer.is_stamp(tag, "ticket", named, until)
    return genuine and bool(ticket) and read_tracking_id(named) == ticket and float(until) > now
