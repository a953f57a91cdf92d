"""An operator's hand on outgoing mail: hold, release, retry, drop, show, over real servers and the real database."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.cli.main import cli
from tests.harness.mails import mail
from tests.harness.sink import Sink
from tests.harness.world import rows, write_settings
from tests.integration.conftest import once

CUSTOMER = "ann@customer.example.net"


@pytest.fixture
def settings(tmp_path: Path, sink: Sink) -> Path:
    deliver(tmp_path / "inbox", mail(1, sender=CUSTOMER))
    return write_settings(tmp_path, "maildir:inbox", sink.port)


def command(settings: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--settings", str(settings), *words])


def document(settings: Path, *words: str) -> Any:
    done = command(settings, *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def states(folder: Path) -> dict[str, str]:
    return {r["kind"]: r["state"] for r in rows(folder, "select kind, state from outbox order by id")}


def last_audit(folder: Path) -> dict[str, Any]:
    (line,) = rows(folder, "select event, actor, detail from v_audit limit 1")
    return line


def test_held_by_hand_nothing_leaves_until_released(tmp_path: Path, settings: Path, sink: Sink) -> None:
    assert document(settings, "outbox", "hold", "a loop", "with", "Example") == {
        "held": True, "reason": "a loop with Example",
    }  # fmt: skip
    assert last_audit(tmp_path)["event"] == "breaker.opened"
    assert getpass.getuser() in last_audit(tmp_path)["actor"]
    assert document(settings, "outbox", "hold")["held"] is False
    once(settings)
    assert [m.recipient for m in sink.mails] == ["operator@helpdesk.example"], "only the alert leaves"
    assert len(rows(tmp_path, "select id from tickets")) == 1, "mail is still taken and decided"
    waiting = document(settings, "outbox", "list", "--state", "pending")
    assert [row["waits_for"] for row in waiting] == ["the breaker", "the breaker"]
    assert "a loop with Example" in command(settings, "outbox", "list").output
    assert document(settings, "outbox", "release") == {"released": True}
    assert last_audit(tmp_path)["event"] == "breaker.released"
    assert document(settings, "outbox", "release") == {"released": False}
    waiting = document(settings, "outbox", "list", "--state", "pending")
    assert [row["waits_for"] for row in waiting] == ["its turn", "its turn"]
    once(settings)
    assert {"forward": "sent", "acknowledgement": "sent"}.items() <= states(tmp_path).items()


def test_a_release_begins_the_limits_anew(tmp_path: Path, settings: Path, sink: Sink) -> None:
    limits = "[limits]\nmail_burst = 2\nmail_hourly = 0.001\ntotal_burst = 1\ntotal_hourly = 0.001\n"
    write_settings(tmp_path, "maildir:inbox", sink.port, limits=limits)
    once(settings)
    deliver(tmp_path / "inbox", mail(2))
    once(settings)
    assert rows(tmp_path, "select count(*) as n from breakers") == [{"n": 1}]
    document(settings, "outbox", "release")
    deliver(tmp_path / "inbox", mail(3))
    once(settings)
    assert rows(tmp_path, "select released_at is null as open from breakers") == [{"open": 0}]


def test_failed_mail_is_sent_again(tmp_path: Path, settings: Path, sink: Sink) -> None:
    sink.refused = {CUSTOMER}
    once(settings)
    assert states(tmp_path)["acknowledgement"] == "failed"
    sink.refused = set()
    sink.mails.clear()
    (failed,) = document(settings, "outbox", "list", "--state", "failed")
    assert document(settings, "outbox", "retry") == {"retried": [failed["id"]], "not_found": []}
    assert json.loads(last_audit(tmp_path)["detail"])["was"] == "failed"
    once(settings)
    assert [m.recipient for m in sink.mails] == [CUSTOMER]
    done = command(settings, "outbox", "retry", str(failed["id"]), "999")
    assert done.exit_code == 1, "what was sent is not sent again"
    assert "999" in done.stderr


def test_mail_in_doubt_is_only_sent_again_by_number(tmp_path: Path, settings: Path) -> None:
    with Sink(fault=lambda at, number: "drop" if at == "after-dot" else None) as sink:
        write_settings(tmp_path, "maildir:inbox", sink.port)
        once(settings)
    assert states(tmp_path) == {"forward": "deferred", "acknowledgement": "ambiguous"}
    by_kind = {row["kind"]: row["id"] for row in document(settings, "outbox", "list")}
    assert document(settings, "outbox", "retry")["retried"] == [by_kind["forward"]]
    assert document(settings, "outbox", "retry", str(by_kind["acknowledgement"]))["retried"]
    with Sink() as sink:
        write_settings(tmp_path, "maildir:inbox", sink.port)
        once(settings)
        assert len(sink.mails) == 2


def test_dropped_mail_never_leaves_and_stays_to_be_looked_at(tmp_path: Path, settings: Path, sink: Sink) -> None:
    document(settings, "outbox", "hold")
    once(settings)
    assert command(settings, "outbox", "drop").exit_code == 2
    dropped = document(settings, "outbox", "drop", "--kind", "acknowledgement", "--to", CUSTOMER.upper())["dropped"]
    assert len(dropped) == 1
    document(settings, "outbox", "release")
    once(settings)
    assert {"forward": "sent", "acknowledgement": "dropped"}.items() <= states(tmp_path).items()
    assert CUSTOMER not in {m.recipient for m in sink.mails}
    assert command(settings, "outbox", "retry", str(dropped[0])).exit_code == 1
    assert last_audit(tmp_path)["event"] == "outgoing.sent"
    assert rows(tmp_path, "select count(*) as n from audit_log where event = 'outgoing.dropped'") == [{"n": 1}]


def test_a_mail_is_shown_with_header_and_text(tmp_path: Path, settings: Path, sink: Sink) -> None:
    once(settings)
    (row,) = document(settings, "outbox", "list", "--state", "sent", "--limit", "1")
    shown = command(settings, "outbox", "show", str(row["id"]), "--save", str(tmp_path / "copy.eml"))
    assert "Auto-Submitted: auto-replied" in shown.output
    assert "we have received your message" in shown.output
    assert (tmp_path / "copy.eml").read_bytes() in {m.content for m in sink.mails}
    assert ["To", CUSTOMER] in [[name, value[-len(CUSTOMER) - 1 : -1]] for name, value in
                               document(settings, "outbox", "show", str(row["id"]))["headers"]]  # fmt: skip
    assert command(settings, "outbox", "show", "999").exit_code == 1


def test_what_a_stranger_wrote_does_not_act_on_a_terminal(tmp_path: Path, settings: Path) -> None:
    hostile = mail(2, sender="eve@evil.example", subject="a\x1b[2Jb\x9b31mc").replace(
        b"Customer 2", "E\u202eve".encode()
    )
    deliver(tmp_path / "inbox", hostile.replace(b"\r\n\r\n", b"\r\n\r\n\x1b]0;owned\x07 ", 1))
    once(settings)
    for row in document(settings, "outbox", "list"):
        said = command(settings, "outbox", "show", str(row["id"])).output
        assert not set(said) & set("\x1b\x9b\x07\u202e")
    for words in (("outbox", "list"), ("tickets", "list"), ("arrivals", "list")):
        assert not set(command(settings, *words).output) & set("\x1b\x9b\x07\u202e"), words
