"""`/admin/users/`: who may sign in, for administrators."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from helpdesk_daemon.errors import Refused
from helpdesk_daemon.ports.people import LONGEST_PASSWORD, ROLES, SHORTEST
from helpdesk_daemon.web import auth
from helpdesk_daemon.web.pages.admin.common import Admin, done, said
from helpdesk_daemon.web.visitor import page

router = APIRouter(prefix="/admin/users", include_in_schema=False)


@router.get("/")
async def listed(request: Request, visitor: Admin) -> Response:
    """All accounts."""
    return await _show(request, visitor)


async def _show(request: Request, visitor: Admin, wrong: str = "") -> Response:
    services = auth.services_of(request)
    values = {
        "rows": await services.look(services.console.accounts.users), "roles": ROLES, "said": said(request),
        "shortest": SHORTEST, "longest": LONGEST_PASSWORD, "wrong": wrong, "typed": visitor.typed("email", 254),
    }  # fmt: skip
    return await page(request, visitor, "admin/users.html", values, 409 if wrong else 200)


@router.post("/{act}/")
async def act(request: Request, visitor: Admin, act: str) -> Response:
    """Make an account, give it another role or password, or end it."""
    services = auth.services_of(request)
    accounts, actor = services.console.accounts, visitor.user.email
    email, role = visitor.typed("email", 254), visitor.typed("role", 20)
    password = str(visitor.form.get("password", ""))
    try:
        if act == "add":  # hashing takes a while, so not on the thread that others wait for
            await services.console.prove(accounts.add, email, role, password, actor)
        elif act == "role":
            await services.keep(accounts.set_role, email, role, actor)
        elif act == "password":
            await services.console.prove(accounts.set_password, email, password, actor)
        elif act == "remove":
            await services.keep(accounts.remove, email, actor)
        else:
            raise HTTPException(404)
    except Refused as error:
        return await _show(request, visitor, str(error))
    words = {"add": "added", "role": "changed", "password": "password", "remove": "removed"}
    return done("/admin/users/", words[act])
