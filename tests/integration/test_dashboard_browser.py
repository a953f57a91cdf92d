"""The dashboard in a browser: it moves by itself, keys walk through charts, and it is accessible in every guise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, async_playwright, expect

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.store.access.users import Users
from helpdesk_daemon.web import live
from tests.harness.crowd import fill
from tests.harness.sink import Sink
from tests.harness.web import FORM, Site, play

CHROMIUM, PASSWORD = "/usr/bin/chromium", "a long enough password"
SERIOUS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@asynccontextmanager
async def board(site: Site, complaints: list[str], **guise: Any) -> AsyncIterator[Page]:
    """The dashboard in a browser that is signed in."""
    base = str(site.client.base_url).rstrip("/")
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page(**guise)
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(f"{base}/dashboard/")
        await page.fill("#email", "ada@helpdesk.example")
        await page.fill("#password", PASSWORD)
        await page.click("button[type=submit]")
        await page.wait_for_url("**/dashboard/")
        yield page
        await browser.close()


def account(site: Site) -> None:
    Users(site.app.engine, SystemClock()).add("ada@helpdesk.example", "viewer", PASSWORD, "tester")


def test_it_moves_when_a_mail_is_decided(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        account(site)
        complaints: list[str] = []
        async with board(site, complaints) as page:
            value = page.locator(".tile .value").first
            assert await value.inner_text() == "0"
            await page.wait_for_selector('[data-live][data-state="on"]')
            await site.form("/submit/", FORM)
            await expect(value).to_have_text("1", timeout=15_000)
            await page.wait_for_selector(f"text={FORM['subject']}")
            await page.wait_for_selector(".bars a")

            await page.click("text=As a table >> nth=0")
            await page.click("text=Pause")
            await site.form("/submit/", {**FORM, "subject": "Another one"})
            await site.settled(lambda: not site.app.web[0].app._app.state.services.live.watchers)  # type: ignore[attr-defined]
            assert await value.inner_text() == "1", "it stands still while it is paused"
            await page.evaluate("document.querySelector('.bars a').focus()")
            await page.evaluate("document.querySelector('[data-live] button').click()")
            await expect(value).to_have_text("2", timeout=15_000)
            assert await page.evaluate("!!document.activeElement.closest('.bars')"), "the keyboard stays where it was"
            assert await page.evaluate("document.getElementById('t-volume').open"), "what was opened stays open"
        assert complaints == []

    play(tmp_path, sink, scene)


def test_arrow_keys_walk_through_a_chart(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        account(site)
        fill(site.app.engine, SystemClock().now(), 800, days=7)
        await asyncio.sleep(live.FRESH)
        complaints: list[str] = []
        async with board(site, complaints) as page:
            await page.goto(f"{page.url}?days=7")
            bars = page.locator('[data-part="volume"] .bars a')
            stops = await bars.evaluate_all("links => links.filter(link => link.tabIndex === 0).length")
            assert stops == 1, "one stop of the Tab key for a chart"
            await page.focus('[data-part="volume"] .bars a >> nth=-1')
            await page.keyboard.press("Home")
            label = await bars.first.get_attribute("aria-label")
            assert await page.evaluate("document.activeElement.getAttribute('aria-label')") == label
            await page.keyboard.press("ArrowRight")
            label = await bars.nth(1).get_attribute("aria-label")
            assert await page.evaluate("document.activeElement.getAttribute('aria-label')") == label
        assert complaints == []

    play(tmp_path, sink, scene)


def test_it_is_accessible_and_fits_in_every_guise(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        account(site)
        complaints: list[str] = []
        for filled in (False, True):
            if filled:
                fill(site.app.engine, SystemClock().now(), 800, days=7)
                await asyncio.sleep(live.FRESH)
            for width, scheme in ((390, "light"), (1440, "dark")):
                guise = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
                async with board(site, complaints, **guise) as page:
                    await page.goto(f"{page.url}?days=7")
                    await page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
                    assert await page.evaluate("document.documentElement.scrollWidth") == width
                    found = await Axe().run(page, options=SERIOUS)
                    wrong = [(each["id"], each["nodes"][0]["html"][:90]) for each in found.response["violations"]]
                    assert wrong == [], (filled, width, scheme)
        assert complaints == []

    play(tmp_path, sink, scene)
