"""The pages of a running daemon, as customers and as people who wish them ill use them."""

from __future__ import annotations

import quopri
import re
from pathlib import Path

import httpx2
import pytest

from helpdesk_daemon.tickets.tracking import Party
from tests.harness.sink import Sink
from tests.harness.web import FORM, WEB, Site, play
from tests.harness.world import rows

HOME = WEB + 'base_url = "http://help.example"\n'
ADA = FORM["email"]
SCRIPT = "<script>alert(1)</script>"


async def opened(site: Site, folder: Path, **changes: str) -> str:
    """A ticket that came by the form: its tracking ID."""
    before = {r["id"] for r in rows(folder, "select id from tickets")}
    answer = await site.form("/submit/", FORM | changes)
    assert answer.status_code == 303, answer.text
    named = answer.headers["location"].strip("/").rpartition("/")[2]
    found = await site.settled(
        lambda: [r["id"] for r in rows(folder, "select id from tickets") if r["id"] not in before]
    )
    assert found == [named]
    return named


def test_a_form_with_a_file_becomes_a_ticket(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        files = [("files", ("../../screen shot.png", b"\x89PNG picture", "text/html"))]
        answer = await site.form("/submit/", FORM, files)
        shown = await site.client.get(answer.headers["location"])
        ticket = answer.headers["location"].strip("/").rpartition("/")[2]
        assert ticket in shown.text
        mails = await site.settled(lambda: len(sink.mails) == 2 and sink.mails)
        acknowledged = next(m for m in mails if m.recipient == ADA)
        assert acknowledged.sender == ""
        assert ticket in str(acknowledged.message["Subject"])
        link = f"http://help.example/track/{site.app.signer.link(ticket)}/"
        assert link in quopri.decodestring(acknowledged.content).decode()
        forward = next(m for m in mails if m.recipient != ADA)
        assert forward.message["X-Helpdesk-Ticket"] == ticket
        attached = next(part for part in forward.message.walk() if part.get_filename())
        assert attached.get_content_type() == "image/png", "the name tells what it is, not the browser"
        assert "/" not in str(attached.get_filename())
        assert attached.get_payload(decode=True) == b"\x89PNG picture"

    play(tmp_path, sink, scene, HOME)


def test_a_form_sent_twice_is_one_ticket(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        page = await site.client.get("/submit/")
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        parts = [(name, (None, value)) for name, value in {**hidden, **FORM}.items()]
        first, second = [await site.client.post("/submit/", files=parts) for _ in range(2)]
        assert first.headers["location"] == second.headers["location"]
        assert len(rows(tmp_path, "select id from arrivals")) == 1

    play(tmp_path, sink, scene)


def test_what_is_missing_is_said_and_what_was_typed_is_kept(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        answer = await site.form("/submit/", FORM | {"email": "ada@", "name": f'"{SCRIPT}'})
        assert answer.status_code == 422
        assert "Please enter an address" in answer.text
        assert FORM["description"] in answer.text
        assert SCRIPT not in answer.text
        big = await site.form("/submit/", FORM, [("files", ("big.bin", b"x" * 1_500_000))])
        assert (big.status_code, "1 MB" in big.text) == (422, True)
        huge = await site.form("/submit/", FORM, [("files", ("big.bin", b"x" * 2_500_000))])
        assert huge.status_code == 413
        assert rows(tmp_path, "select id from arrivals") == []

    play(tmp_path, sink, scene, WEB + "attachments_mb = 1\n")


def test_forms_of_programs_and_of_other_sites_bring_nothing(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        trapped = await site.form("/submit/", FORM | {"website": "http://spam.example"})
        assert trapped.status_code == 303, "it is told what a person is told"
        bare = await site.client.post("/submit/", data=FORM)
        assert bare.status_code == 403
        page = await site.client.get("/submit/")
        token = re.findall(r'name="csrf" value="([^"]*)"', page.text)[0]
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            foreign = await site.client.post("/submit/", data=FORM | {"csrf": token}, headers=headers)
            assert foreign.status_code == 403
        site.client.cookies.clear()
        assert (await site.client.post("/submit/", data=FORM | {"csrf": token})).status_code == 403
        assert rows(tmp_path, "select id from arrivals") == []

    play(tmp_path, sink, scene)


def test_forms_are_limited_by_address(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        answers = [await site.form("/submit/", FORM) for _ in range(3)]
        assert [a.status_code for a in answers] == [303, 303, 429]
        assert "Too many requests" in answers[2].text

    play(tmp_path, sink, scene, WEB.replace("submissions_hourly = 1000", "submissions_hourly = 2"))


def test_what_a_stranger_types_is_never_more_than_a_new_ticket(tmp_path: Path, sink: Sink) -> None:
    """Anybody can type anybody's address, so neither a tracking ID nor words of machines mean anything in a form."""

    async def scene(site: Site) -> None:
        first = await opened(site, tmp_path)
        second = await opened(site, tmp_path, subject=f"[{first}] let me in", description="Show me.")
        assert second != first
        assert rows(tmp_path, "select linked_to from tickets where id = ?", second) == [{"linked_to": first}]
        third = await opened(site, tmp_path, subject="Automatic reply: out of office", description="Why do I get this?")
        assert third
        answer = await site.form("/submit/", FORM | {"email": "support@helpdesk.example"})
        assert answer.status_code == 303
        ended = await site.settled(lambda: rows(tmp_path, "select reason from arrivals where state = 'ignored'"))
        assert "our own address" in ended[0]["reason"]

    play(tmp_path, sink, scene)


async def ask(site: Site, ticket: str, email: str) -> httpx2.Response:
    return await site.form("/track/", {"ticket": ticket, "email": email})


def test_a_link_is_mailed_to_who_takes_part_and_nobody_can_tell_who_does(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        ticket = await opened(site, tmp_path)
        answers = [
            await ask(site, *asked)
            for asked in (
                ("HD-00000000", ADA),
                (ticket, "eve@customer.example"),
                ("nonsense", "nonsense"),
                (ticket.lower(), ADA.upper()),
            )
        ]
        assert {a.status_code for a in answers} == {200}
        assert len({re.sub(r'name="csrf" value="[^"]*"', "", a.text) for a in answers}) == 1
        mail = (await site.settled(lambda: [m for m in sink.mails if "link" in str(m.message["Subject"])]))[0]
        assert mail.recipient == ADA
        assert mail.message["Auto-Submitted"] == "auto-generated"
        body = mail.message.get_payload(decode=True)
        assert isinstance(body, bytes)
        path = re.search(r"http://help\.example(/track/once/\S+/)", body.decode())
        assert path, body
        looked = await site.client.get(path[1])
        assert looked.status_code == 200, "a program that looks at links uses none up"
        entered = await site.form(path[1], {})
        assert entered.headers["location"] == f"/track/{ticket}/"
        seen = await site.client.get(f"/track/{ticket}/")
        assert FORM["description"] in seen.text
        again = await site.form(path[1], {})
        assert again.status_code == 410
        assert rows(tmp_path, "select count(*) as n from outbox where kind = 'link'") == [{"n": 1}]
        for _ in range(4):
            await ask(site, ticket, ADA)
        await site.settled(lambda: rows(tmp_path, "select count(*) as n from outbox where kind = 'link'")[0]["n"] == 3)

    play(tmp_path, sink, scene, HOME)


def test_a_ticket_is_shown_to_nobody_else(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        mine = await opened(site, tmp_path)
        other = await opened(site, tmp_path, email="eve@customer.example", description="A secret of Eve.")
        link = site.app.signer.link(mine)
        assert (await site.client.get(f"/track/{link}/")).headers["location"] == f"/track/{mine}/"
        assert (await site.client.get(f"/track/{mine}/")).status_code == 200
        forged = link.replace(mine, other)
        reply = site.app.signer.token(other, Party.CUSTOMER)
        guesses = [
            other,
            "HD-00000000",
            forged,
            reply,
            f"{mine}/../{other}",
            "x" * 5000,
            "%00",
            "HD-%0d%0aSet-Cookie:a",
        ]
        for guess in guesses:
            answer = await site.client.get(f"/track/{guess}/")
            assert (answer.status_code, answer.headers.get("location")) in ((303, "/track/"), (404, None)), guess
            assert "secret of Eve" not in answer.text
        sent = await site.form(f"/track/{other}/", {"text": "Let me in"}, page="/track/")
        assert sent.headers["location"] == "/track/"
        cookie = site.client.cookies["hd_ticket"]
        site.client.cookies.set("hd_ticket", cookie.replace(mine, other), path="/track/")
        assert (await site.client.get(f"/track/{other}/", headers={"Cookie": f"hd_ticket={cookie.replace(mine, other)}"}
                                      )).status_code == 303  # fmt: skip
        assert len(rows(tmp_path, "select id from arrivals")) == 2

    play(tmp_path, sink, scene)


def answer_of_agent(site: Site, ticket: str, words: str, extra: str = "") -> bytes:
    token = site.app.signer.token(ticket, Party.AGENT)
    return (
        f"From: Jo <jo@helpdesk.example>\r\nTo: support+{token}@helpdesk.example\r\nMessage-ID: <{words[:5]}@x>\r\n"
        f"Subject: Re: {ticket}\r\n{extra}\r\n{words}\r\n"
    ).encode()


def test_a_conversation_is_shown_without_what_stays_inside(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        ticket = await opened(
            site, tmp_path, name=f"Ada {SCRIPT}", subject=SCRIPT, description=f"It is {SCRIPT} black."
        )
        new = tmp_path / "inbox" / "new"
        (new / "1").write_bytes(answer_of_agent(site, ticket, "Restart it, says jo@helpdesk.example."))
        (new / "2").write_bytes(
            answer_of_agent(site, ticket, "Secret words of a stranger.").replace(
                b"jo@helpdesk.example", b"eve@x.example", 1
            )
        )
        site.app.ingests[0].wake()
        await site.settled(lambda: len(rows(tmp_path, "select id from messages")) == 3)
        await site.client.get(f"/track/{site.app.signer.link(ticket)}/")
        page = await site.client.get(f"/track/{ticket}/")
        assert "Restart it" in page.text
        assert "jo@helpdesk.example" not in page.text
        assert "Secret words" not in page.text
        assert SCRIPT not in page.text
        assert "It is &lt;script&gt;" in page.text
        assert "with the team" in page.text.lower()
        sent = await site.form(f"/track/{ticket}/", {"text": "That helped."})
        assert sent.status_code == 303
        await site.settled(lambda: rows(tmp_path, "select 1 from messages where kind = 'reply'"))
        again = await site.client.get(f"/track/{ticket}/")
        assert "That helped." in again.text
        assert len(rows(tmp_path, "select id from tickets")) == 1
        follow_up = await site.settled(lambda: [m for m in sink.mails if b"That helped." in m.content])
        assert follow_up[0].message["X-Helpdesk-Ticket"] == ticket

    for part in ("new", "cur", "tmp"):
        (tmp_path / "inbox" / part).mkdir(parents=True)
    play(tmp_path, sink, scene)


HOSTILE = """<p onclick="x()">Hello <b>bold</b></p><script>alert(1)</script><img src="http://spy.example/a.png">
<iframe src="http://spy.example"></iframe><a href="javascript:x()">a</a><style>body{background:url(http://spy.example)}</style>
<form action="http://spy.example"><input></form><svg onload=x()></svg><meta http-equiv=refresh content="0;url=http://spy.example">"""


def test_html_of_a_mail_is_shown_in_a_frame_where_nothing_runs_or_loads(tmp_path: Path, sink: Sink) -> None:
    async def scene(site: Site) -> None:
        site.app.ingests[0].wake()
        ticket = (await site.settled(lambda: rows(tmp_path, "select id from tickets")))[0]["id"]
        path = f"/track/{ticket}/messages/1/"
        assert (await site.client.get(path)).status_code == 404
        await site.client.get(f"/track/{site.app.signer.link(ticket)}/")
        frame = await site.client.get(path)
        assert "<b>bold</b>" in frame.text
        for evil in ("spy.example", "script", "onclick", "onload", "<form", "<img", "<style", "<svg"):
            assert evil not in frame.text, evil
        policy = frame.headers["content-security-policy"]
        assert policy.startswith("sandbox")
        assert "default-src 'none'" in policy
        assert "allow-scripts" not in policy

    for part in ("new", "cur", "tmp"):
        (tmp_path / "inbox" / part).mkdir(parents=True)
    html = "From: Ada <ada@customer.example>\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n"
    (tmp_path / "inbox" / "new" / "1").write_bytes((html + HOSTILE).encode())
    play(tmp_path, sink, scene)


@pytest.mark.parametrize("path", ["/submit/", "/track/", "/nothing", "/api/docs", "/static/style.css", "/api/tickets/"])
def test_every_answer_keeps_browsers_strict(tmp_path: Path, sink: Sink, path: str) -> None:
    async def scene(site: Site) -> None:
        answer = await site.client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "server" not in answer.headers
        assert "style=" not in answer.text
        assert not re.search(r"<script(?! src=\"/static/)", answer.text)
        for place in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py"):
            assert (await site.client.get(place)).status_code == 404

    play(tmp_path, sink, scene)
