"""The console of a running daemon: what people do there happens as by command, and only who may does it."""

from __future__ import annotations

import re
from email.message import EmailMessage
from pathlib import Path

import pytest

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.adapters.store.mail import holding
from tests.harness.sink import Sink
from tests.harness.staff import act, signed_in
from tests.harness.web import FORM, Site, play
from tests.harness.world import rows

SCRIPT = "<script>alert(1)</script>"
PAGES = ("/admin/tickets/", "/admin/review/", "/admin/outbox/", "/admin/outbox/?state=all", "/admin/quarantine/",
         "/admin/suppressions/", "/admin/audit/", "/admin/examples/", "/admin/examples/?state=all",
         "/admin/rules/")  # fmt: skip


async def opened(site: Site, folder: Path, **changes: str) -> str:
    """A ticket that came by the form and whose mails left: its tracking ID."""
    answer = await site.form("/submit/", FORM | changes)
    ticket = answer.headers["location"].strip("/").rpartition("/")[2]
    sent = "select count(*) as n from outbox where ticket = ? and state = 'sent'"
    await site.settled(lambda: rows(folder, sent, ticket)[0]["n"] == 2)
    return ticket


def test_a_ticket_is_found_read_corrected_closed_and_reopened(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        ticket = await opened(site, tmp_path)
        await opened(site, tmp_path, subject="Another thing")
        email = await signed_in(site, "agent")
        for query in (
            "text=black",
            f"text={ticket.lower()}",
            f"text={FORM['email']}",
            "status=open",
            "from=2020-01-01",
        ):
            assert ticket in (await site.client.get(f"/admin/tickets/?{query}")).text, query
        for query in ("text=nothing", "status=closed", "to=2020-01-01", "category=Nothing", "sla=missed"):
            assert ticket not in (await site.client.get(f"/admin/tickets/?{query}")).text, query
        here = f"/admin/tickets/{ticket}/"
        shown = (await site.client.get(here)).text
        assert FORM["description"] in shown
        before = rows(tmp_path, "select category, department from tickets where id = ?", ticket)[0]
        category = "Bug" if before["category"] != "Bug" else "Billing"
        answer = await act(site, f"{here}correct/", here, category=category)
        assert answer.headers["location"] == f"{here}?done=corrected"
        assert "The category is corrected" in (await site.client.get(answer.headers["location"])).text
        moved = rows(tmp_path, "select category, department, address from tickets where id = ?", ticket)[0]
        assert moved["category"] == category
        mails = await site.settled(lambda: [m for m in sink.mails if m.recipient == moved["address"]
                                            and b"moved this ticket" in m.content])  # fmt: skip
        assert mails[0].message["X-Helpdesk-Ticket"] == ticket
        (label,) = rows(tmp_path, "select category, source, actor from examples where ticket = ?", ticket)
        assert label == {"category": category, "source": "correction", "actor": email}
        await act(site, f"{here}close/", here)
        assert rows(tmp_path, "select state from tickets where id = ?", ticket)[0]["state"] == "closed"
        twice = await act(site, f"{here}close/", here)
        assert (twice.status_code, "closed already" in twice.text) == (409, True)
        await act(site, f"{here}reopen/", here)
        events = [r["event"] for r in rows(tmp_path, "select event from audit_log where actor = 'person' and ticket = ?"
                                           " order by seq", ticket)]  # fmt: skip
        assert events == ["ticket.corrected", "example.corrected", "ticket.closed", "ticket.reopened"]
        assert email in (await site.client.get(f"/admin/audit/?ticket={ticket}")).text
        by_person = (await site.client.get(f"/admin/audit/?address={email}&event=ticket.*")).text
        assert 'href="/admin/audit/?event=ticket.corrected"' in by_person
        assert 'href="/admin/audit/?event=ticket.decided"' not in by_person
        since = (await site.client.get("/admin/audit/?from=2020-01-01&event=ticket.*")).text
        assert 'href="/admin/audit/?event=ticket.decided"' in since
        for query in ("to=2020-01-01", "from=9000-01-01", "address=nobody@x.example", "event=nothing.*"):
            assert "No such lines" in (await site.client.get(f"/admin/audit/?{query}")).text, query

    play(tmp_path, sink, scene)


def test_a_ticket_moves_to_a_department_and_mail_leaves_once_more(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        ticket = await opened(site, tmp_path)
        await signed_in(site, "agent")
        here = f"/admin/tickets/{ticket}/"
        before = rows(tmp_path, "select category, department from tickets")[0]
        department = "Engineering" if before["department"] != "Engineering" else "Billing Team"
        assert (await act(site, f"{here}reroute/", here, department=department)).status_code == 303
        after = rows(tmp_path, "select category, department from tickets")[0]
        assert after == {"category": before["category"], "department": department}
        assert (await act(site, f"{here}reroute/", here, department=department)).status_code == 409
        assert (await act(site, f"{here}reroute/", here, department="Nobody")).status_code == 409
        for order in ("forward", "acknowledge"):
            assert (await act(site, f"{here}{order}/", here)).status_code == 303
        await site.settled(lambda: len(sink.mails) == 5)
        assert [m.recipient for m in sink.mails].count(FORM["email"]) == 2
        assert rows(tmp_path, "select id from examples where ticket <> ''") == []
        assert (await act(site, f"{here}explode/", here)).status_code == 404

    play(tmp_path, sink, scene)


def test_every_role_may_what_it_may_and_no_more(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        ticket = await opened(site, tmp_path)
        here = f"/admin/tickets/{ticket}/"
        everything = [*PAGES, here, "/admin/outbox/1/", "/admin/quarantine/1/"]
        for path in [*everything, "/admin/users/", f"{here}messages/1/", f"{here}messages/1/original/",
                     f"{here}messages/1/files/0/"]:  # fmt: skip
            refused = await site.client.get(path)
            assert (refused.status_code, refused.headers["location"][:9]) == (303, "/sign-in/"), path
        agents = [(f"{here}close/", {}), (f"{here}correct/", {"category": "Bug"}), (f"{here}reroute/", {}),
                  (f"{here}forward/", {}), ("/admin/review/", {"ticket": ticket, "category": "Bug"}),
                  ("/admin/examples/add/", {"body": "x"}), ("/admin/examples/withdraw/", {"id": "1"})]  # fmt: skip
        admins = [("/admin/outbox/hold/", {"reason": "x"}), ("/admin/outbox/release/", {}),
                  ("/admin/outbox/drop/", {"id": "1"}), ("/admin/quarantine/retry/", {"id": "1"}),
                  ("/admin/suppressions/release/", {"email": "x"}), ("/admin/users/add/", {}),
                  ("/admin/examples/import/", {}), ("/admin/rules/0/save/", {"text": "x"}),
                  ("/admin/rules/0/category/", {"name": "Billing"})]  # fmt: skip
        for role, barred in (("viewer", agents + admins), ("agent", admins)):
            await signed_in(site, role)
            for path in everything:
                assert (await site.client.get(path)).status_code == 200, (role, path)
            for path in ("/admin/users/", "/admin/rules/0/edit/", "/admin/examples/import/"):
                assert (await site.client.get(path)).status_code == 403
            for path, values in barred:
                refused = await act(site, path, **values)
                assert (refused.status_code, "Not for you" in refused.text) == (403, True), (role, path)
        assert rows(tmp_path, "select state from tickets")[0]["state"] == "open"
        assert rows(tmp_path, "select id from breakers") == []

    play(tmp_path, sink, scene)


def test_no_form_of_another_site_does_anything(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        ticket = await opened(site, tmp_path)
        await signed_in(site)
        paths = [f"/admin/tickets/{ticket}/close/", "/admin/review/", "/admin/outbox/hold/", "/admin/outbox/retry/",
                 "/admin/quarantine/retry/", "/admin/suppressions/release/", "/admin/users/add/",
                 "/admin/users/remove/", "/admin/rules/0/save/", "/admin/examples/withdraw/",
                 "/admin/examples/import/"]  # fmt: skip
        before = rows(tmp_path, "select max(seq) as n from audit_log")
        for path in paths:
            for data, headers in (({}, {}), ({"csrf": "x" * 43}, {}), ({}, {"Origin": "https://evil.example"})):
                refused = await site.client.post(path, data=data, headers=headers)
                assert refused.status_code == 403, path
        assert rows(tmp_path, "select max(seq) as n from audit_log") == before

    play(tmp_path, sink, scene)


def test_the_outbox_is_held_released_dropped_and_tried_again(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        email = await signed_in(site)
        await act(site, "/admin/outbox/hold/", "/admin/outbox/", reason="a flood")
        shown = (await site.client.get("/admin/outbox/")).text
        assert "Outgoing mail is held" in shown
        assert "a flood" in shown
        await site.form("/submit/", FORM)
        await site.settled(lambda: len(rows(tmp_path, "select id from outbox where state = 'pending'")) == 2)
        waiting = {r["kind"]: str(r["id"]) for r in rows(tmp_path, "select id, kind from outbox")}
        assert FORM["email"] in (await site.client.get("/admin/outbox/?state=waiting")).text
        mail = await site.client.get(f"/admin/outbox/{waiting['acknowledgement']}/")
        assert "Auto-Submitted" in mail.text
        await act(site, "/admin/outbox/drop/", "/admin/outbox/", id=waiting["acknowledgement"])
        assert sink.mails == []
        await act(site, "/admin/outbox/release/", "/admin/outbox/")
        await site.settled(lambda: len(sink.mails) == 1)
        nothing = await act(site, "/admin/outbox/retry/", "/admin/outbox/", id=waiting["forward"])
        assert nothing.headers["location"].endswith("done=nothing"), "what left does not leave again"
        none = await act(site, "/admin/outbox/retry/", "/admin/outbox/")
        assert none.headers["location"].endswith("done=nothing"), "nothing chosen is not everything"
        log = rows(tmp_path, "select d.detail from audit_log a join audit_detail d on d.seq = a.seq"
                   " where a.event in ('breaker.opened', 'outgoing.dropped', 'breaker.released')")  # fmt: skip
        assert [email in line["detail"] for line in log] == [True] * 3

    play(tmp_path, sink, scene)


def test_quarantine_and_suppressions_are_shown_and_ended(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        await opened(site, tmp_path)
        await signed_in(site)
        with site.app.engine.begin() as connection:
            connection.exec_driver_sql("update arrivals set state = 'quarantined', reason = 'it broke', ticket = null")
            connection.exec_driver_sql(
                "insert into suppressions (email, reason, at) values ('zoe@x.example', '550', '2026-01-01T00:00Z')"
            )
        assert "it broke" in (await site.client.get("/admin/quarantine/")).text
        assert FORM["description"] in (await site.client.get("/admin/quarantine/1/")).text
        await act(site, "/admin/quarantine/retry/", "/admin/quarantine/", id="1")
        await site.settled(
            lambda: rows(tmp_path, "select 1 from arrivals where state in ('ticket', 'ignored', 'reply')")
        )
        assert "zoe@x.example" in (await site.client.get("/admin/suppressions/")).text
        await act(site, "/admin/suppressions/release/", "/admin/suppressions/", email="zoe@x.example")
        assert "zoe@x.example" not in (await site.client.get("/admin/suppressions/")).text

    play(tmp_path, sink, scene)


def test_users_are_made_changed_and_ended_by_an_administrator(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        ada = await signed_in(site)
        new = {"email": "Ben@X.example", "role": "viewer", "password": "another long password"}
        assert (await act(site, "/admin/users/add/", "/admin/users/", **new)).status_code == 303
        again = await act(site, "/admin/users/add/", "/admin/users/", **new)
        assert (again.status_code, "already" in again.text) == (409, True)
        short = await act(site, "/admin/users/password/", "/admin/users/", email="ben@x.example", password="short")
        assert (short.status_code, "12 characters" in short.text, "short" in short.text) == (409, True, False)
        await act(site, "/admin/users/role/", "/admin/users/", email="ben@x.example", role="agent")
        assert rows(tmp_path, "select role from users where email = 'ben@x.example'") == [{"role": "agent"}]
        last = await act(site, "/admin/users/remove/", "/admin/users/", email=ada)
        assert (last.status_code, "last administrator" in last.text) == (409, True)
        await act(site, "/admin/users/remove/", "/admin/users/", email="ben@x.example")
        assert [r["email"] for r in rows(tmp_path, "select email from users")] == [ada]

    play(tmp_path, sink, scene)


def hostile() -> bytes:
    """A mail whose every field carries script."""
    mail = EmailMessage()
    mail["From"] = f'"{SCRIPT}" <eve@customer.example>'
    mail["To"] = "support@helpdesk.example"
    mail["Subject"] = f"{SCRIPT} \"onmouseover='alert(1)'"
    mail["Message-ID"] = "<1@customer.example>"
    mail["X-Odd"] = SCRIPT
    mail.set_content(f"{SCRIPT}\n{{{{ 7 * 7 }}}}\n")
    mail.add_alternative(
        f'<p onclick="alert(1)">{SCRIPT}<a href="javascript:alert(1)">x</a><img src="https://evil.example/p.png">'
        '<svg onload="alert(1)"></svg><iframe src="https://evil.example/"></iframe></p>', subtype="html"
    )  # fmt: skip
    mail.add_attachment(b"x", maintype="text", subtype="html", filename=f"{SCRIPT}.html")
    return mail.as_bytes()


def test_a_mail_whose_every_field_is_script_is_text_on_every_page(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        deliver(tmp_path / "inbox", hostile())
        (found,) = await site.settled(lambda: rows(tmp_path, "select id from tickets where state = 'open'"))
        await signed_in(site)
        with site.app.engine.begin() as connection:
            connection.exec_driver_sql("update tickets set needs_review = 1")
            connection.exec_driver_sql("update outbox set state = 'failed', last_reply = ?", (SCRIPT,))
            connection.exec_driver_sql(
                "insert into suppressions (email, reason, at) values (?, ?, '2026-01-01T00:00:00.000Z')",
                (SCRIPT, SCRIPT),
            )
            connection.exec_driver_sql(
                "update arrivals set state = 'quarantined', reason = ?, last_error = ?", (SCRIPT, SCRIPT)
            )
            connection.exec_driver_sql("update examples set text = ?, actor = ? where id > 1220", (SCRIPT, SCRIPT))
        here = f"/admin/tickets/{found['id']}/"
        paths = [
            *PAGES, here, "/admin/outbox/1/", "/admin/outbox/2/", "/admin/quarantine/1/",
            f"/admin/tickets/?text={SCRIPT}&status={SCRIPT}&from={SCRIPT}",
            f"/admin/audit/?event={SCRIPT}&ticket={SCRIPT}",
        ]  # fmt: skip
        shown = ""
        for path in paths:
            page = await site.client.get(path)
            assert page.status_code == 200, path
            assert SCRIPT not in page.text, path
            assert not re.search(r"<[^>]*\son\w+=", page.text), path
            assert "style=" not in page.text, path
            assert page.headers["content-security-policy"].startswith("default-src 'none'")
            shown += page.text
        assert shown.count("&lt;script&gt;") > 15, "it is shown, as text"
        frame = await site.client.get(f"{here}messages/1/")
        for active in ("<script", "onclick", "onload", "javascript:", "<img", "<iframe", "<svg", "evil.example"):
            assert active not in frame.text, active
        assert frame.headers["content-security-policy"].startswith("sandbox ")
        assert "allow-scripts" not in frame.headers["content-security-policy"]
        saved = await site.client.get(f"{here}messages/1/original/")
        assert saved.headers["content-disposition"].startswith("attachment")
        file = await site.client.get(f"{here}messages/1/files/0/")
        assert (file.content, file.headers["content-type"]) == (b"x", "application/octet-stream")
        assert file.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
        assert file.headers["content-security-policy"] == "sandbox"
        for path in (f"{here}messages/1/files/1/", "/admin/tickets/HD-00000000/messages/1/",
                     "/admin/tickets/HD-00000000/messages/1/files/0/"):  # fmt: skip
            assert (await site.client.get(path)).status_code == 404

    play(tmp_path, sink, scene)


def test_review_goes_from_one_ticket_to_the_next(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        first = await opened(site, tmp_path, subject="First")
        second = await opened(site, tmp_path, subject="Second")
        await signed_in(site, "agent")
        with site.app.engine.begin() as connection:
            connection.exec_driver_sql("update tickets set needs_review = 1, category = 'Billing'")
        shown = (await site.client.get("/admin/review/")).text
        assert first in shown
        assert "2 tickets wait" in shown
        assert second in (await site.client.get(f"/admin/review/?after={first}")).text
        assert first in (await site.client.get(f"/admin/review/?after={second}")).text, "what was skipped comes again"
        answer = await act(site, "/admin/review/", "/admin/review/", ticket=first, category="Billing")
        following = (await site.client.get(answer.headers["location"])).text
        assert second in following
        assert "1 ticket waits" in following
        (kept,) = rows(tmp_path, "select needs_review, department from tickets where id = ?", first)
        assert kept == {"needs_review": 0, "department": "Billing Team"}
        gone = await act(site, "/admin/review/", "/admin/review/", ticket="HD-00000000", category="Billing")
        assert gone.headers["location"] == "/admin/review/"
        await act(site, "/admin/review/", "/admin/review/", ticket=second, category="Bug")
        assert "Nothing to review" in (await site.client.get("/admin/review/")).text

    play(tmp_path, sink, scene)


ODD = [
    "/admin/tickets/HD-!/", "/admin/tickets/?cursor=%00", "/admin/tickets/?from=9999-99-99", "/admin/outbox/0/",
    "/admin/outbox/99999999999999999999999/", "/admin/audit/?before=-1", "/admin/tickets/?to=9999-12-31",
    "/admin/tickets/?review=x&sla=y&status=z", "/admin/tickets/?from=0001-01-01T00:00%2B14:00&to=9998-12-31",
    "/admin/audit/?from=0001-01-01T00:00%2B14:00&to=9998-12-31", "/admin/audit/?event=%25&address=%25&ticket=x",
]  # fmt: skip


@pytest.mark.parametrize("path", ODD)
def test_odd_addresses_are_answered_in_peace(tmp_path: Path, sink: Sink, path: str) -> None:
    async def scene(site: Site) -> None:
        await signed_in(site, "viewer")
        assert (await site.client.get(path)).status_code in (200, 404, 422)

    play(tmp_path, sink, scene)


def test_an_open_breaker_shows_on_the_page(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        holding.open_breaker(site.app.engine, SystemClock(), SCRIPT)
        await signed_in(site, "viewer")
        shown = (await site.client.get("/admin/outbox/")).text
        assert "Outgoing mail is held" in shown
        assert SCRIPT not in shown
        assert 'action="/admin/outbox/release/"' not in shown, "a viewer gets no button that would be refused"

    play(tmp_path, sink, scene)
