"""The dashboard over HTTP: who sees it, what it counts, and how it is kept up to date for many at once."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.store.access.users import Users
from helpdesk_daemon.adapters.store.views.dashboard import Dashboard
from helpdesk_daemon.ports.dashboard import Picture
from helpdesk_daemon.web import live
from tests.harness.crowd import fill
from tests.harness.sink import Sink
from tests.harness.web import FORM, Site, play
from tests.harness.world import rows

PASSWORD = "a long enough password"
SCRIPT = "<script>alert(1)</script>"
Events = AsyncIterator[dict[str, str]]


async def signed_in(site: Site, role: str = "viewer") -> None:
    Users(site.app.engine, SystemClock()).add(f"{role}@helpdesk.example", role, PASSWORD, "tester")
    answer = await site.form("/sign-in/", {"email": f"{role}@helpdesk.example", "password": PASSWORD})
    assert answer.status_code == 303


@asynccontextmanager
async def watching(site: Site, days: int = 1) -> AsyncIterator[Events]:
    """A browser that watches: the parts that it is sent."""
    async with site.client.stream("GET", f"/dashboard/live/?days={days}") as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")

        async def events() -> Events:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

        yield events()


def live_of(site: Site) -> live.Live:
    found: live.Live = site.app.web[0].app._app.state.services.live  # type: ignore[attr-defined]
    return found


def figure(html: str, tile: str) -> str:
    """The value of a tile."""
    found = re.search(rf">{tile}</span>.*?value[^>]*>(?:<span[^>]*>)?([^<]*)<", html, re.DOTALL)
    assert found, tile
    return found.group(1)


def test_only_who_is_signed_in_sees_it(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        page = await site.client.get("/dashboard/?days=7")
        assert (page.status_code, page.headers["location"]) == (303, "/sign-in/?next=/dashboard/%3Fdays%3D7")
        assert (await site.client.get("/dashboard/live/")).status_code == 401
        await signed_in(site)
        page = await site.client.get("/dashboard/?days=7")
        assert page.status_code == 200
        assert 'aria-current="true">7 days' in page.text
        assert (await site.client.get("/dashboard/?days=6")).status_code == 200, "a day that is none is today"

    play(tmp_path, sink, scene)


def test_threads_take_turns_often_while_pages_are_served(tmp_path: Path, sink: Sink) -> None:
    before = sys.getswitchinterval()

    async def scene(site: Site) -> None:
        await site.client.get("/submit/")
        assert sys.getswitchinterval() < 0.001

    sys.setswitchinterval(0.005)
    try:
        play(tmp_path, sink, scene)
    finally:
        sys.setswitchinterval(before)


def test_it_counts_what_came(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        await signed_in(site)
        empty = (await site.client.get("/dashboard/")).text
        assert figure(empty, "New tickets") == "0"
        assert "No mail became a ticket yet" in empty
        assert "Nothing waits for a first answer" in empty
        for number in range(3):
            await site.form("/submit/", {**FORM, "subject": f"Screen {number}"})
        await site.settled(lambda: len(rows(tmp_path, "select 1 from tickets")) == 3)
        await asyncio.sleep(live.FRESH)
        shown = (await site.client.get("/dashboard/")).text
        assert figure(shown, "New tickets") == "3"
        assert "Screen 2" in shown
        today = rows(tmp_path, "select substr(created_at, 1, 10) as day from tickets")[0]["day"]
        assert f"/admin/tickets/?from={today}T00:00Z" in unescape(shown)

    play(tmp_path, sink, scene)


def test_a_mail_that_is_decided_reaches_who_watches(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        await signed_in(site)
        async with watching(site) as events, asyncio.timeout(20):
            first = await anext(events)
            assert figure(first["tiles"], "New tickets") == "0"
            await site.form("/submit/", FORM)
            async for parts in events:
                if figure(parts.get("tiles", first["tiles"]), "New tickets") == "1":
                    break
            assert "week" in parts
            assert "mailboxes" not in parts or parts["mailboxes"] != first["mailboxes"], "only what changed is sent"

    play(tmp_path, sink, scene)


def test_one_reader_serves_all_and_ends_with_the_last(
    tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    genuine = Dashboard.picture

    def picture(self: Dashboard, now: datetime, days: int) -> Picture:
        taken.append(days)
        return genuine(self, now, days)

    monkeypatch.setattr(Dashboard, "picture", picture)

    async def scene(site: Site) -> None:
        await signed_in(site)
        shared = live_of(site)
        async with asyncio.timeout(30):
            async with watching(site) as one, watching(site) as two, watching(site, 7) as three:
                for events in (one, two, three):
                    assert "tiles" in await anext(events)
                assert (shared.watchers, shared.readers) == (3, 2)
                assert sorted(taken) == [1, 7], "what two watch is read once"
            await site.settled(lambda: not shared.readers)
        assert shared.watchers == 0

    play(tmp_path, sink, scene)


def test_there_is_room_for_so_many_only(tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST", 1)

    async def scene(site: Site) -> None:
        await signed_in(site)
        async with watching(site) as events:
            await anext(events)
            assert (await site.client.get("/dashboard/live/")).status_code == 503

    play(tmp_path, sink, scene)


def test_a_stream_ends_so_that_its_browser_is_asked_again_who_it_is(
    tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LASTS", 0.5)

    async def scene(site: Site) -> None:
        await signed_in(site)
        async with asyncio.timeout(10), watching(site) as events:
            assert len([parts async for parts in events]) >= 1

    play(tmp_path, sink, scene)


def test_the_daemon_does_not_wait_for_who_watches(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        await signed_in(site)
        async with watching(site) as events:
            await anext(events)
            began = time.monotonic()
            site.app.web[0].stop()
            async for _ in events:
                pass
            assert time.monotonic() - began < 2.5, "uvicorn gives streams three seconds, then cuts them off"

    play(tmp_path, sink, scene)


def test_a_reader_that_fails_goes_on(tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine, failures = Dashboard.mark, iter([RuntimeError("once")])

    def mark(self: Dashboard) -> object:
        if error := next(failures, None):
            raise error
        return genuine(self)

    monkeypatch.setattr(Dashboard, "mark", mark)

    async def scene(site: Site) -> None:
        await signed_in(site)
        async with asyncio.timeout(20), watching(site) as events:
            assert "tiles" in await anext(events)

    play(tmp_path, sink, scene)


LINK = re.compile(r'<a[^>]*href="(/admin/tickets/[?][^"]*)"[^>]*>(?:<span[^>]*>)?([0-9,]+)(?: tickets)?<')
CHART = re.compile(r'<a href="(/admin/tickets/[?][^"]*)" aria-label="[^":]*(?::[0-9]{2})?[^":]*: ([0-9,]+) tickets?')


def test_every_number_leads_to_as_many_tickets(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        await signed_in(site)
        fill(site.app.engine, SystemClock().now(), 45, days=6)
        with site.app.engine.begin() as connection:
            for statement in (
                "insert into crowds (kind, began_at, last_at, last_sighting) select 'burst', min(created_at), "
                "max(created_at), 1 from tickets",
                "insert into crowd_tickets select 1, id from tickets where id like '%1'",
                "update tickets set category = '' where id like '%5'",
                "update tickets set needs_review = 1 where id like '%3'",
                "update tickets set state = 'open', first_answer_at = null, due_at = '2020-01-01T00:00:00.000Z' "
                "where id like '%2'",
                "update tickets set state = 'new', first_answer_at = null, due_at = strftime('%Y-%m-%dT%H:%M:%fZ', "
                "'now', '+2 hours') where id like '%4'",
            ):
                connection.exec_driver_sql(statement)
        await asyncio.sleep(live.FRESH)
        shown = (await site.client.get("/dashboard/?days=7")).text
        counted = {unescape(href): int(count.replace(",", "")) for href, count in
                   [*LINK.findall(shown), *CHART.findall(shown)]}  # fmt: skip
        assert {"from", "to", "sla", "department", "category", "review", "crowd"} <= {
            name for href in counted for name in dict(parse_qsl(href.partition("?")[2]))
        }
        assert {"soon", "overdue", "missed"} <= {dict(parse_qsl(href.partition("?")[2])).get("sla") for href in counted}
        for href, count in counted.items():
            listed = (await site.client.get(href)).text
            assert listed.count('<td class="main">') == count, href
        for href in set(re.findall(r'href="(/admin/tickets/[?][^"]*confidence[^"]*)"', shown)):
            assert '<td class="main">' in (await site.client.get(unescape(href))).text, href

    play(tmp_path, sink, scene)


def test_what_strangers_write_is_text(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        await signed_in(site)
        await site.form("/submit/", {"name": SCRIPT, "email": FORM["email"], "subject": SCRIPT, "description": SCRIPT})
        await site.settled(lambda: rows(tmp_path, "select 1 from tickets"))
        for statement in (
            "update tickets set category = ?, department = ?, priority = ?",
            "update mailboxes set mailbox = ?, folder = ?, last_error = ?, failing_since = polled_at",
        ):
            with site.app.engine.begin() as connection:
                connection.exec_driver_sql(statement, (SCRIPT, SCRIPT, SCRIPT[:10]))
        await asyncio.sleep(live.FRESH)
        shown = (await site.client.get("/dashboard/")).text
        async with watching(site) as events:
            parts = await anext(events)
        for text in (shown, *parts.values()):
            assert "<script>alert" not in text
        assert shown.count("&lt;script&gt;") >= 5

    play(tmp_path, sink, scene)


def test_many_tickets_cost_a_page_no_more(tmp_path: Path, sink: Sink) -> None:
    """What is read does not grow with the history: as many rows of counters for ten times the tickets."""

    async def scene(site: Site) -> None:
        await signed_in(site)
        now = SystemClock().now()
        fill(site.app.engine, now, 500, days=2)
        few = rows(tmp_path, "select count(*) as n from hourly")[0]["n"]
        fill(site.app.engine, now, 5_000, days=2, first=501)
        many = rows(tmp_path, "select count(*) as n from hourly")[0]["n"]
        assert many < 3 * few, "eleven times the tickets"
        await asyncio.sleep(live.FRESH)
        assert (await site.client.get("/dashboard/?days=30")).status_code == 200

    play(tmp_path, sink, scene)
