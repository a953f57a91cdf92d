"""Every mail that leaves, made with the real templates and read by the standard library."""

from __future__ import annotations

from dataclasses import replace
from email.message import EmailMessage

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpdesk_daemon.mail.body.split import REPLY_MARKER
from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.outgoing.answer import without_addresses
from helpdesk_daemon.outgoing.compose import Identity, deliverable
from helpdesk_daemon.outgoing.message import Kind, Outgoing
from helpdesk_daemon.tickets.tracking import Party
from helpdesk_daemon.triage.rules import Department
from tests.unit.making import (
    AGENT,
    CUSTOMER,
    NOW,
    SIGNER,
    SUPPORT,
    TECHNICAL,
    TICKET_ID,
    TRIAGE,
    composer,
    decision,
    html,
    mail,
    message,
    multipart,
    neighbour,
    plain,
    read,
    ticket,
)

EVIL = "Bcc: eve@x.example"
ODD = st.text(max_size=120) | st.sampled_from([f"a\r\n{EVIL}", f"a\n\n{EVIL}", f"a\r{EVIL}", "ü\r\n b", "x" * 1_500])


def agent_reply(body: str = "Press the power button.\n", **more: str) -> Message:
    return message(body, sender=f"Jo Park <{AGENT}>", subject=f"Re: [{TICKET_ID}] Black screen", **more)


def acknowledge(found: Message | None = None) -> Outgoing:
    return composer().acknowledgement(ticket(), found or message(), NOW)


def forward(found: Message | None = None) -> Outgoing:
    return composer().forward(ticket(), found or message(), decision(), NOW)


def relay(found: Message | None = None, department: Department = TECHNICAL) -> Outgoing:
    found = found or agent_reply()
    private = (found.sender.email, department.address, *department.agents)
    return composer().relay(ticket(), composer().answer(found, private), NOW)


def follow_up(found: Message | None = None) -> Outgoing:
    return composer().follow_up(ticket(forward_id="<f@x>"), found or message(), 0.5, "default", NOW)


def fields(out: Outgoing) -> EmailMessage:
    return read(out.mime)


# --- to the customer -----------------------------------------------------------------------------


def test_headers_of_an_acknowledgement() -> None:
    out = acknowledge(message(extra="References: <0@x.example>"))
    found = fields(out)
    assert (out.kind, out.recipient, out.sender, out.ticket) == (Kind.ACKNOWLEDGEMENT, CUSTOMER, "", TICKET_ID)
    assert found["From"] == f"Example Support <{SUPPORT}>"
    assert found["To"] == f"Ada Byron <{CUSTOMER}>"
    assert found["Subject"] == f"Re: Black screen [{TICKET_ID}]"
    assert found["In-Reply-To"] == "<1@customer.example>"
    assert found["References"] == "<0@x.example> <1@customer.example>"
    assert found["Auto-Submitted"] == "auto-replied"
    assert found["X-Auto-Response-Suppress"] == "All"
    assert found["X-Helpdesk-Loop"] == "loopmark"
    assert found["Date"] == "Mon, 04 May 2026 09:30:00 +0000"
    assert found["Message-ID"] == out.message_id
    assert found["Cc"] is None


def test_an_acknowledgement_leads_back_as_the_customers() -> None:
    out = acknowledge()
    local = fields(out)["Reply-To"].addresses[0].username
    assert SIGNER.read_token(local.removeprefix("support+")) == (TICKET_ID, Party.CUSTOMER)
    assert SIGNER.read_message_id(out.message_id) == (TICKET_ID, Party.CUSTOMER)


def test_an_acknowledgement_says_the_id_and_when_an_answer_is_due() -> None:
    for body in (plain(acknowledge().mime), html(acknowledge().mime)):
        assert TICKET_ID in body
        assert "Ada Byron" in body
        assert "4 May 2026, 13:30" in body
        assert "Technical" in body


def test_an_acknowledgement_names_no_doubtful_category() -> None:
    out = composer().acknowledgement(replace(ticket(category="Zebra"), needs_review=True), message(), NOW)
    assert "Zebra" not in plain(out.mime)
    assert "Zebra" not in html(out.mime)


def test_an_acknowledgement_does_not_repeat_what_was_written() -> None:
    out = acknowledge(message("buy pills at spam.example\n"))
    assert "pills" not in plain(out.mime) + html(out.mime)


def test_a_server_may_refuse_the_null_sender() -> None:
    assert composer(null_sender=False).acknowledgement(ticket(), message(), NOW).sender == SUPPORT


def test_a_mail_without_message_id_is_answered_without_in_reply_to() -> None:
    found = fields(acknowledge(message(message_id="")))
    assert found["In-Reply-To"] is None
    assert found["References"] is None


def test_a_long_chain_of_references_keeps_its_ends() -> None:
    chain = "\n ".join(f"<{n}@x.example>" for n in range(90))
    references = fields(acknowledge(message(extra=f"References: {chain}")))["References"].split()
    assert len(references) <= 21
    assert (references[0], references[-1]) == ("<0@x.example>", "<1@customer.example>")


def test_without_plus_addressing_answers_go_to_the_plain_address() -> None:
    out = composer(plus_addressing=False).acknowledgement(ticket(), message(), NOW)
    assert fields(out)["Reply-To"] == SUPPORT


# --- to the department ---------------------------------------------------------------------------


def test_headers_of_a_forward() -> None:
    out = forward()
    found = fields(out)
    assert (out.kind, out.recipient, out.sender) == (Kind.FORWARD, TECHNICAL.address, SUPPORT)
    expected = {
        "From": f"Ada Byron via Example Support <{SUPPORT}>",
        "To": f"Technical Support <{TECHNICAL.address}>",
        "Subject": f"[{TICKET_ID}] Black screen",
        "X-Original-From": f"Ada Byron <{CUSTOMER}>",
        "X-Helpdesk-Ticket": TICKET_ID,
        "X-Helpdesk-Category": "Technical",
        "X-Helpdesk-Confidence": "0.88",
        "X-Helpdesk-Department": "Technical Support",
        "X-Helpdesk-Priority": "High",
        "X-Helpdesk-SLA-Hours": "4",
        "X-Helpdesk-SLA-Due": "Mon, 04 May 2026 13:30:00 +0000",
        "X-Helpdesk-Rule": "default",
        "X-Helpdesk-Loop": "loopmark",
        "Importance": "high",
        "Priority": "urgent",
        "X-Priority": "1",
        "Message-ID": out.message_id,
    }
    assert {name: str(found[name]) for name in expected} == expected


def test_a_forward_leads_back_as_the_agents() -> None:
    out = forward()
    local = fields(out)["Reply-To"].addresses[0].username
    assert SIGNER.read_token(local.removeprefix("support+")) == (TICKET_ID, Party.AGENT)
    assert SIGNER.read_message_id(out.message_id) == (TICKET_ID, Party.AGENT)


def test_no_mail_is_from_the_customers_address() -> None:
    for out in (forward(), follow_up()):
        assert [a.addr_spec for a in fields(out)["From"].addresses] == [SUPPORT]


def test_headers_that_came_with_the_mail_are_not_passed_on() -> None:
    found = fields(
        forward(message(extra="X-Helpdesk-Priority: Low\nX-Helpdesk-Ticket: HD-00000000\nX-Helpdesk-Evil: 1"))
    )
    assert found.get_all("X-Helpdesk-Priority") == ["High"]
    assert found.get_all("X-Helpdesk-Ticket") == [TICKET_ID]
    assert found["X-Helpdesk-Evil"] is None


def test_a_forward_carries_the_text_below_the_reply_marker() -> None:
    for body in (plain(forward().mime), html(forward().mime)):
        assert REPLY_MARKER in body
        assert body.index(REPLY_MARKER) < body.index("My screen stays black.")
        assert CUSTOMER in body
        assert "0.88" in body


def test_a_forward_carries_attachments_byte_for_byte() -> None:
    content = bytes(range(256)) * 20
    parts = [
        ("Content-Type: text/plain", b"see files"),
        (
            "Content-Type: application/x-thing; name*=utf-8''%C3%BC.bin\nContent-Transfer-Encoding: binary",
            b"a\x00b\xff",
        ),
        ("Content-Type: message/rfc822", mail("inner words")),
    ]
    received = replace(parse(multipart(parts)))
    received = replace(
        received, attachments=(*received.attachments, replace(received.attachments[0], name="big.bin", content=content))
    )
    sent = {p.get_filename(): p.get_payload(decode=True) for p in fields(forward(received)).iter_attachments()}
    assert sent == {a.name: a.content for a in received.attachments}


def test_pictures_of_the_html_travel_with_it() -> None:
    parts = [
        ("Content-Type: text/html", b'<p>look: <img src="cid:pic@x"></p>'),
        ("Content-Type: image/png\nContent-ID: <pic@x>", b"PNG"),
    ]
    out = forward(parse(multipart(parts, "related")))
    assert "cid:pic@x" in html(out.mime)
    assert [p.get_payload(decode=True) for p in read(out.mime).walk() if p["Content-ID"] == "<pic@x>"] == [b"PNG"]


def test_an_odd_content_id_does_not_stop_a_forward() -> None:
    parts = [("Content-Type: text/plain", b"x"), ("Content-Type: image/png\nContent-ID: <CUT@x>", b"PNG")]
    received = parse(multipart(parts).replace(b"CUT", b"\xe9"))
    sent = [p.get_payload(decode=True) for p in fields(forward(received)).iter_attachments()]
    assert sent == [b"PNG"]


@pytest.mark.parametrize(
    "original",
    [
        mail("inner"),
        mail("Grüße\n", extra="Content-Type: text/plain; charset=utf-8"),
        mail(b"\xff\x00"),
        mail("x" * 3_000),
    ],
)
def test_an_original_can_travel_whole(original: bytes) -> None:
    out = composer().forward(ticket(), parse(original), decision(), NOW, original)
    (part,) = (p for p in fields(out).iter_attachments() if p.get_filename() == "original.eml")
    kept = part.get_payload(decode=True)
    if kept is None:  # message/rfc822 holds a message, not bytes
        kept = b"\r\n".join(original.rstrip().splitlines())
        assert kept in out.mime
    else:
        assert kept == original


def test_only_shipped_examples_are_shown_in_words() -> None:
    near = (
        neighbour("Technical", 0.91, source="seed", text="The monitor shows no picture"),
        neighbour("Technical", 0.82, source="correction", ticket="HD-AAAA1111", text="secret words of a customer"),
        neighbour("Technical", 0.73, source="import", text="private imported words"),
    )
    out = composer().forward(ticket(), message(), decision(neighbours=near), NOW)
    for body in (plain(out.mime), html(out.mime)):
        assert "The monitor shows no picture" in body
        assert "HD-AAAA1111" in body
        assert "secret words" not in body
        assert "private imported" not in body
        assert "0.91" in body


def test_confirmed_examples_show_only_the_tracking_id() -> None:
    near = (neighbour("Technical", 0.9, source="confirmed", ticket="HD-BBBB2222", text="secret words"),)
    out = composer().forward(ticket(), message(), decision(neighbours=near), NOW)
    assert "HD-BBBB2222" in plain(out.mime)
    assert "secret words" not in plain(out.mime) + html(out.mime)


def test_what_a_stranger_wrote_does_not_act_in_html() -> None:
    parts = [
        ("Content-Type: text/html", b"<p onclick=evil()>hi</p><script>evil()</script><a href='javascript:evil()'>x</a>")
    ]
    received = replace(parse(multipart(parts, "alternative")), subject="<script>evil()</script>")
    for out in (forward(received), acknowledge(received), follow_up(received)):
        body = html(out.mime)
        assert "<script" not in body
        assert "onclick" not in body
        assert "javascript:" not in body


def test_a_follow_up_stays_in_the_thread_of_the_forward() -> None:
    out = follow_up(message("It is back.\n"))
    found = fields(out)
    assert found["Subject"] == f"Re: [{TICKET_ID}] Black screen"
    assert (found["In-Reply-To"], found["References"]) == ("<f@x>", "<f@x>")
    assert found["X-Helpdesk-Ticket"] == TICKET_ID
    assert "It is back." in plain(out.mime)


def test_a_held_mail_is_attached_whole_with_the_reason() -> None:
    raw = mail("sécret\n", sender="eve@x.example", extra="Content-Type: text/plain; charset=utf-8")
    out = composer().held(ticket(), parse(raw), "its sender is not listed", raw, NOW)
    assert out.recipient == TECHNICAL.address
    assert "its sender is not listed" in plain(out.mime)
    assert [p.get_filename() for p in fields(out).iter_attachments()] == ["original.eml"]


def test_a_quarantined_mail_reaches_triage_as_an_attached_message() -> None:
    raw = mail("wörds\n", extra="Content-Type: text/plain; charset=utf-8")
    out = composer().quarantined(7, raw, "it broke", TRIAGE, NOW)
    found = fields(out)
    assert out.recipient == TRIAGE.address
    assert [p.get_content_type() for p in found.iter_attachments()] == ["message/rfc822"]
    assert "quarantine list" in plain(out.mime)
    assert found["Auto-Submitted"] == "auto-generated"


# --- from an agent to the customer ---------------------------------------------------------------


def test_headers_of_a_relay() -> None:
    out = relay()
    found = fields(out)
    assert (out.kind, out.recipient, out.sender) == (Kind.RELAY, CUSTOMER, SUPPORT)
    assert found["From"] == f"Example Support <{SUPPORT}>"
    assert found["To"] == f"Ada Byron <{CUSTOMER}>"
    assert found["Subject"] == f"Re: Black screen [{TICKET_ID}]"
    assert found["In-Reply-To"] == "<1@customer.example>"
    assert found["X-Helpdesk-Loop"] == "loopmark"
    assert found["Auto-Submitted"] is None
    assert SIGNER.read_message_id(out.message_id) == (TICKET_ID, Party.ANSWERED)
    local = found["Reply-To"].addresses[0].username
    assert SIGNER.read_token(local.removeprefix("support+")) == (TICKET_ID, Party.CUSTOMER)


def test_a_relay_carries_none_of_the_routing_headers() -> None:
    names = {name.lower() for name, _ in fields(relay()).items()}
    assert {n for n in names if n.startswith("x-helpdesk-")} == {"x-helpdesk-loop"}
    assert "x-original-from" not in names


@pytest.mark.parametrize(
    "quote",
    [
        "On Mon, May 4, 2026 at 9:30 AM Ada via Support <support@helpdesk.example> wrote:\n\n{marker}\n{secret}\n",
        "On Mon, May 4, 2026 at 9:30 AM Ada via Support <support@helpdesk.example> wrote:\n> {marker}\n> {secret}\n",
        "-----Original Message-----\nFrom: Ada via Support\n\n{marker}\n{secret}\n",
        "From: Ada via Support <support@helpdesk.example>\nSent: Monday\nTo: Jo\nSubject: x\n\n{marker}\n{secret}\n",
        "Am 04.05.2026 schrieb Ada via Support:\n> {marker}\n> {secret}\n",
        "{marker}\n{secret}\n",
        "> {secret}\n",
    ],
)
def test_the_quoted_forward_never_reaches_the_customer(quote: str) -> None:
    body = "Press the power button.\n\n" + quote.format(marker=REPLY_MARKER, secret="INTERNAL evidence")
    raw = relay(agent_reply(body)).mime
    assert plain(raw).strip() == "Press the power button."
    assert b"INTERNAL" not in raw
    assert REPLY_MARKER not in plain(raw)


def test_the_quoted_forward_of_an_html_reply_never_reaches_the_customer() -> None:
    quoted = html(forward().mime)
    body = f"<p>Press the power button.</p><div>On Monday Ada wrote:</div><blockquote>{quoted}</blockquote>"
    raw = mail(body, sender=AGENT, subject="Re: x", extra="Content-Type: text/html; charset=utf-8")
    found = plain(relay(parse(raw)).mime)
    assert found.strip() == "Press the power button."


def test_an_attached_forward_never_reaches_the_customer() -> None:
    parts = [
        ("Content-Type: text/plain", b"See the manual."),
        ("Content-Type: message/rfc822", forward().mime),
        ("Content-Type: application/pdf; name=manual.pdf", b"PDF"),
    ]
    found = fields(relay(parse(multipart(parts))))
    assert [(p.get_filename(), p.get_payload(decode=True)) for p in found.iter_attachments()] == [
        ("manual.pdf", b"PDF")
    ]


def test_an_agents_signature_is_kept() -> None:
    found = plain(relay(agent_reply("Press the power button.\n\n-- \nJo Park\nTechnical Support\n")).mime)
    assert "Press the power button." in found
    assert "Jo Park\nTechnical Support" in found.replace("\r\n", "\n")


def test_private_addresses_are_taken_out_of_a_relay() -> None:
    raw = relay(agent_reply(f"Write to {AGENT}, JO.PARK@Technical.Example or {TECHNICAL.address}.\n")).mime
    text = plain(raw)
    assert "technical.example" not in text.lower()
    assert SUPPORT in text
    assert b"technical.example" not in raw.lower()


def test_addresses_of_other_agents_are_taken_out_of_a_relay() -> None:
    text = plain(relay(agent_reply("Kim (kim@technical.example) knows more.\n")).mime)
    assert "kim@technical.example" not in text


def test_addresses_of_a_domain_of_agents_are_taken_out_of_a_relay() -> None:
    department = Department("Desk", "desk@team.example", ("@team.example",))
    found = agent_reply("Kim (kim@team.example) knows more.\n")
    assert "kim@team.example" not in plain(relay(found, department).mime)


def test_other_addresses_stay_in_a_relay() -> None:
    text = plain(relay(agent_reply("Write to sales@maker.example instead.\n")).mime)
    assert "sales@maker.example" in text


def test_taking_out_an_address_does_not_maim_a_longer_one() -> None:
    found = without_addresses("mojo@x.example and jo@x.example.org and jo@x.example.", ("jo@x.example", ""), SUPPORT)
    assert found == f"mojo@x.example and jo@x.example.org and {SUPPORT}."


# --- whatever strangers put into their mail ------------------------------------------------------


@settings(max_examples=25)
@given(ODD, ODD, ODD)
@example(f"a\r\n{EVIL}", f"b\n{EVIL}", f"<x@y>\r\n{EVIL}")
@example("Grüße, 日本", "Åsa Ängström", "<ü@x.example>")
def test_no_text_of_a_stranger_adds_a_header_line(subject: str, name: str, identifier: str) -> None:
    received = message()
    received = replace(
        received,
        subject=subject,
        sender=replace(received.sender, name=name),
        message_id=identifier,
        references=(f"<{identifier}>",),
    )
    opened = replace(
        ticket(), subject=subject, requester_name=name, customer_id=f"<{identifier}", forward_id=identifier
    )
    maker = composer()
    for out in (
        maker.acknowledgement(opened, received, NOW),
        maker.forward(opened, received, decision(), NOW),
        maker.follow_up(opened, received, 0.5, "default", NOW),
        maker.relay(opened, maker.answer(received, ()), NOW),
    ):
        found = read(out.mime)
        assert found["Bcc"] is None
        assert len(found.get_all("Message-ID", [])) == 1
        assert found["X-Helpdesk-Loop"] == "loopmark"
        assert found["From"].addresses[0].addr_spec == SUPPORT
        assert out.mime.startswith(b"From: ")
        head = out.mime.partition(b"\r\n\r\n")[0]
        assert b"\r\nX-Helpdesk-Loop: loopmark" in head


@pytest.mark.parametrize("length", [990, 1_500, 5_000])
def test_no_line_is_longer_than_servers_take(length: int) -> None:
    long = message(subject="x" * length, sender=f'"{"n" * length}" <{CUSTOMER}>')
    for out in (acknowledge(long), forward(long)):
        assert max(len(line) for line in out.mime.split(b"\r\n")) <= 998  # RFC 5321 section 4.5.3.1.6


@pytest.mark.parametrize("subject", ["Grüße aus Köln", "日本語の件名", "naïve — “quoted” €", "emoji 🙂 here"])
def test_a_subject_and_a_name_survive_in_any_alphabet(subject: str) -> None:
    received = replace(message(), subject=subject)
    opened = replace(ticket(), subject=subject, requester_name="Åsa 太郎")
    maker = composer()
    assert fields(maker.acknowledgement(opened, received, NOW))["Subject"] == f"Re: {subject} [{TICKET_ID}]"
    assert fields(maker.forward(opened, received, decision(), NOW))["Subject"] == f"[{TICKET_ID}] {subject}"
    found = fields(maker.relay(opened, maker.answer(received, ()), NOW))
    assert found["Subject"] == f"Re: {subject} [{TICKET_ID}]"
    assert found["To"].addresses[0].display_name == "Åsa 太郎"


def test_each_mail_of_a_ticket_has_its_own_message_id() -> None:
    assert len({out.message_id for out in (acknowledge(), acknowledge(), forward(), relay(), follow_up())}) == 5


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("ada@x.example", True),
        ("o'hara+tag@x.example", True),
        ("ada@[192.0.2.1]", True),
        ("ådа@x.example", False),
        ("ada@bücher.example", False),
        ("", False),
        ("ada", False),
        ("a b@x.example", False),
        ("ada@x.example\r\nRCPT TO:<eve@x.example>", False),
        ("ada@x.example\n", False),
    ],
)
def test_deliverable(email: str, expected: bool) -> None:
    assert deliverable(email) is expected


def test_identity() -> None:
    identity = Identity("S", SUPPORT)
    assert identity.domain == "helpdesk.example"
    assert identity.reply_address("t") == "support+t@helpdesk.example"
