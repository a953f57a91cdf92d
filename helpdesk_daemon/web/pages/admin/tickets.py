"""`/admin/`: tickets, searched and listed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from helpdesk_daemon.web.visitor import Visitor, page, signed_in

router = APIRouter(prefix="/admin", include_in_schema=False)
Viewer = Annotated[Visitor, Depends(signed_in("viewer"))]


@router.get("/")
async def listed(request: Request, visitor: Viewer) -> Response:
    """Tickets, newest first."""
    return await page(request, visitor, "admin/tickets.html", {})
