"""Strangers who try to get in, to be mailed for, or to act in what people see: refused or neutralised, and logged."""

from __future__ import annotations

import base64
import re
import sqlite3
from collections import Counter
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.mail.parse import parse
from tests.harness.sink import Mail, Sink
from tests.harness.world import ROOT, rows, write_settings
from tests.integration.conftest import once

CUSTOMER, AGENT, MALLORY = "ann@customer.example.net", "kim@helpdesk.example", "mallory@evil.example.org"
SUPPORT = "support@helpdesk.example"
OPERATOR, TRIAGE = "operator@helpdesk.example", "sorting@helpdesk.example"
AUTHSERV = "mx.helpdesk.example"
numbers = count(1)


def raw(
    sender: str, to: str = SUPPORT, subject: str = "Printer", text: str = "It does not print.", extra: str = "",
    message_id: str = "",
) -> bytes:  # fmt: skip
    number = next(numbers)
    identifier = message_id or f"<f{number}@odd.example>"
    head = f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: {identifier}\r\n{extra}"
    return f"{head}\r\n{text} ({number})\r\n".encode("utf-8", "surrogateescape")


class Desk:
    """A daemon that has one ticket of a customer."""

    def __init__(self, folder: Path, sink: Sink, limits: str = "") -> None:
        self.folder, self.sink = folder, sink
        rules = (ROOT / "rules" / "routing.toml").read_text().replace("target_precision = 0.80", "min_confidence = 0.0")
        rules = rules.replace('[triage]\ndepartment = "General Support"', '[triage]\ndepartment = "Sorting"')
        (folder / "routing.toml").write_text(
            f'{rules}[department.Sorting]\naddress = "{TRIAGE}"\n'
            '[[rule]]\nname = "all"\nwhen = { recipient = ["*"] }\nset = { department = "Technical Support" }\n'
        )
        self.settings = write_settings(folder, "maildir:inbox", sink.port, limits=limits, more='rules = "routing.toml"')
        text = self.settings.read_text()
        self.settings.write_text(text.replace("[smtp]\n", f'[screening]\nauthserv_id = "{AUTHSERV}"\n[smtp]\n'))
        self.receive(raw(f"Ann <{CUSTOMER}>", message_id="<first@customer.example.net>"))
        sent = {m.message["Auto-Submitted"]: m for m in sink.mails}
        self.forward, self.acknowledgement = sent["auto-generated"], sent["auto-replied"]
        self.ticket = str(self.forward.message["X-Helpdesk-Ticket"])
        self.department = self.forward.recipient
        self.agent_token = str(self.forward.message["Reply-To"])
        self.customer_token = str(self.acknowledgement.message["Reply-To"])

    def receive(self, *mails: bytes) -> list[Mail]:
        """Put mails in, drain the daemon; what it sent."""
        for mail in mails:
            deliver(self.folder / "inbox", mail)
        before = len(self.sink.mails)
        once(self.settings)
        return self.sink.mails[before:]

    def ended(self) -> dict[str, Any]:
        """Where the latest mail ended."""
        (row,) = rows(self.folder, "select state, reason, ticket from arrivals order by id desc limit 1")
        assert row["reason"]
        (line,) = rows(self.folder, "select detail from v_audit where event = 'message.settled' limit 1")
        assert row["reason"][:20] in line["detail"], "the log says so"
        return row

    def tickets(self) -> list[dict[str, Any]]:
        return rows(self.folder, "select id, linked_to, requester_email, needs_review from tickets order by rowid")

    def participants(self, ticket: str = "") -> set[str]:
        found = rows(self.folder, "select email from participants where ticket = ?", ticket or self.ticket)
        return {r["email"] for r in found}


@pytest.fixture
def desk(tmp_path: Path, sink: Sink) -> Desk:
    return Desk(tmp_path, sink)


def to_whom(sent: list[Mail]) -> set[str]:
    return {m.recipient for m in sent}


# --- getting in ----------------------------------------------------------------------------------


def test_a_tracking_id_from_a_stranger_opens_a_linked_ticket(desk: Desk) -> None:
    sent = desk.receive(raw(MALLORY, subject=f"Re: [{desk.ticket}] tell me all"))
    assert desk.ended()["ticket"] != desk.ticket
    assert desk.tickets()[1]["linked_to"] == desk.ticket
    assert CUSTOMER not in to_whom(sent)
    assert desk.participants() == {CUSTOMER}


@pytest.mark.parametrize("how", ["random", "truncated", "other ticket", "other side", "letter"])
def test_a_forged_token_opens_a_ticket_of_its_own(desk: Desk, how: str) -> None:
    local, _, domain = desk.customer_token.partition("@")
    tag = local[-16:]
    forged = {
        "random": local[:-16] + "0123456789abcdef",
        "truncated": local[:-1],
        "other ticket": local.replace(desk.ticket, "HD-00000000"),
        "other side": local.replace("-c-", "-a-"),
        "letter": local[:-1] + ("0" if tag[-1] != "0" else "1"),
    }[how]
    desk.receive(raw(MALLORY, to=f"{forged}@{domain}"))
    assert desk.ended()["ticket"] not in ("", desk.ticket)
    assert desk.participants() == {CUSTOMER}


def test_a_token_of_another_ticket_leads_there_and_nowhere_else(desk: Desk) -> None:
    sent = desk.receive(raw(MALLORY, subject="Mine"))
    token = next(str(m.message["Reply-To"]) for m in sent if m.recipient == MALLORY)
    desk.receive(
        raw(MALLORY, to=token, subject=f"[{desk.ticket}]", extra="In-Reply-To: <first@customer.example.net>\r\n")
    )
    assert desk.ended()["ticket"] == desk.tickets()[1]["id"] != desk.ticket


def test_the_customers_token_from_another_address_is_shown_as_such_and_gets_no_answers(desk: Desk) -> None:
    (shown,) = desk.receive(raw(f"Ann <{MALLORY}>", to=desk.customer_token, text="Send me the password."))
    assert shown.recipient == desk.department
    assert f"{MALLORY} has not taken part" in body(shown)
    assert desk.participants() == {CUSTOMER}
    (line,) = rows(desk.folder, "select detail from v_audit where event = 'reply.received'")
    assert '"takes_part": false' in line["detail"]
    answers = desk.receive(raw(AGENT, to=desk.agent_token, text="The password is in your drawer."))
    assert to_whom(answers) == {CUSTOMER}


def test_a_customer_may_bring_somebody_in(desk: Desk) -> None:
    desk.receive(raw(CUSTOMER, to=desk.customer_token, extra="Cc: bob@customer.example.net\r\n"))
    assert desk.participants() == {CUSTOMER, "bob@customer.example.net"}
    answers = desk.receive(raw(AGENT, to=desk.agent_token, text="Done."))
    assert to_whom(answers) == {CUSTOMER, "bob@customer.example.net"}


def test_a_forged_customer_brings_nobody_in(desk: Desk) -> None:
    extra = f"Cc: {MALLORY}\r\nIn-Reply-To: <first@customer.example.net>\r\n"
    desk.receive(raw(CUSTOMER, extra=extra, subject=f"[{desk.ticket}]"))
    assert desk.ended()["ticket"] == desk.ticket
    assert desk.participants() == {CUSTOMER}


@pytest.mark.parametrize("sender", [CUSTOMER, MALLORY])
def test_the_agents_token_of_no_agent_is_held_and_shown(desk: Desk, sender: str) -> None:
    (shown,) = desk.receive(raw(sender, to=desk.agent_token, text="Dear Ann, your account is closed."))
    assert shown.recipient == desk.department
    assert "is not an agent" in body(shown)
    assert desk.ended()["reason"].startswith("held: ")


FAILS = f"Authentication-Results: {AUTHSERV}; dmarc=fail\r\n"
UNSURE = {
    "fails DMARC": ("From: kim@helpdesk.example\r\n" + FAILS, "it fails DMARC"),
    "two From fields": (f"From: {AGENT}\r\nFrom: {MALLORY}\r\n", "several senders"),
    "two in one From": (f"From: {AGENT}, {MALLORY}\r\nSender: {MALLORY}\r\n", "several senders"),
    "no From, but Reply-To": (f"Reply-To: {AGENT}\r\n", "names no sender"),
    "no From, but Sender": (f"Sender: {AGENT}\r\n", "names no sender"),
    "address in the name": (f'From: "{AGENT}" <{MALLORY}>\r\n', "is not an agent"),
    "address in an encoded name": (
        f"From: =?utf-8?q?{AGENT.replace('@', '=40')}_=3C{AGENT.replace('@', '=40')}=3E?= <{MALLORY}>\r\n",
        "is not an agent",
    ),
    "group": (f"From: {AGENT}: {MALLORY};\r\n", "is not an agent"),
    "Cyrillic look-alike": ("From: kim@h\u0435lpdesk.example\r\n", "is not an agent"),
    "Kelvin sign": ("From: \u212aim@helpdesk.example\r\n", "is not an agent"),
    "comment": (f"From: {MALLORY} ({AGENT})\r\n", "is not an agent"),
    "subdomain": ("From: kim@helpdesk.example.evil.org\r\n", "is not an agent"),
    "suffix": ("From: kim@nothelpdesk.example\r\n", "is not an agent"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNSURE)
def test_who_only_looks_like_an_agent_is_not_relayed(desk: Desk, case: str) -> None:
    head, reason = UNSURE[case]
    text = f"{head}To: {desk.agent_token}\r\nSubject: Re\r\nMessage-ID: <u{next(numbers)}@x>\r\n\r\nPay here.\r\n"
    sent = desk.receive(text.encode())
    if case == "Kelvin sign":  # its domain is an agents' one, and whoever may use a domain may use any name in it
        assert to_whom(sent) <= {desk.department, CUSTOMER}
        return
    assert to_whom(sent) == {desk.department}, case
    assert reason in desk.ended()["reason"]


@pytest.mark.parametrize(
    "extra",
    [
        "In-Reply-To: <first@customer.example.net>\r\n",
        "References: <x@y> <first@customer.example.net>\r\n",
        "In-Reply-To: {forged}\r\nReferences: {forged}\r\n",
    ],
    ids=["in-reply-to", "references", "unsigned id of ours"],
)
def test_forged_references_open_a_ticket_of_its_own(desk: Desk, extra: str) -> None:
    ours = str(desk.forward.message["Message-ID"])
    forged = re.sub(r"\.[0-9a-z]{16}@", ".0123456789abcdef@", ours)
    desk.receive(raw(MALLORY, extra=extra.format(forged=forged)))
    assert desk.ended()["ticket"] not in ("", desk.ticket)
    assert desk.participants() == {CUSTOMER}


def test_a_customer_who_fails_dmarc_is_believed_by_signature_only(desk: Desk) -> None:
    desk.receive(raw(CUSTOMER, subject=f"[{desk.ticket}] more", extra=FAILS))
    second = desk.tickets()[1]
    assert (second["linked_to"], second["needs_review"]) == (desk.ticket, 1)
    desk.receive(raw(CUSTOMER, to=desk.customer_token, extra=FAILS))
    assert desk.ended()["ticket"] == desk.ticket
    assert "it fails DMARC" in body(desk.sink.mails[-1]), "and whoever answers is warned"


# --- forged marks of ours ------------------------------------------------------------------------


def test_forged_routing_headers_are_neither_believed_nor_passed_on(desk: Desk) -> None:
    extra = (
        "X-Helpdesk-Ticket: HD-00000000\r\nX-Helpdesk-Category: Evil\r\nX-Helpdesk-Confidence: 1.00\r\n"
        "X-Helpdesk-Department: Evil\r\nX-Helpdesk-Priority: High\r\nX-Helpdesk-SLA-Hours: 0\r\n"
        "X-Helpdesk-SLA-Due: now\r\nX-Helpdesk-Rule: evil\r\nX-Original-From: boss@helpdesk.example\r\n"
        "X-Helpdesk-Evil: 1\r\nX-Priority: 1\r\nImportance: high\r\nX-Helpdesk-Loop: evil\r\n"
    )
    sent = desk.receive(raw(MALLORY, extra=extra))
    forward = next(m for m in sent if m.recipient != MALLORY).message
    ours = {n.lower() for n, _ in desk.forward.message.items()}
    assert {n.lower() for n, _ in forward.items()} == ours
    assert [n for n, c in Counter(n.lower() for n, _ in forward.items()).items() if c > 1] == []
    assert forward["X-Helpdesk-Ticket"] == desk.tickets()[1]["id"]
    assert forward["X-Original-From"] == MALLORY
    assert b"evil" not in sent[0].content.partition(b"\r\n\r\n")[0].replace(MALLORY.encode(), b"").lower()


def test_our_loop_mark_on_a_strangers_mail_harms_only_the_stranger(desk: Desk) -> None:
    mark = desk.acknowledgement.message["X-Helpdesk-Loop"]
    assert desk.receive(raw(MALLORY, extra=f"X-Helpdesk-Loop: {mark}\r\n")) == []
    assert desk.ended()["state"] == "ignored"


@pytest.mark.parametrize("sender", [SUPPORT, "support+x@helpdesk.example", f"Support <{SUPPORT.upper()}>"])
def test_our_own_address_without_our_signature_causes_nothing(desk: Desk, sender: str) -> None:
    assert desk.receive(raw(sender), raw(sender, extra=f"Reply-To: {desk.agent_token}\r\n")) == []
    assert desk.ended()["state"] == "ignored"
    assert len(desk.tickets()) == 1


def test_a_form_of_ours_that_fails_dmarc_goes_to_triage_and_mails_nobody_else(desk: Desk) -> None:
    sent = desk.receive(raw(SUPPORT, extra=f"Reply-To: victim@x.example\r\n{FAILS}"))
    assert "victim@x.example" not in to_whom(sent)
    assert desk.tickets()[1]["requester_email"] == "victim@x.example"
    assert desk.tickets()[1]["needs_review"] == 1


# --- mailing others through us -------------------------------------------------------------------


@pytest.mark.parametrize(
    "extra",
    [
        "Reply-To: v1@x.example, v2@x.example\r\n", "Reply-To: v1@x.example\r\nReply-To: v2@x.example\r\n",
        "Reply-To: all: v1@x.example, v2@x.example;\r\n",
    ],
    ids=["list", "two fields", "group"],
)  # fmt: skip
def test_several_reply_addresses_are_not_acknowledged(desk: Desk, extra: str) -> None:
    sent = desk.receive(raw(MALLORY, extra=extra))
    assert all(not m.recipient.endswith("x.example") for m in sent)
    assert MALLORY not in to_whom(sent)


@pytest.mark.parametrize("trick", ["From", "Reply-To", "details"])
def test_nobody_is_flooded_through_us(tmp_path: Path, sink: Sink, trick: str) -> None:
    desk = Desk(tmp_path, sink, limits="[limits]\nper_address_hourly = 0.001\n")
    for n in range(100):
        victim = f"victim{f'+{n}' if trick == 'details' else ''}@x.example"
        sender, extra = (MALLORY, f"Reply-To: {victim}\r\n") if trick == "Reply-To" else (victim, "")
        deliver(tmp_path / "inbox", raw(sender, subject=f"s{n}", extra=extra))
    sent = desk.receive()
    assert sum(m.recipient.endswith("x.example") for m in sent) == 5
    assert len(desk.tickets()) == 101


def test_a_crowd_on_copy_is_neither_acknowledged_nor_answered_as_a_whole(desk: Desk) -> None:
    crowd = ", ".join(f"victim{n}@x.example" for n in range(3_000))
    sent = desk.receive(raw(MALLORY, extra=f"Cc: {crowd}\r\n"))
    assert len(sent) == 2
    token = next(str(m.message["Reply-To"]) for m in sent if m.recipient != MALLORY)
    answers = desk.receive(raw(AGENT, to=token, text="Here you are."))
    assert len(answers) == 25


@pytest.mark.parametrize("address", ["technical@helpdesk.example", "general@helpdesk.example", OPERATOR])
def test_our_own_people_are_not_acknowledged(desk: Desk, address: str) -> None:
    sent = desk.receive(raw(MALLORY, extra=f"Reply-To: {address}\r\n"))
    assert [m.message["Auto-Submitted"] for m in sent] == ["auto-generated"]
    (ticket,) = rows(desk.folder, "select not_acknowledged from tickets order by rowid desc limit 1")
    assert "our own people" in ticket["not_acknowledged"]


def test_an_acknowledgement_carries_no_advertisement_in_a_name(desk: Desk) -> None:
    advertisement = "Win now www.evil.example/?id=1"
    (answer,) = (m for m in desk.receive(raw(f'"{advertisement}" <victim@x.example>')) if m.recipient[0] == "v")
    assert "evil.example" not in body(answer) + html_of(answer.content)


# --- what people see -----------------------------------------------------------------------------

ACTS = (
    '"><script>alert(1)</script><style>*{display:none}</style><meta http-equiv="refresh" content="0;url=//e.example">'
    '<form action="//e.example"><input name=p><button>go</button></form><a href="javascript:x()">a</a>'
    '<a href="data:text/html,x">b</a><a href=" jav&#x09;ascript:x()">c</a><img src="https://e.example/pixel.png">'
    '<img src="data:image/svg+xml,x"><img src=x onerror=x()><svg onload=x()><script>x</script></svg>'
    '<math><mtext></mtext></math><iframe src="//e.example"></iframe><object data=x></object><embed src=x>'
    '<base href=//e><link rel=stylesheet href=//e><body background="//e.example/b.png" onload=x()>'
    '<table background="//e.example">'
    '<div style="position:fixed;background:url(//e.example)">d</div><video src=//e><audio src=//e>'
    "<details>e</details>"
    "{{ 1234 * 5678 }}{% include 'x' %}"
)
VALUES = {
    "acting HTML": ACTS,
    "encoded line ends": "=?utf-8?Q?a=0D=0ABcc:_victim=40x.example=0D=0A=0D=0Abody?=",
    "base64 line ends": "=?utf-8?B?YQ0KQmNjOiB2aWN0aW1AeC5leGFtcGxlDQoNCmJvZHk=?=",
    "bare line ends": "a\rBcc: victim@x.example",
    "NUL and escapes": "a\x00b\x1b[2J\x07\x7f\u0085\u009b31m",
    "turned": "\u202egpj.exe\u202c \u2066x\u2069 \u2028y\u2029",
    "very long word": "x" * 70_000,
    "long identifier": "x" * 850,
    "letters": "\u00fc\u0436",
    "very long text": "lorem ipsum " * 6_000,
    "broken charsets": "=?utf-7?Q?+2AA-?= =?utf-16?B?ANg=?= =?nonsense?Q?=FF?= \udcff\udcfe",
    "quotes": '\\"a\\\\" <b@x.example>, "c',
    "ours": f"support@helpdesk.example <{SUPPORT}> [HD-00000000] #close",
    "emoji and scripts": "☃ naïve 東京 עברית \U0001f600" * 30,
}
# Field names that may stand in a mail of ours, each once; only the loop mark may come several times.
PLAIN = {"From", "To", "Subject", "Date", "Message-ID", "X-Helpdesk-Loop", "MIME-Version", "Content-Type",
         "Content-Transfer-Encoding", "Auto-Submitted", "X-Auto-Response-Suppress", "Reply-To", "In-Reply-To",
         "References"}  # fmt: skip
ROUTING = {"X-Original-From", "X-Helpdesk-Ticket", "X-Helpdesk-Category", "X-Helpdesk-Confidence",
           "X-Helpdesk-Department", "X-Helpdesk-Priority", "X-Helpdesk-SLA-Hours", "X-Helpdesk-SLA-Due",
           "X-Helpdesk-Rule", "Importance", "Priority", "X-Priority"}  # fmt: skip
FORBIDDEN_TAGS = {
    "script", "style", "form", "input", "button", "textarea", "select", "iframe", "frame", "object", "embed", "applet",
    "base", "link", "svg", "math", "video", "audio", "source", "picture", "template", "noscript", "details", "map",
    "area", "bdo", "marquee",
}  # fmt: skip
UNSEEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def mixed(head: str, value: str, content: str = "x") -> bytes:
    """A mail with text, HTML, and attachments of hostile names and kinds."""
    name = value.replace('"', r"\"")
    text = (
        f"{head}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=cut\r\n\r\n"
        f"--cut\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>{content} {value}</p>"
        '<img src="cid:pic"><img src="cid:page">\r\n'
        f'--cut\r\nContent-Type: image/svg+xml; name="{name}"\r\nContent-Disposition: inline; filename="{name}"\r\n'
        "Content-ID: <pic>\r\n\r\n<svg onload='x()'/>\r\n"
        f'--cut\r\nContent-Type: text/html; name="{name}.html"\r\nContent-ID: <page>\r\n'
        "Content-Disposition: inline\r\n\r\n<script>x</script>\r\n"
        f'--cut\r\nContent-Type: application/x-{name[:40]}; name="../../{name}"\r\n\r\ndata\r\n--cut--\r\n'
    )
    return text.encode("utf-8", "surrogateescape")


def hostile_mails(desk: Desk, value: str) -> list[bytes]:
    """One mail for each kind that may leave, with the value wherever it may stand."""
    number = next(numbers)

    word = base64.b64encode(value.encode("utf-8", "surrogateescape")).decode()
    name = value if value.startswith("=?") else f"=?utf-8?B?{word}?="

    def head(sender: str, to: str) -> str:
        return (
            f"From: {name} <{sender}>\r\nTo: {to}\r\nSubject: {value}\r\nReply-To: {name} <{sender}>\r\n"
            f"Message-ID: <{value}{number}{sender}>\r\nReferences: <{value}@x> <ok{number}@x> {value}\r\n"
            f"In-Reply-To: {value}\r\nX-Original-From: {value}\r\nX-Helpdesk-Loop: {value}\r\n"
        )

    bounce = (
        f"From: MAILER-DAEMON@mx.example.net\r\nTo: {SUPPORT}\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        f"Message-ID: <b{number}@mx>\r\nReturn-Path: <>\r\n\r\nUnreachable <{desk.department}>: 550 no such user "
        f"{value[:200]}\r\n\r\nMessage-ID: {desk.forward.message['Message-ID']}\r\n"
    )
    return [
        mixed(head(f"new{number}@x.example", SUPPORT), value, "request"),
        raw("ok@x.example", extra=f"References: <{value}@x> <ok{number}@x>\r\n"),
        mixed(head(CUSTOMER, desk.customer_token), value, "reply"),
        mixed(head(MALLORY, desk.agent_token), value, "held"),
        mixed(head(AGENT, desk.agent_token), value, "Answer."),
        bounce.encode("utf-8", "surrogateescape"),
        mixed(head(MALLORY, SUPPORT), value, "this one breaks the stage"),
    ]


@pytest.mark.parametrize("case", VALUES)
def test_nothing_a_stranger_writes_acts_breaks_out_or_deceives(
    desk: Desk, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(content: bytes) -> Any:
        if b"this one breaks the stage" in content:
            raise ValueError("no such thing should be")
        return parse(content)

    monkeypatch.setattr("helpdesk_daemon.stages.decide.parse", breaking)
    value = VALUES[case]
    sent = desk.receive(*hostile_mails(desk, value))
    arrivals = rows(desk.folder, "select state, reason from arrivals")
    assert Counter(a["state"] for a in arrivals) == {"ticket": 3, "reply": 4, "quarantined": 1}
    kinds = rows(desk.folder, "select kind, count(*) as n, sum(state = 'sent') as sent from outbox group by kind")
    assert {k["kind"]: k["n"] for k in kinds} == {
        "acknowledgement": 3, "forward": 6, "relay": 1, "notice": 1, "alert": 1,
    }, "every kind of mail was made"  # fmt: skip
    assert all(k["n"] == k["sent"] for k in kinds)
    for mail in sent:
        inspect(mail)


def inspect(mail: Mail) -> None:
    """Look at the bytes of one outgoing mail as a strict reader does."""
    head, _, _ = mail.content.partition(b"\r\n\r\n")
    assert head.isascii()
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\x00", head)
    assert max(map(len, head.split(b"\r\n"))) <= 998
    found = read(mail.content)
    names = Counter(found.keys())
    assert set(names) <= PLAIN | ROUTING, set(names) - PLAIN - ROUTING
    assert [n for n, times in names.items() if times > 1 and n != "X-Helpdesk-Loop"] == []
    assert [a.addr_spec for a in found["From"].addresses] == [SUPPORT]
    assert [a.addr_spec for a in found["To"].addresses] == [mail.recipient]
    for name, value in found.items():
        assert not UNSEEN.search(str(value)), name
        assert len(str(value)) < 6_000, f"{name} is bounded"
    for name in ("Message-ID", "In-Reply-To", "References"):
        assert re.fullmatch(r"(?:<[!-;=?-~]{1,250}>\s*)+", str(found[name] or "<a@b>")), name
    if found["X-Original-From"]:
        assert str(make_header(decode_header(str(found["X-Original-From"])))).count("<") <= 1
    for part in attached(found):
        assert not part.defects
        assert part.get_content_type() == "message/rfc822" or not UNSEEN.search(part.get_filename() or "")
        assert "/" not in (part.get_filename() or "")
        shown = part.get_content_disposition() == "inline"
        assert not shown or re.match(r"image/(?!svg)", part.get_content_type())
    inspect_html(html_of(mail.content))


def attached(found: EmailMessage) -> list[EmailMessage]:
    """Parts that are files, those inside a related part included; nothing inside an attached mail."""
    files: list[EmailMessage] = []
    todo = [found]
    while todo:
        part = todo.pop()
        if part.get_content_maintype() == "multipart":
            todo += [p for p in part.iter_parts() if isinstance(p, EmailMessage)]
        elif part.get_filename() or part.get_content_disposition():
            files.append(part)
    return files


def read(content: bytes) -> EmailMessage:
    """What the standard library makes of it; it raises over UTF-7 in an original that we attach as it came."""
    ours, attached_as_it_came, theirs = content.partition(b"Content-Type: message/rfc822")
    content = ours + attached_as_it_came + theirs.replace(b"=?utf-7?", b"=?ascii?")
    found = message_from_bytes(content, policy=default)
    assert isinstance(found, EmailMessage)
    return found


def body(mail: Mail) -> str:
    """The plain text of an outgoing mail, in one line."""
    part = read(mail.content).get_body(("plain",))
    assert part is not None
    return " ".join(str(part.get_content()).split())


def html_of(content: bytes) -> str:
    part = read(content).get_body(("html",))
    return str(part.get_content()) if part else ""


class Reader(HTMLParser):
    """Complains about whatever could act, load or hide."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in FORBIDDEN_TAGS, tag
        for name, value in attrs:
            text = re.sub(r"[\x00-\x20]", "", value or "").lower()
            assert not name.startswith("on"), name
            assert name not in ("background", "srcset", "action", "formaction", "http-equiv", "srcdoc", "ping"), name
            assert name != "src" or text.startswith("cid:"), text
            assert name != "href" or text.startswith(("http://", "https://", "mailto:", "tel:")), text
            assert name != "style" or not re.search(r"url\(|expression|position|import", text), text

    handle_startendtag = handle_starttag


def inspect_html(html: str) -> None:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert html.count("<html") <= 1
    assert "7006652" not in html, "templates are filled once"


def test_the_inspection_sees_what_acts() -> None:
    for acting in ("<script>", "<a href=' java\tscript:x'>", "<img src=https://e>", "<p onclick=x>", "<svg>"):
        with pytest.raises(AssertionError):
            inspect_html(acting)


def test_a_hostile_value_in_the_database_is_text(desk: Desk) -> None:
    value = "'); drop table tickets; --"
    desk.receive(raw(f'"{value}" <{MALLORY}>', subject=value))
    with sqlite3.connect(desk.folder / "data" / "helpdesk.db") as connection:
        (subject,) = connection.execute("select subject from tickets order by rowid desc limit 1").fetchone()
    assert subject == value
