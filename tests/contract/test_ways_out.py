"""Outgoing mail of several mailboxes in one table: each way out sees its own; copies wait until they are filed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from helpdesk_daemon.adapters.store.engine import open_engine, transaction
from helpdesk_daemon.adapters.store.mail.copies import CopiesToFile
from helpdesk_daemon.adapters.store.mail.outbox import Outbox
from helpdesk_daemon.adapters.store.migrate import SCRIPTS, migrate
from helpdesk_daemon.outgoing.message import Kind
from helpdesk_daemon.ports import Audit, Sent
from tests.contract.rows import CUSTOMER, START, Database, outgoing

COPIES = {"south": (Kind.RELAY,)}
OLD_TICKET = """
insert into tickets (id, state, subject, requester_email, requester_name, mailbox, category, department, address,
  priority, sla_hours, due_at, needs_review, linked_to, forward_id, customer_id, created_at, updated_at)
values ('HD-00000001', 'open', '', '', '', 'south', '', '', '', 'Low', 1, '', 0, '', '', '', '', '')"""
OLD_MAIL = """
insert into outbox (kind, ticket, sender, recipient, message_id, state, attempts, next_attempt_at, created_at,
  last_reply, size)
values ('relay', :ticket, '', '', '', 'sent', 1, '', '', '', 0)"""


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "helpdesk.db")
    mails = [
        replace(outgoing(1, kind, CUSTOMER), mailbox=mailbox)
        for mailbox in ("north", "south", "gone", "")
        for kind in (Kind.ACKNOWLEDGEMENT, Kind.RELAY)
    ]
    made.open_ticket(1, outgoing=tuple(mails))
    yield made
    made.engine.dispose()


def ways(db: Database) -> tuple[Outbox, Outbox]:
    """That of south, and that of all others."""
    return Outbox(db.engine, db.clock, "south", (), COPIES), Outbox(db.engine, db.clock, "", ["south"], COPIES)


def test_each_way_out_sees_its_own_mail_and_between_them_all(db: Database) -> None:
    south, others = ways(db)
    assert {row.mailbox for row in south.due(99)} == {"south"}
    assert {row.mailbox for row in others.due(99)} == {"north", "gone", ""}
    assert len(south.due(99)) + len(others.due(99)) == len(db.outbox.due(99)) == 8


def test_next_due_and_recovery_are_of_ones_own_mail(db: Database) -> None:
    south, others = ways(db)
    south.settle([], [row.id for row in south.due(99)])
    assert (south.next_due(), others.next_due()) == (None, START)
    assert others.recover() == []
    assert south.due(99) == [], "what another way is sending is left alone"
    (unsure,) = south.recover()
    assert db.one("select kind from outbox where id = :id", id=unsure) == Kind.ACKNOWLEDGEMENT


def sent(db: Database) -> CopiesToFile:
    """The copies, when every mail has left."""
    for way in ways(db):
        ids = way.settle([], [row.id for row in way.due(99)])
        way.settle([Sent(row, "sent", "250 ok") for row in ids], [])
    return CopiesToFile(db.engine, db.clock)


def test_a_copy_is_wanted_of_mail_that_left_of_the_kinds_and_mailbox_named(db: Database) -> None:
    copies = CopiesToFile(db.engine, db.clock)
    assert copies.wanted("south", 0, 9) == []
    copies = sent(db)
    (copy,) = copies.wanted("south", 0, 9)
    assert (copy.message_id, copy.sent_at, copy.attempts) == (outgoing(1, Kind.RELAY).message_id, START, 0)
    assert copy.mime == outgoing(1, Kind.RELAY).mime
    assert copies.wanted("north", 0, 9) == []
    assert copies.wanted("south", copy.id, 9) == []


def test_mail_that_did_not_leave_is_not_copied(db: Database) -> None:
    south, _ = ways(db)
    ids = south.settle([], [row.id for row in south.due(99)])
    later = START + timedelta(hours=1)
    south.settle([Sent(ids[0], "failed", "550"), Sent(ids[1], "deferred", "451", later)], [])
    assert CopiesToFile(db.engine, db.clock).wanted("south", 0, 9) == []


@pytest.mark.parametrize(("state", "attempts"), [("copied", None), ("given up", None), ("wanted", 1)])
def test_how_a_try_ended_is_kept_and_logged(db: Database, state: str, attempts: int | None) -> None:
    copies = sent(db)
    (copy,) = copies.wanted("south", 0, 9)
    copies.settle(copy.id, state, Audit("copy.tried", {"outbox": copy.id}, copy.ticket))
    assert [c.attempts for c in copies.wanted("south", 0, 9)] == ([] if attempts is None else [attempts])
    assert db.one("select count(*) from audit_log where event = 'copy.tried'") == 1


def test_a_mail_whose_bytes_are_gone_is_passed_over(db: Database) -> None:
    copies = sent(db)
    db.write("update outbox set mime = null")
    assert copies.wanted("south", 0, 9) == []


def test_mail_of_an_older_file_gets_the_mailbox_of_its_ticket(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "old.db")
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    with transaction(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.execute(text(OLD_TICKET))
        for ticket in ("HD-00000001", "", "HD-00000002"):
            connection.execute(text(OLD_MAIL), {"ticket": ticket})
    migrate(engine)
    with transaction(engine) as connection:
        found = connection.execute(text("select mailbox, copy_state from outbox order by id")).all()
    engine.dispose()
    assert [tuple(row) for row in found] == [("south", ""), ("", ""), ("", "")]
