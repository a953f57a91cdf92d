"""What is old goes, what is not done with stays, and a look that finds nothing costs nothing."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from structlog.testing import capture_logs

from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.engine import open_engine, transaction
from helpdesk_daemon.adapters.store.mail.arrivals import pack, unpack
from helpdesk_daemon.adapters.store.upkeep.retention import Retention
from helpdesk_daemon.app import running
from helpdesk_daemon.assembly import Parts
from helpdesk_daemon.errors import ConfigError, StoreError
from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.settings import load_settings
from helpdesk_daemon.stages.retain import Retain
from tests.contract.rows import START, Database, Hands, ignored
from tests.harness.fakes import HashEmbedder
from tests.harness.mails import mail

OLD = timedelta(days=30)


def sweep(db: Database, *kinds: str, age: timedelta = OLD) -> dict[str, int]:
    lane = Lane("db")
    stage = Retain(Retention(db.engine, db.clock), dict.fromkeys(kinds, age), db.clock, lane)
    try:
        return asyncio.run(stage.sweep())
    finally:
        lane.close()


def sent(db: Database) -> None:
    db.write("update outbox set state = 'sent'")


def test_old_mail_goes_and_young_mail_stays(db: Database) -> None:
    for number in (1, 2, 3):
        db.open_ticket(number)
    sent(db)
    db.clock.turn(days=31)
    db.open_ticket(4)
    assert sweep(db, "raw") == {"raw": 3 + 6}
    assert db.rows("select ticket from arrivals where raw is not null") == [{"ticket": "HD-00000004"}]
    assert db.one("select count(*) from outbox where mime is not null") == 2
    assert db.one("select count(*) from messages where text <> ''") == 4
    assert db.one("select count(*) from arrivals where digest <> ''") == 4
    assert sweep(db, "raw") == {}


@pytest.mark.parametrize("state", ["pending", "claimed", "quarantined"])
def test_mail_that_is_not_decided_is_never_forgotten(db: Database, state: str) -> None:
    db.arrive(1)
    db.write("update arrivals set state = :state", state=state)
    db.clock.turn(days=999)
    assert sweep(db, "raw", "attachments") == {"attachments": 1}
    assert db.one("select raw is not null from arrivals") == 1


@pytest.mark.parametrize("state", ["pending", "deferred", "sending", "failed", "ambiguous", "held"])
def test_mail_that_has_not_left_is_never_forgotten(db: Database, state: str) -> None:
    db.open_ticket(1)
    db.write("update outbox set state = :state", state=state)
    db.clock.turn(days=999)
    sweep(db, "raw")
    assert db.one("select count(*) from outbox where mime is not null") == 2
    assert db.one("select count(*) from arrivals where raw is not null") == 0


def test_a_mail_that_is_still_to_be_filed_stays(db: Database) -> None:
    db.open_ticket(1)
    db.write("update outbox set state = 'sent', copy_state = case id when 1 then 'wanted' else 'copied' end")
    db.clock.turn(days=999)
    sweep(db, "raw")
    assert db.rows("select id from outbox where mime is not null") == [{"id": 1}]


def test_old_texts_go_and_who_wrote_when_stays(db: Database) -> None:
    db.open_ticket(1)
    db.clock.turn(days=31)
    assert sweep(db, "bodies") == {"bodies": 1}
    row = db.rows("select sender, subject, text, new_text from messages")[0]
    assert row == {"sender": "zoe@customer.example", "subject": "Invoice 1", "text": "", "new_text": ""}


def test_texts_that_nobody_labelled_go_with_the_bodies(db: Database) -> None:
    db.open_ticket(1)
    db.write("delete from examples")
    for source in ("confirmation", "correction"):
        db.write(
            "insert into examples (text, category, source, ticket, actor, active, created_at, digest, model) values "
            "(:source, 'Bug', :source, '', '', 1, '2026-01-01T00:00:00.000Z', :source, '')", source=source,
        )  # fmt: skip
    db.clock.turn(days=31)
    assert sweep(db, "bodies") == {"bodies": 2}
    assert db.rows("select source from examples") == [{"source": "correction"}]


def test_attachments_go_and_the_mail_stays(db: Database) -> None:
    made = EmailMessage()
    made.set_content("See the scan.\n")
    made.add_attachment(b"\x00" * 60_000, "image", "png", filename="scan.png")
    for number in (1, 2):
        db.open_ticket(number)
    sent(db)
    with transaction(db.engine) as connection:
        connection.exec_driver_sql("update arrivals set raw = ?", (pack(made.as_bytes()),))
        connection.exec_driver_sql("update outbox set mime = ? where id = 1", (made.as_bytes(),))
    db.clock.turn(days=31)
    assert sweep(db, "attachments") == {"attachments": 2 + 4}
    for row in db.rows("select raw from arrivals"):
        kept = unpack(row["raw"])
        assert b"See the scan." in kept
        assert len(kept) < 2_000
    assert len(db.one("select mime from outbox where id = 1")) < 2_000
    assert sweep(db, "attachments") == {}, "what was looked at is not looked at again"


def test_mails_of_one_moment_are_dealt_with_together_however_many(db: Database) -> None:
    for number in db.arrive(30):
        db.decisions.commit([ignored(number)])
    db.clock.turn(days=31)
    store = Retention(db.engine, db.clock)
    assert store.forget("attachments", db.clock.now() - OLD, 7) == 7
    assert store.forget("attachments", db.clock.now() - OLD, 7) == 0


def test_old_lines_of_the_log_go_and_the_rest_verifies(db: Database) -> None:
    db.open_ticket(1)
    db.clock.turn(days=31)
    db.open_ticket(2)
    assert sweep(db, "audit") == {"audit": 3}
    with transaction(db.engine) as connection:
        found = audit.verify(connection)
    assert (found.problem, found.rows) == ("", 3 + 1)
    line = db.rows("select event, detail from v_audit limit 1")[0]
    assert (line["event"], json.loads(line["detail"])) == ("retention.applied", {"audit": 3})


def test_everything_at_once_and_nothing_by_default(db: Database) -> None:
    db.open_ticket(1)
    sent(db)
    db.clock.turn(days=31)
    assert sweep(db) == {}
    assert set(sweep(db, "attachments", "raw", "bodies", "audit")) == {"attachments", "raw", "bodies", "audit"}


@pytest.mark.parametrize(("what", "indexes"), [
    ("raw", {"arrivals_raw", "outbox_mime"}), ("bodies", {"messages_text", "examples_confirmed"}),
    ("attachments", {"arrivals_raw", "outbox_mime"}),
])  # fmt: skip
def test_a_look_reads_only_what_there_is_to_forget(db: Database, what: str, indexes: set[str]) -> None:
    asked: list[tuple[str, Any]] = []

    def note(connection: object, cursor: object, statement: str, parameters: Any, *rest: object) -> None:
        asked.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    Retention(db.engine, db.clock).forget(what, START, 200)
    event.remove(db.engine, "before_cursor_execute", note)
    steps = []
    with transaction(db.engine) as connection:
        for statement, values in asked:
            if "FROM retention" not in statement and statement.startswith("SELECT"):
                steps += [row.detail for row in connection.exec_driver_sql(f"explain query plan {statement}", values)]
    assert {index for index in indexes if any(index in step for step in steps)} == indexes, steps
    assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step]


class Broken:
    """A store that fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def forget(self, what: str, before: object, limit: int) -> int:
        raise self.error

    def note(self, forgotten: object) -> None:
        raise AssertionError


def test_a_bug_in_retention_does_not_stop_the_mail_and_a_broken_database_does(db: Database) -> None:
    lane = Lane("db")
    with capture_logs() as said:
        asyncio.run(Retain(Broken(ValueError("no")), {"raw": OLD}, db.clock, lane).look())
    assert [line["event"] for line in said] == ["retention.failed"]
    with pytest.raises(StoreError):
        asyncio.run(Retain(Broken(StoreError("full")), {"raw": OLD}, db.clock, lane).look())
    lane.close()


def test_a_retained_mail_is_recognised_when_it_comes_again(db: Database) -> None:
    db.open_ticket(1)
    db.clock.turn(days=31)
    sweep(db, "raw", "bodies")
    assert db.arrive(1) != []
    assert db.one("select count(*) from arrivals") == 1


@pytest.mark.parametrize(("line", "words"), [
    ("raw_days = 3", "retention.raw_days"), ("audit_days = -1", "7 and more"), ("body_days = 'x'", "body_days"),
    ("days = 9", "retention.days"),
])  # fmt: skip
def test_a_retention_that_is_none_is_refused_with_its_key(tmp_path: Path, line: str, words: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f"[retention]\n{line}\n")
    with pytest.raises(ConfigError, match=words):
        load_settings(file)


def test_the_daemon_forgets_as_it_is_told(tmp_path: Path) -> None:
    file, inbox = tmp_path / "settings.toml", tmp_path / "inbox"
    file.write_text(
        f'data_dir = "data"\n[[mailbox]]\nurl = "maildir:{inbox}"\nstart = "all"\n'
        f'[smtp]\nurl = "maildir:{tmp_path}/out"\n[retention]\nraw_days = 7\n'
    )
    deliver(inbox, mail(1))
    clock = Hands(datetime.now(UTC))
    for _ in range(2):
        with running(load_settings(file), Parts(embedder=HashEmbedder(), clock=clock)) as (app, runner):
            runner.run(app.once())
        clock.turn(days=8)
    engine = open_engine(tmp_path / "data" / "helpdesk.db")
    with transaction(engine) as connection:
        left = connection.exec_driver_sql("select count(raw), count(*) from arrivals").one()
        told = (
            connection.exec_driver_sql("select detail from v_audit where event = 'retention.applied'").scalars().all()
        )
    engine.dispose()
    assert tuple(left) == (0, 1)
    assert [json.loads(detail) for detail in told] == [{"raw": 3}]
