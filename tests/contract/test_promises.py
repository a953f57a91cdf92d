"""Promises in the database: what becomes of tickets that were there before promises were."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from helpdesk_daemon.adapters.store.engine import open_engine, transaction
from helpdesk_daemon.adapters.store.migrate import SCRIPTS
from tests.contract.rows import START, Database

OLD = """
insert into tickets (id, state, subject, requester_email, requester_name, mailbox, category, department, address,
  priority, sla_hours, due_at, needs_review, linked_to, forward_id, customer_id, created_at, updated_at, closed_at)
values (:id, :state, 'x', 'a@x.example', '', 'support', '', 'Desk', 'desk@x.example',
  'High', 4, :due, 0, '', '', '', '2026-01-01T00:00:00.000Z', '2026-01-01T01:00:00.000Z', :closed)"""


def test_of_what_was_overdue_before_promises_were_kept_nobody_is_told(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "old.db")
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    old = [
        ("HD-1", "open", "2026-01-01T04:00:00.000Z", None), ("HD-2", "new", "2999-01-01T00:00:00.000Z", None),
        ("HD-3", "waiting", "2999-01-01T00:00:00.000Z", None),
        ("HD-4", "closed", "2026-01-01T04:00:00.000Z", "2026-01-01T02:00:00.000Z"),
    ]  # fmt: skip
    with transaction(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0009")
        for number, state, due, closed in old:
            connection.execute(text(OLD), {"id": number, "state": state, "due": due, "closed": closed})
    engine.dispose()
    db = Database(tmp_path / "old.db")
    told = db.rows("select ticket from sla where response_escalated_at is not null order by ticket")
    assert [row["ticket"] for row in told] == ["HD-1", "HD-4"]
    assert db.one("select count(*) from sla where next_at = started_at") == 4
    assert db.rows("select ticket, began_at, ended_at from sla_pauses order by ticket") == [
        {"ticket": "HD-3", "began_at": "2026-01-01T01:00:00.000Z", "ended_at": None},
        {"ticket": "HD-4", "began_at": "2026-01-01T02:00:00.000Z", "ended_at": None},
    ]
    db.engine.dispose()


def test_a_new_ticket_comes_with_its_promise(tmp_path: Path) -> None:
    db = Database(tmp_path / "new.db")
    opened = db.open_ticket(1)
    (row,) = db.rows("select * from v_sla")
    assert (row["id"], row["response"], row["resolution"]) == (opened.id, "running", "")
    assert db.one("select next_at from sla") == START.strftime("%Y-%m-%dT%H:%M:%S.123Z")
    db.engine.dispose()
