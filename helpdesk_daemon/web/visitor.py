"""Who is signed in: the one dependency of all pages that are not for everybody."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote, urlsplit

from fastapi import BackgroundTasks, Request
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.responses import Response

from helpdesk_daemon.errors import HelpdeskError
from helpdesk_daemon.log import get
from helpdesk_daemon.ports.people import LONGEST, SEEN_EVERY, Session, User
from helpdesk_daemon.ports.web import token_digest
from helpdesk_daemon.web import auth
from helpdesk_daemon.web.problems import NotAllowed
from helpdesk_daemon.web.render import render
from helpdesk_daemon.web.services import Services

SESSION_COOKIE = "hd_session"
HOME = "/admin/tickets/"
MOST_FIELDS = 500


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in, and what they sent.

    Attributes:
        user: who.
        csrf: what a form must carry to be theirs; bound to their session.
        form: of a POST, its fields and files; it was checked.
    """

    user: User
    csrf: str
    form: FormData = field(default_factory=FormData)

    def typed(self, name: str, most: int = 300) -> str:
        """A text field of the form without white space around it, empty when it is not there."""
        value = self.form.get(name, "")
        return value.strip()[:most] if isinstance(value, str) else ""

    def numbers(self, name: str) -> list[int]:
        """All values of a field that are numbers of rows."""
        found = [value for value in self.form.getlist(name) if isinstance(value, str)]
        return [int(value) for value in found if value.isascii() and value.isdigit() and len(value) < 19]


def signed_in(role: str) -> Callable[..., AsyncIterator[Visitor]]:
    """A dependency that lets in who is signed in with a role or a higher one.

    Of a POST it reads the form, and refuses one that was not made by a page of this session.
    """

    async def check(request: Request, background: BackgroundTasks) -> AsyncIterator[Visitor]:
        services = auth.services_of(request)
        session = await session_of(request)
        if session is None:
            raise HTTPException(303, "Sign in first", {"Location": _sign_in(request)})
        if services.clock.now() - session.seen_at >= SEEN_EVERY:
            background.add_task(_note_seen, services, session.digest)
        csrf = services.signer.stamp("session", session.digest)
        if not session.user.may(role):
            raise NotAllowed(f"This needs the role {role}. You are signed in as {session.user.role}.")
        if request.method != "POST":
            yield Visitor(session.user, csrf)
            return
        form = await _form(request)
        try:
            token = form.get("csrf", "")
            if auth.is_foreign(request) or not isinstance(token, str) or not _is_own(services, token, session.digest):
                raise HTTPException(403, "Open the page again and send the form from there.")
            yield Visitor(session.user, csrf, form)
        finally:
            await form.close()

    return check


async def session_of(request: Request) -> Session | None:
    """The session of a browser; None when it has none, or it is over."""
    services = auth.services_of(request)
    secret = request.cookies.get(SESSION_COOKIE, "")[:200]
    return await services.look(services.console.sign_in.session, token_digest(secret)) if secret else None


def _is_own(services: Services, token: str, digest: str) -> bool:
    return services.signer.is_stamp(token, "session", digest)


async def _form(request: Request) -> FormData:
    try:
        return await request.form(max_files=1, max_fields=MOST_FIELDS)
    except (HTTPException, TimeoutError):
        raise
    except Exception as error:  # whatever a parser finds wrong with bytes of strangers
        raise HTTPException(400, "The form could not be read") from error


async def _note_seen(services: Services, digest: str) -> None:
    try:
        await services.keep(services.console.sign_in.seen, digest)
    except HelpdeskError as error:
        get("web").warning("session.failed", error=str(error))


def _sign_in(request: Request) -> str:
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"/sign-in/?next={quote(here, safe='/')}" if request.method == "GET" else "/sign-in/"


def way_on(wanted: str) -> str:
    """Where somebody goes after signing in: a page of ours, whatever a link says."""
    parts = urlsplit(wanted) if wanted.isprintable() and "\\" not in wanted and len(wanted) < 2_000 else None
    here = parts is not None and not parts.scheme and not parts.netloc and wanted.startswith("/")
    return wanted if here and not wanted.startswith("//") else HOME


async def enter(request: Request, response: Response, user: User) -> Response:
    """Sign a browser in under a new secret; the session it had before is over."""
    services, secret = auth.services_of(request), secrets.token_urlsafe(32)
    await leave(request, response)
    await services.keep(services.console.sign_in.begin, user, token_digest(secret))
    response.set_cookie(
        SESSION_COOKIE, secret, max_age=int(LONGEST.total_seconds()), httponly=True, samesite="lax",
        secure=auth.is_secure(request),
    )  # fmt: skip
    return response


async def leave(request: Request, response: Response) -> Response:
    """Sign a browser out."""
    services = auth.services_of(request)
    if secret := request.cookies.get(SESSION_COOKIE, "")[:200]:
        await services.keep(services.console.sign_in.end, token_digest(secret))
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax", secure=auth.is_secure(request))
    return response


async def page(
    request: Request, visitor: Visitor, template: str, values: Mapping[str, object], status: int = 200
) -> Response:
    """A page of the console for who is signed in.

    Besides `values` the template knows `me`, `csrf`, `now`, and `waiting`: how much needs a person, for the menu.
    """
    services = auth.services_of(request)
    now: datetime = services.clock.now()
    waiting = await services.look(services.console.waiting)
    common = {"me": visitor.user, "csrf": visitor.csrf, "now": now, "waiting": waiting}
    return render(request, template, {**common, **values}, status)
