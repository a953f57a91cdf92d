"""The console in a browser: keys, forms and policies have to agree there, and every page is for everybody."""

from __future__ import annotations

import shutil
from pathlib import Path

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, async_playwright

from tests.harness.sink import Mail, Sink
from tests.harness.staff import PASSWORD, account
from tests.harness.web import FORM, WEB, Site, play
from tests.harness.world import ROOT, rows

CHROMIUM = "/usr/bin/chromium"
SERIOUS = ("serious", "critical")
PAGES = ("tickets/", "tickets/?text=nothing", "review/", "outbox/", "outbox/?state=sent", "outbox/1/", "quarantine/",
         "quarantine/1/", "suppressions/", "examples/", "examples/import/", "rules/", "rules/0/edit/", "audit/",
         "users/")  # fmt: skip


async def submitted(site: Site, folder: Path, subject: str) -> str:
    """A ticket that waits for review: its tracking ID."""
    answer = await site.form("/submit/", FORM | {"subject": subject})
    ticket = answer.headers["location"].strip("/").rpartition("/")[2]
    sent = "select count(*) as n from outbox where ticket = ? and state = 'sent'"
    await site.settled(lambda: rows(folder, sent, ticket)[0]["n"] == 2)
    with site.app.engine.begin() as connection:
        connection.exec_driver_sql(
            "update tickets set needs_review = 1, category = 'Billing', department = 'General Support',"
            " address = 'general@helpdesk.example' where id = ?", (ticket,)
        )  # fmt: skip
    return ticket


async def sign_in(page: Page, base: str, email: str) -> None:
    await page.goto(f"{base}/admin/review/")
    assert "/sign-in/" in page.url
    await page.fill("#email", email)
    await page.fill("#password", "not the password")
    await page.click("button[type=submit]")
    assert "do not match" in await page.inner_text("#summary")
    await page.fill("#password", PASSWORD)
    await page.click("button[type=submit]")
    await page.wait_for_url("**/admin/review/")


async def judged(page: Page, key: str) -> None:
    """Press a key, and see the next page."""
    async with page.expect_navigation():
        await page.keyboard.press(key)


def moved_to(sink: Sink, address: str) -> list[Mail]:
    """The mails by which a department heard of a ticket that it has now."""
    return [mail for mail in sink.mails if mail.recipient == address and b"moved this ticket" in mail.content]


async def edit_a_rule(page: Page, base: str, folder: Path) -> None:
    """Another promise for a category: shown before it is saved, saved with comments and a copy."""
    await page.goto(f"{base}/admin/rules/")
    await page.locator("summary", has_text="Change Billing").first.click()
    await page.locator("details[open] input[name=sla_hours]").fill("6")
    await page.locator("details[open] button").click()
    await page.wait_for_url("**/category/")
    lines = await page.inner_text(".diff")
    assert "-sla_hours = 24" in lines
    assert "+sla_hours = 6" in lines
    assert "# " in (folder / "routing.toml").read_text()
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.wait_for_url("**/?done=saved")
    assert "The rules are saved" in await page.inner_text("[role=status]")


async def accessible(page: Page, name: str) -> list[str]:
    """What axe-core finds that keeps people out."""
    found = (await Axe().run(page)).response["violations"]
    return [f"{name}: {v['id']} {v['nodes'][0]['target']}" for v in found if v["impact"] in SERIOUS]


def test_people_review_correct_and_edit_rules(tmp_path: Path, sink: Sink) -> None:
    shutil.copy(ROOT / "rules" / "routing.toml", tmp_path / "routing.toml")
    before = (tmp_path / "routing.toml").read_text()

    async def scene(site: Site) -> None:
        base, complaints = str(site.client.base_url).rstrip("/"), list[str]()
        tickets = [await submitted(site, tmp_path, f"Number {n}") for n in range(3)]
        email = account(site)
        async with async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = await browser.new_page(viewport={"width": 1280, "height": 800})
            page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            await sign_in(page, base, email)
            complaints.clear()  # the refused password was answered with 422, which a browser logs
            assert tickets[0] in await page.inner_text("main")
            await judged(page, "Enter")  # accept
            assert tickets[0] in await page.inner_text("[role=status]")
            await judged(page, "5")  # it is something else
            await judged(page, "n")  # skip: the only one left comes again
            assert tickets[2] in await page.inner_text("main")
            kept = rows(tmp_path, "select category, department, needs_review from tickets order by created_at")
            assert [(t["category"], t["needs_review"]) for t in kept[:2]] == [("Billing", 0), ("Bug", 0)]
            await site.settled(lambda: moved_to(sink, "billing@helpdesk.example"))
            await site.settled(lambda: moved_to(sink, "engineering@helpdesk.example"))
            await judged(page, "o")
            await page.select_option("#category", "Technical")
            await page.get_by_role("button", name="Correct", exact=True).click()
            await page.wait_for_url("**/?done=corrected")
            await site.settled(lambda: moved_to(sink, "technical@helpdesk.example"))
            await page.click("text=With formatting")
            await edit_a_rule(page, base, tmp_path)
            # The daemon takes what was saved.
            await site.settled(lambda: site.app.desks.first.routing.categories["Billing"].sla_hours == 6)
            for width, scheme in ((390, "dark"), (1280, "light")):
                await page.set_viewport_size({"width": width, "height": 844})
                await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                for name in (*PAGES, f"tickets/{tickets[0]}/"):
                    await page.goto(f"{base}/admin/{name}")
                    assert await page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
                    complaints += await accessible(page, f"{name} {scheme}")
            await page.get_by_role("button", name="Sign out").click()
            await page.wait_for_url("**/sign-in/")
            complaints += await accessible(page, "sign-in")
            await browser.close()
        assert complaints == []
        assert (tmp_path / "routing.toml").read_text() == before.replace(
            '[category.Billing]\ndepartment = "Billing Team"\npriority = "Medium"\nsla_hours = 24',
            '[category.Billing]\ndepartment = "Billing Team"\npriority = "Medium"\nsla_hours = 6',
        )
        assert (tmp_path / "routing.toml.bak").read_text() == before

    play(tmp_path, sink, scene, WEB, mailbox='rules = "routing.toml"\n')
