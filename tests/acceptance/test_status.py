"""`status`, `incidents` and `alerts test`, as processes, beside a database in a known state."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pexpect
import pytest

from helpdesk_daemon.adapters.store.engine import StageLock
from helpdesk_daemon.adapters.store.telling.incidents import Incidents
from helpdesk_daemon.ports import Incident
from tests.acceptance.command import at_terminal, document, out, run
from tests.contract.rows import FOLDER, Database, ignored
from tests.harness.dovecot import free_port
from tests.harness.hook import Hook
from tests.harness.sink import Sink
from tests.harness.world import write_settings


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    """A database whose one mailbox was polled a moment ago."""
    write_settings(tmp_path, "maildir:inbox", free_port())
    (tmp_path / "data").mkdir()
    database = Database(tmp_path / "data" / "helpdesk.db")
    database.clock.at = datetime.now(UTC).replace(microsecond=0)  # not when the tests were collected
    database.arrivals.note_poll("support", FOLDER)
    yield database
    database.engine.dispose()


def status(folder: Path) -> tuple[int, dict[str, Any]]:
    done = run(folder, "status", "--json")
    return done.returncode, json.loads(done.stdout)


def test_nothing_wrong_is_said_and_exits_with_0(tmp_path: Path, db: Database) -> None:
    said = out(run(tmp_path, "status"))
    assert "Nothing needs a person." in said
    assert "support: polled" in said
    assert "not running" in said
    found = document(run(tmp_path, "status", "--json"))
    assert found["problems"] == []
    assert set(found) == {
        "at", "running", "problems", "mailboxes", "arrivals", "outbox", "breaker", "incidents", "examples", "today",
        "rules",
    }  # fmt: skip


def test_todays_numbers_are_todays(tmp_path: Path, db: Database) -> None:
    now = db.clock.at
    db.clock.at = now - timedelta(days=2)
    db.open_ticket(1, audit=())
    db.clock.at = now
    db.write("update tickets set created_at = '2026-01-01T00:00:00.000Z'")
    for number in (2, 3, 4):
        db.open_ticket(number, audit=())
    today = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    db.write("update tickets set created_at = :today where id <> 'HD-00000001'", today=today)
    db.write("update tickets set needs_review = 1 where id = 'HD-00000002'")
    db.write("update tickets set not_acknowledged = 'a list' where id in ('HD-00000002', 'HD-00000003')")
    (number,) = db.arrive(1, 9)
    db.decisions.claim(1)
    db.decisions.commit([ignored(number)])
    db.write("update outbox set state = 'sent'")
    _, found = status(tmp_path)
    assert found["today"] == {
        "mails": 4, "by_state": {"ticket": 3, "ignored": 1}, "tickets": 3, "review": 1, "acknowledged": 1,
        "departments": {"Billing Team": 3},
    }  # fmt: skip
    said = out(run(tmp_path, "status"))
    assert "4 mails: 3 tickets, 0 replies, 1 ignored" in said
    assert "1 acknowledged, 1 to review (33%)" in said


def test_what_is_wrong_now_is_said_though_nobody_was_told(tmp_path: Path, db: Database) -> None:
    (number,) = db.arrive(1)
    db.decisions.commit([ignored(number, breaker="a storm")])
    code, found = status(tmp_path)
    assert code == 1
    assert [p["name"] for p in found["problems"]] == ["breaker.open"]
    assert found["breaker"]["reason"] == "a storm"
    done = run(tmp_path, "status")
    assert done.returncode == 1
    assert b"helpdesk-daemon outbox release" in done.stdout


def test_mail_that_waits_is_counted_with_its_age(tmp_path: Path, db: Database) -> None:
    now = db.clock.at
    db.clock.at = now - timedelta(hours=3)
    db.open_ticket(1)
    db.arrive(2, 5)
    code, found = status(tmp_path)
    assert code == 1
    assert {p["name"] for p in found["problems"]} == {"outbox.stuck", "arrivals.waiting"}
    assert (found["arrivals"]["pending"], found["outbox"]["pending"]) == (2, 2)
    said = run(tmp_path, "status").stdout.decode()
    assert "2 wait, the oldest came 3 h ago" in said
    assert "2 pending; the oldest was due 3 h ago" in said


def test_a_running_daemon_is_named_and_not_disturbed(tmp_path: Path, db: Database) -> None:
    lock = StageLock(tmp_path / "data")
    lock.acquire()
    _, found = status(tmp_path)
    assert found["running"]["process"] == str(os.getpid())
    assert abs(datetime.fromisoformat(found["running"]["since"]) - datetime.now(UTC)) < timedelta(minutes=5)
    lock.release()
    assert status(tmp_path)[1]["running"] is None
    lock.acquire()
    lock.release()


def test_watching_shows_the_news_until_ctrl_c(tmp_path: Path, db: Database) -> None:
    terminal = at_terminal(tmp_path, "status", "--watch")
    terminal.expect_exact("Nothing needs a person.")
    (number,) = db.arrive(1)
    db.decisions.commit([ignored(number, breaker="a storm")])
    terminal.expect_exact("a storm")
    db.write("update alembic_version set version_num = '9999'")
    terminal.expect_exact("belongs to another version")
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


def test_watching_needs_a_terminal(tmp_path: Path, db: Database) -> None:
    done = run(tmp_path, "status", "--watch")
    assert (done.returncode, b"--watch needs a terminal" in done.stderr) == (2, True)


def test_open_incidents_are_shown_and_those_over_on_request(tmp_path: Path, db: Database) -> None:
    now = db.clock.at

    def incident(subject: str, **more: Any) -> Incident:
        return Incident(0, "model.failing", subject, f"It {subject}", "The model fails", "Mend it", now, **more)

    kept = [
        incident("open", opened_at=now, mailed_at=now),
        incident("suspected"),
        incident("over", opened_at=now, gone_at=now, recovered_at=now),
        incident("going", opened_at=now, gone_at=now),
    ]
    Incidents(db.engine, db.clock).settle(kept, [], [], [])
    code, found = status(tmp_path)
    assert (code, [p["subject"] for p in found["problems"]]) == (1, ["open"])
    assert [row["subject"] for row in document(run(tmp_path, "incidents", "list", "--json"))] == ["going", "open"]
    every = document(run(tmp_path, "incidents", "list", "--all", "--json"))
    assert [row["subject"] for row in every] == ["going", "over", "open"]
    assert "The model fails" in out(run(tmp_path, "incidents", "list"))


def test_without_a_database_the_next_step_is_named(tmp_path: Path) -> None:
    write_settings(tmp_path, "maildir:inbox", free_port())
    done = run(tmp_path, "status")
    assert done.returncode == 78
    assert b"Start the daemon" in done.stderr


def test_a_database_of_another_version_is_left_alone(tmp_path: Path, db: Database) -> None:
    db.write("update alembic_version set version_num = '0001'")
    done = run(tmp_path, "status")
    assert done.returncode == 78
    assert b"another version" in done.stderr
    assert db.one("select version_num from alembic_version") == "0001"


def test_a_rules_file_that_is_wrong_is_said_beside_the_rest(tmp_path: Path, db: Database) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('rules = "none.toml"\n' + path.read_text())
    done = run(tmp_path, "status")
    said = done.stdout.decode()
    assert done.returncode == 1
    assert "Nothing needs a person" not in said
    assert "none.toml" in said
    assert "support: polled" in said


# --- alerts test ---------------------------------------------------------------------------------


def test_a_test_alert_goes_out_by_every_channel(tmp_path: Path) -> None:
    with Sink() as sink, Hook() as hook:
        write_settings(tmp_path, "maildir:inbox", sink.port, limits=f'[alerts]\nwebhook_url = "{hook.url}"')
        said = out(run(tmp_path, "alerts", "test"))
        assert [mail.recipient for mail in sink.mails] == ["operator@helpdesk.example"]
        assert sink.mails[0].message["Subject"] == "Alert: this is a test"
        assert [post["event"] for post in hook.posts] == ["test"]
    assert "sent mail     operator@helpdesk.example: 250 kept" in said
    assert "secret-word" not in said


def test_a_channel_that_fails_is_said_and_the_other_tried(tmp_path: Path) -> None:
    with Hook() as hook:
        write_settings(tmp_path, "maildir:inbox", free_port(), limits=f'[alerts]\nwebhook_url = "{hook.url}"')
        done = run(tmp_path, "alerts", "test", "--json")
        assert len(hook.posts) == 1
    assert done.returncode == 1
    assert [(row["channel"], row["ok"]) for row in json.loads(done.stdout)] == [("mail", False), ("webhook", True)]


def test_without_a_channel_the_settings_are_named(tmp_path: Path) -> None:
    path = write_settings(tmp_path, "maildir:inbox", free_port())
    path.write_text(path.read_text().replace('operator = "operator@helpdesk.example"\n', ""))
    done = run(tmp_path, "alerts", "test")
    assert done.returncode == 1
    assert b"operator" in done.stderr
    assert b"webhook_url" in done.stderr
