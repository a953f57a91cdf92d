"""`/dashboard/`: how today and the last days go, kept up to date by server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from helpdesk_daemon.web import auth, live
from helpdesk_daemon.web.board import PARTS, SPANS, view
from helpdesk_daemon.web.render import fill
from helpdesk_daemon.web.visitor import Visitor, page, session_of, signed_in

router = APIRouter(prefix="/dashboard", include_in_schema=False)
Viewer = Annotated[Visitor, Depends(signed_in("viewer"))]
AGAIN = 2_000  # milliseconds after which a browser whose stream ended comes again


def _days(request: Request) -> int:
    """The span that a link asks for; today when it asks for none that there is."""
    return next((days for days in SPANS if request.query_params.get("days") == str(days)), 1)


def draw(seen: live.Seen) -> live.Parts:
    """Every part of the page that changes; the same for all who watch."""
    values = view(*seen)
    return {name: fill(f"dashboard/{name}.html", values) for name in PARTS}


@router.get("/")
async def board(request: Request, visitor: Viewer) -> Response:
    """The page, whole without any script."""
    seen = await auth.services_of(request).live.seen(_days(request))
    return await page(request, visitor, "dashboard.html", view(*seen))


@router.get("/live/")
async def stream(request: Request) -> Response:
    """Parts of the page that changed, as they change. A screen that only watches does not keep its session alive."""
    shared = auth.services_of(request).live
    if await session_of(request) is None:
        raise HTTPException(401, "Sign in first")
    if shared.watchers >= live.MOST:
        raise HTTPException(503, "Too many browsers watch", {"Retry-After": "30"})
    headers = {"X-Accel-Buffering": "no"}  # proxies that gather answers would hold it back
    return StreamingResponse(_events(shared, _days(request)), media_type="text/event-stream", headers=headers)


async def _events(shared: live.Live, days: int) -> AsyncIterator[str]:
    """Server-sent events (WHATWG HTML, section 9.2): an object of HTML by part, or a comment as a sign of life."""
    yield f"retry: {AGAIN}\n\n"
    async for parts in shared.follow(days, draw):
        yield f"event: parts\ndata: {json.dumps(parts)}\n\n" if parts else ": still here\n\n"
