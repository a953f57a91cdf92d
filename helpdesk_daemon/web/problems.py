"""Every failure as an answer: problem details (RFC 9457) to programs, a page to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from helpdesk_daemon.errors import Refused, StoreError, TransientError
from helpdesk_daemon.log import get
from helpdesk_daemon.web.render import render

MEDIA = "application/problem+json"


class Wrong(BaseModel):
    """One value that cannot be used."""

    field: str = Field(description="Where it stands, such as `body.customer_email`")
    problem: str


class Problem(BaseModel):
    """Problem details as of RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    errors: list[Wrong] = Field(default_factory=list)


WORDS = {
    400: "The request cannot be read", 401: "No valid token", 403: "The token may not do this", 404: "Not found",
    409: "It cannot be done", 413: "Too large", 422: "Some values cannot be used", 429: "Too many requests",
    503: "Not available now",
}  # fmt: skip


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How an operation may fail, for its description."""
    content = {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": WORDS[status], "content": content} for status in statuses}


class NotAllowed(HTTPException):
    """Somebody is signed in, and may not do this."""

    def __init__(self, detail: str) -> None:
        super().__init__(403, detail)


def problem(
    request: Request, status: int, detail: str = "", errors: Sequence[Wrong] = (),
    headers: Mapping[str, str] | None = None, title: str = "",
) -> Response:  # fmt: skip
    """A failure, in the form that who asked can read."""
    words = WORDS.get(status) or HTTPStatus(status).phrase
    if request.url.path.startswith("/api/") and request.url.path != "/api/docs":
        body = Problem(title=words, status=status, detail=detail, errors=list(errors))
        return JSONResponse(body.model_dump(), status, dict(headers or {}), MEDIA)
    title = title or ("The form has expired" if status == 403 else words)
    return render(request, "problem.html", {"title": title, "detail": detail}, status, headers)


def _where(error: Mapping[str, Any]) -> str:
    return ".".join(str(part) for part in error["loc"])[:200].encode("ascii", "replace").decode()


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    unread = any(e["type"] == "json_invalid" for e in error.errors())
    wrong = [Wrong(field=_where(e), problem=str(e["msg"]).removeprefix("Value error, ")) for e in error.errors()[:20]]
    return problem(request, 422, "The body is no JSON" if unread else "", wrong)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    plain = HTTPStatus(error.status_code).phrase
    detail = "" if error.detail == plain else str(error.detail)
    title = "Not for you" if isinstance(error, NotAllowed) else ""
    return problem(request, error.status_code, detail, headers=error.headers, title=title)


async def _refused(request: Request, error: Exception) -> Response:
    return problem(request, 409, str(error))


async def _unavailable(request: Request, error: Exception) -> Response:
    get("web").error("request.failed", path=request.url.path[:200], error=str(error))
    return problem(request, 503, "Try again in a moment", headers={"Retry-After": "5"})


async def _broken(request: Request, error: Exception) -> Response:
    get("web").error("request.failed", path=request.url.path[:200], error=repr(error))
    return problem(request, 500)


def install(app: FastAPI) -> None:
    """Let an application answer failures so."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(TransientError, _unavailable)
    app.add_exception_handler(StoreError, _unavailable)
    app.add_exception_handler(Exception, _broken)
