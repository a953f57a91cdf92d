"""Copies of answers in the mailbox's Sent folder: each once, whatever happens, and no mail waits for them."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.errors import TransientError
from tests.harness.brands import NORTH, write_brands
from tests.harness.dovecot import Dovecot, free_port
from tests.harness.mails import mail
from tests.harness.sink import Sink
from tests.harness.world import child, rows, write_settings
from tests.integration.conftest import daemon, once
from tests.integration.test_brands import forward, put, to
from tests.integration.test_conversation import reply

CUSTOMER, AGENT = "ann@customer.example.net", "kim@helpdesk.example"
SENT = 'sent_folder = "Sent"'


def sent(server: Dovecot, folder: str = "Sent", user: str = "north") -> list[tuple[bytes, set[bytes]]]:
    """The mails of a folder with their flags."""
    client = server.client(user)
    try:
        if not client.folder_exists(folder):
            return []
        client.select_folder(folder, readonly=True)
        found = client.fetch(client.search(), ["BODY.PEEK[]", "FLAGS"])
        return [(f[b"BODY[]"], set(f[b"FLAGS"])) for f in found.values()]
    finally:
        client.logout()


def answered(tmp_path: Path, server: Dovecot, sink: Sink, lines: str = SENT) -> Path:
    """Settings of a daemon with a ticket, and an agent's answer waiting in the mailbox."""
    settings = write_brands(tmp_path, (server.url, "maildir:south-box"), (sink.port, sink.port), (lines, ""))
    put(server, "north", to(NORTH))
    once(settings)
    put(server, "north", reply(forward(sink).message, f"Kim <{AGENT}>", "Please restart it.", 1))
    sink.mails.clear()
    return settings


@pytest.mark.parametrize(
    ("lines", "folder"),
    [(SENT, "Sent"), ('sent_folder = "auto"', "Sent"), ('sent_folder = "auto"', "Gesendete Objekte")],
)
def test_an_answer_is_filed_read_and_as_it_left(
    tmp_path: Path, server: Dovecot, sink: Sink, lines: str, folder: str
) -> None:
    if folder != "Sent":
        put(server, "north")
        client = server.client("north")
        client.create_folder(folder)
        client.logout()
    settings = answered(tmp_path, server, sink, lines)
    assert sent(server, folder) == [], "acknowledgements are not copied unless asked for"
    once(settings)
    (left,) = sink.mails
    ((copy, flags),) = sent(server, folder)
    assert copy == left.content
    assert rb"\Seen" in flags
    once(settings)
    assert len(sent(server, folder)) == 1
    assert rows(tmp_path, "select kind from outbox where copy_state = 'copied'") == [{"kind": "relay"}]


@pytest.mark.parametrize("point", ["deliver.sent", "deliver.finished", "copies.filed"])
def test_a_kill_around_the_append_neither_loses_nor_doubles_the_copy(
    tmp_path: Path, server: Dovecot, sink: Sink, point: str
) -> None:
    settings = answered(tmp_path, server, sink)
    assert child(settings, "once", point, "1").wait(90) == -signal.SIGKILL
    assert child(settings, "once").wait(90) == 0
    assert child(settings, "once").wait(90) == 0
    assert len(sent(server)) == 1


def test_a_sent_folder_that_is_down_delays_no_mail_and_gets_its_copy_later(tmp_path: Path, sink: Sink) -> None:
    deliver(tmp_path / "inbox", mail(1))
    settings = write_settings(tmp_path, "maildir:inbox", sink.port, 'sent_folder = "Sent"\nsent_copies = "all"')
    (tmp_path / "inbox" / ".Sent").write_text("in the way")
    with pytest.raises(TransientError):
        once(settings)
    assert len(sink.mails) == 2
    assert rows(tmp_path, "select copy_state, copy_attempts from outbox where kind = 'acknowledgement'") == [
        {"copy_state": "wanted", "copy_attempts": 0}
    ]
    (tmp_path / "inbox" / ".Sent").unlink()
    once(settings)
    (copy,) = (tmp_path / "inbox" / ".Sent" / "cur").iterdir()
    assert copy.name.endswith(":2,S")
    assert b"auto-replied" in copy.read_bytes()


def test_a_copy_that_the_server_keeps_refusing_is_given_up_and_logged(
    tmp_path: Path, server: Dovecot, sink: Sink
) -> None:
    settings = answered(tmp_path, server, sink, 'sent_folder = "a\\u0001b"')
    for _ in range(2):
        once(settings)
    assert rows(tmp_path, "select copy_state, copy_attempts from outbox where kind = 'relay'") == [
        {"copy_state": "wanted", "copy_attempts": 2}
    ]
    with daemon(settings) as (app, runner):
        for _ in range(10):
            runner.run(app.copies[0].drain())
    assert rows(tmp_path, "select copy_state from outbox where kind = 'relay'") == [{"copy_state": "given up"}]
    assert len(rows(tmp_path, "select 1 from audit_log where event = 'copy.given_up'")) == 1
    assert [m.recipient for m in sink.mails] == [CUSTOMER]


def test_a_mail_that_cannot_be_filed_for_days_is_given_up(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    settings = answered(tmp_path, server, sink)
    once(settings)
    moved = settings.read_text().replace(str(server.port), str(free_port()))
    settings.write_text(moved)
    with daemon(settings) as (app, runner):
        age = "update outbox set copy_state = 'wanted', sent_at = '2026-01-01T00:00:00.000Z' where kind = 'relay'"
        with app.engine.begin() as connection:
            connection.exec_driver_sql(age)
        with pytest.raises(TransientError):
            runner.run(app.copies[0].drain())
    assert rows(tmp_path, "select copy_state from outbox where kind = 'relay'") == [{"copy_state": "given up"}]
