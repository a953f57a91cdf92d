"""Replies of customers and agents, automatic mail, bounces and lists, over real servers."""

from __future__ import annotations

from email.message import Message
from pathlib import Path

from helpdesk_daemon.adapters.keys import load_signer, rotate_signing
from helpdesk_daemon.tickets.tracking import Signer
from tests.harness.dovecot import Dovecot
from tests.harness.mails import mail
from tests.harness.sink import Mail, Sink
from tests.harness.world import rows, write_settings
from tests.integration.conftest import once

CUSTOMER, AGENT = "ann@customer.example.net", "kim@helpdesk.example"


def reply(to: Message, sender: str, text: str, number: int, extra: str = "", address: str = "") -> bytes:
    """A mail client's answer to a mail of ours."""
    quoted = "\r\n".join("> " + line for line in _plain(to).splitlines())
    return (
        f"From: {sender}\r\nTo: {address or to['Reply-To']}\r\nSubject: Re: {to['Subject']}\r\n"
        f"Message-ID: <reply-{number}@{sender.rpartition('@')[2]}>\r\nIn-Reply-To: {to['Message-ID']}\r\n"
        f"References: {to['Message-ID']}\r\nDate: Mon, 16 Nov 2026 10:00:00 +0000\r\n{extra}"
        f"Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n\r\n"
        f"On Monday, Example Support wrote:\r\n{quoted}\r\n"
    ).encode()


def _plain(message: Message) -> str:
    part = next(p for p in message.walk() if p.get_content_type() == "text/plain")
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode()


def opened(tmp_path: Path, server: Dovecot, sink: Sink) -> tuple[Path, Mail, Mail]:
    """Settings of a daemon that took one request; its forward and its acknowledgement."""
    settings = write_settings(tmp_path, server.url, sink.port)
    server.append([mail(1, sender=CUSTOMER)])
    assert once(settings) == 1
    forward = next(m for m in sink.mails if m.message["X-Helpdesk-Ticket"])
    acknowledgement = next(m for m in sink.mails if m.recipient == CUSTOMER)
    sink.mails.clear()
    return settings, forward, acknowledgement


def test_the_conversation(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    settings, forward, acknowledgement = opened(tmp_path, server, sink)
    ticket = str(forward.message["X-Helpdesk-Ticket"])

    server.append([reply(acknowledgement.message, CUSTOMER, "One more thing: it is blue.", 1)])
    assert once(settings) == 1
    (again,) = sink.mails
    assert again.recipient == forward.recipient
    assert again.message["X-Helpdesk-Ticket"] == ticket
    assert again.message["In-Reply-To"] == forward.message["Message-ID"]
    assert "One more thing: it is blue." in _plain(again.message)
    sink.mails.clear()

    answer = f"Please restart it.\r\n-- \r\nKim, {AGENT}, {forward.recipient}"
    server.append([reply(again.message, f"Kim <{AGENT}>", answer, 2)])
    assert once(settings) == 1
    (relayed,) = sink.mails
    whole = relayed.content.decode()
    assert relayed.recipient == CUSTOMER
    assert "Please restart it." in _plain(relayed.message)
    assert relayed.message["From"] == '"Example Support" <support@helpdesk.example>'
    assert relayed.message["In-Reply-To"] == "<reply-1@customer.example.net>"
    for secret in (AGENT, forward.recipient, "Category", "Because of", "wrote:", "X-Helpdesk-Category", "-a-"):
        assert secret not in whole.replace("X-Helpdesk-Loop", ""), f"{secret} leaks"
    assert rows(tmp_path, "select state, first_answer_at is not null as answered from tickets") == [
        {"state": "waiting", "answered": 1}
    ]
    sink.mails.clear()

    server.append([reply(relayed.message, CUSTOMER, "That helped, thanks.", 3)])
    assert once(settings) == 1
    assert [m.recipient for m in sink.mails] == [forward.recipient]
    assert rows(tmp_path, "select state from tickets") == [{"state": "open"}]
    kinds = [r["kind"] for r in rows(tmp_path, "select kind from messages order by id")]
    assert kinds == ["request", "reply", "answer", "reply"]


def test_without_plus_addressing_the_signed_message_id_carries_the_thread(
    tmp_path: Path, server: Dovecot, sink: Sink
) -> None:
    settings, forward, acknowledgement = opened(tmp_path, server, sink)
    server.append(
        [
            reply(acknowledgement.message, CUSTOMER, "More.", 1, address="support@helpdesk.example"),
            reply(forward.message, AGENT, "Done.", 2, address="support@helpdesk.example"),
        ]
    )
    once(settings)
    assert sorted(m.recipient for m in sink.mails) == sorted([forward.recipient, CUSTOMER])
    assert len(rows(tmp_path, "select id from tickets")) == 1


def test_an_agents_vacation_note_is_never_relayed(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    settings, forward, _ = opened(tmp_path, server, sink)
    server.append([reply(forward.message, AGENT, "I am away.", 1, extra="Auto-Submitted: auto-replied\r\n")])
    once(settings)
    assert sink.mails == []
    assert rows(tmp_path, "select kind from messages order by id")[-1]["kind"] == "automatic"


def test_a_stranger_with_the_agents_token_is_held_and_shown(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    settings, forward, _ = opened(tmp_path, server, sink)
    server.append([reply(forward.message, "mallory@evil.example.org", "Send me your password.", 1)])
    once(settings)
    (shown,) = sink.mails
    assert shown.recipient == forward.recipient
    assert "not an agent" in _plain(shown.message)
    assert any(part.get_content_type() == "message/rfc822" for part in shown.message.walk())


def test_automatic_mail_bounces_and_lists_are_not_acknowledged(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    settings = write_settings(tmp_path, server.url, sink.port)
    bounce = (
        b"From: MAILER-DAEMON@mx.example.net\r\nTo: support@helpdesk.example\r\nSubject: Undelivered Mail\r\n"
        b"Message-ID: <b@mx.example.net>\r\nMIME-Version: 1.0\r\nReturn-Path: <>\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        b"--b\r\n\r\nNo such user\r\n--b\r\n"
        b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net\r\n\r\n"
        b"Final-Recipient: rfc822; nobody@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n--b--\r\n"
    )
    server.append(
        [
            mail(1, sender="v@a.example.net", extra="Auto-Submitted: auto-replied\r\n"),
            mail(2, sender="l@a.example.net", extra="List-Id: <news.a.example.net>\r\nPrecedence: bulk\r\n"),
            mail(3, sender="no-reply@a.example.net"),
            mail(4, sender="m@a.example.net", extra="Auto-Submitted: auto-generated\r\n"),
            bounce,
        ]
    )
    assert once(settings) == 5
    states = rows(tmp_path, "select state, reason from arrivals order by id")
    assert [s["state"] for s in states] == ["ignored", "ticket", "ticket", "ticket", "ignored"]
    assert all(s["reason"] for s in states)
    assert [m for m in sink.mails if m.message["Auto-Submitted"] == "auto-replied"] == []
    assert len(sink.mails) == 3


def test_our_own_mail_coming_back_is_ignored(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    settings, forward, acknowledgement = opened(tmp_path, server, sink)
    server.append([forward.content, acknowledgement.content, mail(8, sender="support@helpdesk.example")])
    assert once(settings) == 3
    assert sink.mails == []
    assert len(rows(tmp_path, "select id from tickets")) == 1


def test_a_tracking_id_from_a_stranger_opens_a_linked_ticket(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    settings, forward, _ = opened(tmp_path, server, sink)
    ticket = str(forward.message["X-Helpdesk-Ticket"])
    server.append(
        [
            mail(5, sender="stranger@other.example.net", subject=f"Re: [{ticket}] tell me all"),
            mail(6, sender=CUSTOMER, subject=f"about {ticket.lower()}"),
        ]
    )
    once(settings)
    found = rows(tmp_path, "select id, linked_to, requester_email from tickets order by created_at, id")
    assert {(t["requester_email"], t["linked_to"]) for t in found} == {
        (CUSTOMER, ""), ("stranger@other.example.net", ticket),
    }  # fmt: skip
    (answer,) = [m for m in sink.mails if m.recipient == "stranger@other.example.net"]
    assert f"Tracking ID:  {ticket}" not in _plain(answer.message)


def test_the_department_hears_of_an_answer_that_the_server_refused(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    settings, forward, _ = opened(tmp_path, server, sink)
    sink.refused = {CUSTOMER}
    server.append([reply(forward.message, AGENT, "Please restart it.", 1)])
    once(settings)
    (notice,) = sink.mails
    assert notice.recipient == forward.recipient
    assert str(forward.message["X-Helpdesk-Ticket"]) in str(notice.message["Subject"])
    assert "550 no such mailbox" in _plain_of(notice.message)


def _plain_of(message: Message) -> str:
    """The text of a mail of one part."""
    content = message.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode()


def test_after_a_rotation_old_mail_still_finds_its_ticket_and_new_mail_is_signed_anew(
    tmp_path: Path, server: Dovecot, sink: Sink
) -> None:
    settings, forward, acknowledgement = opened(tmp_path, server, sink)
    assert rotate_signing(tmp_path / "data") == 2
    newest = Signer(load_signer(tmp_path / "data").keys[:1])
    server.append(
        [reply(acknowledgement.message, CUSTOMER, "More.", 1), reply(forward.message, AGENT, "Please restart it.", 2)]
    )
    once(settings)
    again, relayed = sorted(sink.mails, key=lambda m: m.recipient == CUSTOMER)
    assert [again.recipient, relayed.recipient] == [forward.recipient, CUSTOMER]
    assert newest.read_message_id(str(acknowledgement.message["Message-ID"])) is None
    for mail_ in (again, relayed):
        assert newest.read_message_id(str(mail_.message["Message-ID"])) is not None
    assert len(rows(tmp_path, "select id from tickets")) == 1
