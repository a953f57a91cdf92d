"""The pages in a browser: what only a browser does (Origin, cookies, policies, scripts) has to agree with them."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import FilePayload, Page, async_playwright

from tests.harness.sink import Sink
from tests.harness.web import FORM, Site, play
from tests.harness.world import rows

CHROMIUM = "/usr/bin/chromium"


async def submitted(page: Page, base: str) -> str:
    """Fill in the form, the first time with a mistake; the tracking ID that is shown."""
    await page.goto(f"{base}/submit/")
    await page.fill("#name", FORM["name"])
    await page.fill("#email", "ada@")
    await page.click("button[type=submit]")
    assert "Please enter an address" in await page.inner_text("#email-error")
    assert await page.evaluate("document.activeElement.id") == "email"
    await page.fill("#email", FORM["email"])
    await page.fill("#subject", FORM["subject"])
    await page.fill("#description", FORM["description"])
    await page.set_input_files("#files", FilePayload(name="a.png", mimeType="image/png", buffer=b"picture"))
    await page.click("button[type=submit]")
    await page.wait_for_url("**/submit/HD-*/", timeout=10_000)
    return await page.inner_text(".id")


def test_a_customer_submits_follows_and_adds(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        base = str(site.client.base_url).rstrip("/")
        complaints: list[str] = []
        async with async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = await browser.new_page(viewport={"width": 390, "height": 844})
            page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            ticket = await submitted(page, base)
            await site.settled(lambda: rows(tmp_path, "select 1 from tickets where id = ?", ticket))
            await page.goto(f"{base}/track/{site.app.signer.link(ticket)}/")
            assert page.url == f"{base}/track/{ticket}/"
            await page.fill("#text", "One more thing.")
            await page.click("button[type=submit]")
            await page.wait_for_url("**/?sent=1*", timeout=10_000)
            await site.settled(lambda: rows(tmp_path, "select 1 from messages where kind = 'reply'"))
            await page.goto(f"{base}/track/{ticket}/")
            assert await page.locator(".talk li").count() == 2
            assert await page.evaluate("document.documentElement.scrollWidth") == 390, "nothing hangs over on a phone"
            await browser.close()
        assert complaints == []
        assert b"a.png" in b"".join(mail.content for mail in sink.mails)

    play(tmp_path, sink, scene)
