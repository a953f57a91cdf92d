"""Two brands at one daemon, over Dovecot and two SMTP servers: who answers as whom, and every mail once."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from helpdesk_daemon.adapters.maildir import deliver
from tests.harness.brands import NORTH, SOUTH, write_brands
from tests.harness.dovecot import Dovecot
from tests.harness.mails import mail
from tests.harness.sink import Mail, Sink
from tests.harness.world import rows
from tests.integration.conftest import daemon, once
from tests.integration.test_conversation import reply
from tests.integration.test_failures import until

CUSTOMER, AGENT = "ann@customer.example.net", "kim@helpdesk.example"


@pytest.fixture
def south() -> Iterator[Sink]:
    with Sink() as accepting:
        yield accepting


def to(address: str, number: int = 1, sender: str = CUSTOMER) -> bytes:
    return mail(number, sender=sender).replace(b"To: support@helpdesk.example", f"To: {address}".encode())


def german(address: str) -> bytes:
    """A mail that no brand could take for English."""
    return (
        f"From: Uwe <uwe@customer.example.net>\r\nTo: {address}\r\nSubject: Rechnung doppelt\r\n"
        "Message-ID: <doppelt@customer.example.net>\r\n\r\nDie Rechnung wurde im Oktober doppelt abgebucht. Bitte "
        "erstatten Sie uns einen der beiden Posten auf dasselbe Konto.\r\n"
    ).encode()


def put(server: Dovecot, user: str, *mails: bytes) -> None:
    client = server.client(user)
    for each in mails:
        client.append("INBOX", each)
    client.logout()


def brands(tmp_path: Path, server: Dovecot, north: Sink, south: Sink, more: tuple[str, str] = ("", "")) -> Path:
    return write_brands(tmp_path, (server.url, server.url), (north.port, south.port), more)


def acknowledgement(sink: Sink) -> Mail:
    return next(m for m in sink.mails if m.message["Auto-Submitted"] == "auto-replied")


def forward(sink: Sink) -> Mail:
    return next(m for m in sink.mails if m.message["X-Helpdesk-Ticket"])


def text(message: Message) -> str:
    part = next(p for p in message.walk() if p.get_content_type() == "text/plain")
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode()


def test_each_brand_answers_as_itself_by_its_own_server_rules_and_templates(
    tmp_path: Path, server: Dovecot, sink: Sink, south: Sink
) -> None:
    settings = brands(tmp_path, server, sink, south)
    put(server, "north", to(NORTH, 1))
    put(server, "south", german(SOUTH))
    assert once(settings) == 2
    north_ack, south_ack = acknowledgement(sink), acknowledgement(south)
    assert north_ack.message["From"] == f'"North" <{NORTH}>'
    assert south_ack.message["From"] == f'"South" <{SOUTH}>'
    assert (north_ack.sender, south_ack.sender) == ("", SOUTH)
    assert "Guten Tag" in text(south_ack.message)
    assert "Guten Tag" not in text(north_ack.message)
    assert forward(sink).recipient.endswith("@helpdesk.example")
    assert forward(south).recipient.endswith("@team.south.example")
    assert len(sink.mails) == len(south.mails) == 2
    assert {r["mailbox"] for r in rows(tmp_path, "select mailbox from tickets")} == {"north", "south"}


@pytest.mark.parametrize("sort", [1, -1])
@pytest.mark.parametrize("kind", ["imap", "maildir"])
def test_a_mail_to_both_is_one_ticket_of_the_brand_addressed_first(
    tmp_path: Path, server: Dovecot, sink: Sink, south: Sink, kind: str, sort: int
) -> None:
    both = to(f"{SOUTH}, {NORTH}")
    urls = (server.url, server.url) if kind == "imap" else ("maildir:north", "maildir:inbox")
    settings = write_brands(tmp_path, urls, (sink.port, south.port), sort=sort)
    copies = [b"Received: from a by north; today\r\n" + both, b"Received: from a by south; today\r\n" + both]
    if kind == "imap":
        put(server, "north", copies[0])
        put(server, "south", copies[1])
    else:
        deliver(tmp_path / "north", copies[0])
        deliver(tmp_path / "inbox", copies[1])
    assert once(settings) == 2
    assert rows(tmp_path, "select mailbox from tickets") == [{"mailbox": "south"}]
    assert sorted(r["state"] for r in rows(tmp_path, "select state from arrivals")) == ["ignored", "ticket"]
    assert (len(sink.mails), len(south.mails)) == (0, 2)
    (line,) = rows(tmp_path, "select detail from v_audit where event = 'message.settled' and ticket <> ''")
    assert f"addressed to {SOUTH} first" in line["detail"]


def test_a_conversation_stays_with_its_brand_whichever_mailbox_its_mails_come_by(
    tmp_path: Path, server: Dovecot, sink: Sink, south: Sink
) -> None:
    settings = brands(tmp_path, server, sink, south)
    put(server, "north", to(NORTH))
    once(settings)
    asked, answered = forward(sink), acknowledgement(sink)
    sink.mails.clear()

    put(server, "south", reply(answered.message, CUSTOMER, "It is blue.", 1, address=SOUTH))
    once(settings)
    (again,) = sink.mails
    assert again.recipient == asked.recipient
    assert NORTH in str(again.message["From"])
    sink.mails.clear()

    put(server, "south", reply(again.message, f"Kim <{AGENT}>", "Please restart it.", 2, address=SOUTH))
    once(settings)
    (relayed,) = sink.mails
    assert relayed.recipient == CUSTOMER
    assert relayed.message["From"] == f'"North" <{NORTH}>'
    assert "+hd-" in str(relayed.message["Reply-To"]).lower()
    assert south.mails == []
    assert len(rows(tmp_path, "select id from tickets")) == 1


def test_our_mail_is_known_as_ours_in_every_mailbox(tmp_path: Path, server: Dovecot, sink: Sink, south: Sink) -> None:
    settings = brands(tmp_path, server, sink, south)
    put(server, "north", to(NORTH))
    once(settings)
    sent = [m.content.replace(b"Message-ID: <", b"Message-ID: <x") for m in sink.mails]
    put(server, "south", *sent, to(SOUTH, 3, sender=NORTH))
    put(server, "north", to(NORTH, 4, sender=SOUTH))
    sink.mails.clear()
    once(settings)
    assert (sink.mails, south.mails) == ([], [])
    assert len(rows(tmp_path, "select id from tickets")) == 1


def test_a_server_that_is_down_holds_up_no_other_brand(
    tmp_path: Path, server: Dovecot, sink: Sink, south: Sink
) -> None:
    settings = write_brands(tmp_path, (server.url, server.url), (1, south.port))
    put(server, "north", to(NORTH, 1))
    put(server, "south", to(SOUTH, 2))
    with pytest.raises(Exception, match=r"127\.0\.0\.1:1"):
        once(settings)
    assert len(south.mails) == 2
    waiting = rows(tmp_path, "select distinct mailbox, state from outbox order by mailbox")
    assert waiting == [{"mailbox": "north", "state": "pending"}, {"mailbox": "south", "state": "sent"}]


def test_an_imap_server_that_is_down_holds_up_no_other_mailbox_and_is_taken_up_again(
    tmp_path: Path, server: Dovecot, sink: Sink, south: Sink
) -> None:
    put(server, "north", to(NORTH, 1))
    with Dovecot(tmp_path / "second") as other:
        settings = write_brands(tmp_path, (server.url, other.url), (sink.port, south.port))
        server.stop()
        with daemon(settings) as (app, runner):
            put(other, "south", to(SOUTH, 2))
            runner.run(until(app, lambda: bool(app.ingests[0].failing) and len(south.mails) == 2))
        assert sink.mails == []
        server.start()
        with daemon(settings) as (app, runner):
            runner.run(until(app, lambda: len(sink.mails) == 2 and not app.ingests[0].failing))
    assert len(rows(tmp_path, "select id from tickets")) == 2


def test_copies_are_filed_while_serving(tmp_path: Path, server: Dovecot, sink: Sink, south: Sink) -> None:
    settings = brands(tmp_path, server, sink, south, ('sent_folder = "Sent"\nsent_copies = "all"', ""))
    put(server, "north", to(NORTH, 1))
    copied = "select copy_state from outbox where copy_state = 'copied'"
    with daemon(settings) as (app, runner):
        runner.run(until(app, lambda: len(rows(tmp_path, copied)) == 1))
    client = server.client("north")
    assert client.folder_status("Sent", ["MESSAGES"])[b"MESSAGES"] == 1
    client.logout()
