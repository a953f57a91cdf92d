"""People with an account, as the pages' tests need them."""

from __future__ import annotations

import re

import httpx2

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.store.access.users import Users
from tests.harness.web import Site

PASSWORD = "a long enough password"
SECRET = re.compile(r'name="csrf" value="([^"]*)"')


def account(site: Site, role: str = "admin", email: str = "") -> str:
    """Somebody new with a role; their address."""
    email = email or f"{role}@helpdesk.example"
    Users(site.app.engine, SystemClock()).add(email, role, PASSWORD, "tester")
    return email


async def enter(site: Site, email: str, password: str = PASSWORD) -> int:
    """Sign in by the form; the status of the answer."""
    answer = await site.form("/sign-in/", {"email": email, "password": password})
    return answer.status_code


async def signed_in(site: Site, role: str = "admin") -> str:
    """Make somebody and sign in as them."""
    site.client.cookies.clear()
    email = account(site, role)
    assert await enter(site, email) == 303
    return email


async def act(site: Site, path: str, page: str = "/admin/tickets/", **values: str) -> httpx2.Response:
    """Send a form of the console, as a page of this session makes it."""
    shown = await site.client.get(page)
    found = SECRET.search(shown.text)
    assert found, shown.text[:500]
    return await site.client.post(path, data={"csrf": found[1], **values})
