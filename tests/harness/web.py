"""A daemon that serves its pages, and a client that asks them, on one loop."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import Engine
from starlette.types import ASGIApp

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.keys import load_signer
from helpdesk_daemon.adapters.store.access import tokens
from helpdesk_daemon.app import App, running
from helpdesk_daemon.assembly import Parts
from helpdesk_daemon.ports import Clock
from helpdesk_daemon.settings import Settings, load_settings
from helpdesk_daemon.wiring.desks import desks_of, routings_of
from helpdesk_daemon.wiring.pages import web_of
from tests.harness.fakes import HashEmbedder
from tests.harness.sink import Sink
from tests.harness.world import write_settings

WEB = "[web]\nenabled = true\nport = 0\nsubmissions_hourly = 1000\nrequests_minutely = 10000\n"
JOHN = {
    "customer_name": "John Doe", "customer_email": "john@example.com", "subject": "Cannot access my account",
    "description": "I forgot my password and the reset email isn't arriving",
}  # fmt: skip
FORM = {"name": "Ada Byron", "email": "ada@customer.example", "subject": "Black screen",
        "description": "It stays black."}  # fmt: skip


class Site:
    """A running daemon as a browser or a program sees it."""

    def __init__(self, app: App, client: httpx2.AsyncClient) -> None:
        self.app, self.client = app, client

    def token(self, *scopes: str) -> dict[str, str]:
        """The header of a new token."""
        made = tokens.create(self.app.engine, SystemClock(), "test", scopes, "tester")
        return {"Authorization": f"Bearer {made}"}

    async def form(self, path: str, values: dict[str, str], files: Any = None, page: str = "") -> httpx2.Response:
        """Fill in the form of a page and send it, as a browser does."""
        shown = await self.client.get(page or path)
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', shown.text))
        parts = [(name, (None, value)) for name, value in {**hidden, "website": "", **values}.items()]
        return await self.client.post(path, files=[*parts, *(files or [])])

    async def settled(self, condition: Callable[[], Any]) -> Any:
        """What a condition says once it is true, within ten seconds."""
        for _ in range(200):
            if found := condition():
                return found
            await asyncio.sleep(0.05)
        raise AssertionError("it did not come true")


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[Site]:
    """The daemon running, and a client."""
    task = asyncio.create_task(app.run())
    host, port = app.web[0].address
    try:
        async with httpx2.AsyncClient(base_url=f"http://{host}:{port}", timeout=20) as client:
            yield Site(app, client)
    finally:
        app.stop()
        await task


def play(
    folder: Path, sink: Sink, scene: Callable[[Site], Awaitable[None]], web: str = WEB, real_model: bool = False,
    mailbox: str = "",
) -> None:  # fmt: skip
    """Run a scene on a daemon that reads a Maildir and sends to a server."""
    settings = write_settings(folder, "maildir:inbox", sink.port, mailbox, more="", limits=web)
    parts = Parts() if real_model else Parts(embedder=HashEmbedder())
    with running(load_settings(settings), parts, serves=True) as (app, runner):

        async def acted() -> None:
            async with serving(app) as site:
                await scene(site)

        runner.run(acted())


@contextmanager
def site_on(settings: Settings, engine: Engine, clock: Clock) -> Iterator[ASGIApp]:
    """The pages alone, on a database that a test filled; nobody decides on what is submitted."""
    signer = load_signer(settings.data_dir)
    desks = desks_of(settings, routings_of(settings), signer)
    web = web_of(settings, engine, clock, signer, lambda: desks, lambda: None)
    try:
        yield web.app
    finally:
        asyncio.run(web.close())
