"""The audit log: whatever is done to its rows or ends is found, and named; old rows go behind a signed cut."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.engine import open_engine, transaction
from helpdesk_daemon.adapters.store.migrate import SCRIPTS, migrate
from helpdesk_daemon.adapters.store.schema.columns import iso
from helpdesk_daemon.adapters.store.views.reading import audit_end, audit_tail
from helpdesk_daemon.errors import StoreError
from helpdesk_daemon.ports import Audit
from tests.contract.rows import CUSTOMER, START, Database

ROWS = 24
COLUMNS = ("at", "actor", "event", "ticket", "detail_digest", "previous", "hash")


def write(db: Database, count: int = ROWS) -> None:
    for number in range(count):
        with transaction(db.engine) as connection:
            lines = [Audit("thing.happened", {"number": number}, actor="test")]
            audit.append(connection, lines, START + timedelta(days=number))


def verdict(db: Database, seen: audit.Checkpoint | None = None) -> audit.Verdict:
    with transaction(db.engine) as connection:
        return audit.verify(connection, seen)


def tamper(db: Database, *statements: str) -> None:
    """What somebody with the file and any SQLite tool does, the triggers out of the way."""
    connection = sqlite3.connect(db.path, isolation_level=None)
    names = connection.execute("select name from sqlite_master where type = 'trigger' and tbl_name like 'audit_%'")
    for (name,) in names.fetchall():
        connection.execute(f"drop trigger {name}")
    for statement in statements:
        connection.execute(statement)
    connection.close()


def forge(db: Database, first: int, last: int) -> None:
    """Hash rows anew, as anybody can who knows how this log is made."""
    connection = sqlite3.connect(db.path, isolation_level=None)
    row = connection.execute("select hash from audit_log where seq = ?", (first - 1,)).fetchone()
    previous = row[0] if row else audit.GENESIS
    for seq in range(first, last + 1):
        row = connection.execute(
            "select at, actor, event, ticket, detail_digest from audit_log where seq = ?", (seq,)
        ).fetchone()
        digest = audit.row_hash(previous, seq, *row)
        connection.execute("update audit_log set previous = ?, hash = ? where seq = ?", (previous, digest, seq))
        previous = digest
    connection.close()


def changed(db: Database, at: int, rng: random.Random) -> int:
    column = rng.choice(COLUMNS)
    tamper(db, f"update audit_log set {column} = 'x' || substr({column}, 2) where seq = {at}")
    return at


def changed_and_hashed_anew(db: Database, at: int, rng: random.Random) -> int:
    tamper(db, f"update audit_log set event = 'thing.denied' where seq = {at}")
    forge(db, at, ROWS)
    return ROWS  # the chain holds, so the first that is known to be wrong is the one that was signed


def detail_changed(db: Database, at: int, rng: random.Random) -> int:
    tamper(db, f"update audit_detail set detail = '{{}}' where seq = {at}")
    return at


def detail_removed(db: Database, at: int, rng: random.Random) -> int:
    tamper(db, f"delete from audit_detail where seq = {at}")
    return at


def removed(db: Database, at: int, rng: random.Random) -> int:
    tamper(db, f"delete from audit_log where seq = {at}")
    return at


def removed_and_closed_up(db: Database, at: int, rng: random.Random) -> int:
    moved = [f"update {table} set seq = seq - 1 where seq = {n}" for n in range(at + 1, ROWS + 1)
             for table in ("audit_log", "audit_detail")]  # fmt: skip
    tamper(db, f"delete from audit_detail where seq = {at}", f"delete from audit_log where seq = {at}", *moved)
    forge(db, at, ROWS - 1)
    return ROWS


def tail_cut(db: Database, at: int, rng: random.Random) -> int:
    tamper(db, f"delete from audit_log where seq >= {at}", f"delete from audit_detail where seq >= {at}")
    return at


def added(db: Database, at: int, rng: random.Random) -> int:
    copy = "insert into {0} select {1}, {2} from {0} where seq = {3}"
    columns = "at, actor, event, ticket, detail_digest, previous, hash"
    tamper(
        db, copy.format("audit_log", ROWS + 1, columns, at), copy.format("audit_detail", ROWS + 1, "salt, detail", at)
    )
    forge(db, ROWS + 1, ROWS + 1)
    return ROWS + 1


def swapped(db: Database, at: int, rng: random.Random) -> int:
    other = rng.choice([n for n in range(1, ROWS + 1) if n != at])
    steps = [
        f"update {table} set seq = {to} where seq = {seq}"
        for seq, to in ((at, 999), (other, at), (999, other))
        for table in ("audit_log", "audit_detail")
    ]
    tamper(db, *steps)
    return min(at, other)


def replaced(db: Database, at: int, rng: random.Random) -> int:
    other = rng.choice([n for n in range(1, ROWS + 1) if n != at])
    columns = "seq, at, actor, event, ticket, detail_digest, previous, hash"
    tamper(db, f"replace into audit_log select {columns.replace('seq', str(at))} from audit_log where seq = {other}")
    return at


TAMPERINGS = (changed, changed_and_hashed_anew, detail_changed, detail_removed, removed, removed_and_closed_up,
              tail_cut, added, swapped, replaced)  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda f: f.__name__)
def test_whatever_is_done_to_a_row_is_found_and_named(
    db: Database, tampering: Callable[[Database, int, random.Random], int], seed: int
) -> None:
    rng = random.Random(f"{tampering.__name__} {seed}")
    write(db)
    bad = tampering(db, rng.choice([1, ROWS, rng.randint(2, ROWS - 1)]), rng)
    found = verdict(db)
    assert f"row {bad}" in found.problem
    assert found.rows == (bad - 1 if bad != ROWS else found.rows)


def test_rows_that_changed_places_are_told_as_moved(db: Database) -> None:
    write(db)
    assert swapped(db, 7, random.Random(1)) == 5
    assert verdict(db).problem == "row 5 was moved: it stands as row 7"


@pytest.mark.parametrize("statement", [
    "delete from audit_checkpoints",
    "update audit_checkpoints set seq = 20",
    "update audit_checkpoints set tag = ''",
])  # fmt: skip
def test_the_signature_cannot_go_unseen(db: Database, statement: str) -> None:
    write(db)
    tamper(db, "delete from audit_detail where seq > 20", "delete from audit_log where seq > 20", statement)
    assert "signature" in verdict(db).problem


def test_all_of_the_log_removed_is_found(db: Database) -> None:
    write(db, 5)
    tamper(db, "delete from audit_detail", "delete from audit_log")
    assert verdict(db).problem == "row 1 is missing: the log was cut off, it had 5 rows"


def test_a_log_put_back_to_an_older_state_is_found_by_a_head_noted_since(db: Database) -> None:
    write(db, 5)
    before = db.path.read_bytes(), (db.path.parent / "helpdesk.db-wal").read_bytes()
    write(db, 3)
    noted = verdict(db).head
    assert noted.seq == 8
    db.engine.dispose()
    db.path.write_bytes(before[0])
    (db.path.parent / "helpdesk.db-wal").write_bytes(before[1])
    assert verdict(db).problem == "", "signed once, so the file itself cannot tell"
    assert verdict(db, noted).problem == "row 6 is missing: the log was cut off, row 8 was noted"


def test_a_head_noted_before_is_found_again(db: Database) -> None:
    write(db, 5)
    noted = verdict(db).head
    write(db, 2)
    assert verdict(db, noted).problem == ""
    other = audit.Checkpoint(noted.seq, "f" * 64)
    assert verdict(db, other).problem == "row 5 is not the one that was noted"


def test_without_its_key_the_log_is_not_believed(db: Database) -> None:
    write(db, 3)
    key = db.path.parent / "keys" / "audit.key"
    key.rename(key.with_suffix(".away"))
    assert "keys/audit.key is gone" in verdict(db).problem
    key.write_text("ab" * 32)
    assert "was not made with keys/audit.key" in verdict(db).problem


@pytest.mark.parametrize("statement", [
    "update audit_detail set detail = '{}' where seq = 2",
    "delete from audit_detail where seq = 2",
    "delete from audit_detail",
    "insert or replace into audit_detail values (2, '', '{}')",
    "delete from audit_checkpoints",
    "update audit_checkpoints set seq = 1",
    "update or replace audit_checkpoints set kind = 'cut'",
])  # fmt: skip
def test_details_and_checkpoints_refuse_to_be_rewritten(db: Database, statement: str) -> None:
    write(db, 5)
    with pytest.raises((DBAPIError, StoreError), match=r"only be erased|only move on"):
        db.write(statement)
    assert verdict(db).problem == ""


# --- what is cut ---------------------------------------------------------------------------------


def cut(db: Database, days: float, limit: int = 1_000) -> int:
    with transaction(db.engine) as connection:
        return audit.cut_before(connection, START + timedelta(days=days), limit)


def test_old_rows_go_behind_a_signed_checkpoint(db: Database) -> None:
    write(db)
    assert cut(db, 10) == 10
    found = verdict(db)
    assert (found.problem, found.rows) == ("", ROWS - 10)
    assert found.cut is not None
    assert found.cut.seq == 10
    assert db.one("select min(seq) from audit_detail") == 11
    write(db, 1)
    assert verdict(db).problem == ""


def test_rows_are_cut_in_batches(db: Database) -> None:
    write(db)
    assert [cut(db, 10, 4) for _ in range(4)] == [4, 4, 2, 0]
    assert verdict(db).rows == ROWS - 10


def test_the_last_row_always_stays(db: Database) -> None:
    write(db, 5)
    assert cut(db, 999) == 4
    assert cut(db, 999) == 0
    assert verdict(db).head.seq == 5


def test_of_an_empty_log_nothing_is_cut(db: Database) -> None:
    assert cut(db, 999) == 0
    assert verdict(db).problem == ""


@pytest.mark.parametrize("statements", [
    ["delete from audit_detail where seq = 11", "delete from audit_log where seq = 11"],
    ["update audit_checkpoints set seq = 11 where kind = 'cut'"],
    ["update audit_checkpoints set hash = (select hash from audit_log where seq = 12), seq = 12 where kind = 'cut'",
     "delete from audit_detail where seq < 13", "delete from audit_log where seq < 13"],
    ["delete from audit_checkpoints where kind = 'cut'"],
])  # fmt: skip
def test_a_cut_that_this_program_did_not_make_is_found(db: Database, statements: list[str]) -> None:
    write(db)
    cut(db, 10)
    tamper(db, *statements)
    assert verdict(db).problem != ""


def test_nobody_deletes_beyond_the_cut(db: Database) -> None:
    write(db)
    cut(db, 10)
    with pytest.raises((DBAPIError, StoreError), match="append-only"):
        db.write("delete from audit_log where seq = 11")


# --- who did it ----------------------------------------------------------------------------------


def test_an_address_as_actor_stands_where_it_can_be_erased(db: Database) -> None:
    with transaction(db.engine) as connection:
        audit.append(connection, [Audit("answer.relayed", {"to": "x"}, "HD-00000001", CUSTOMER)], START)
    assert db.rows("select actor, detail from v_audit") == [
        {"actor": "person", "detail": f'{{"to": "x", "actor": "{CUSTOMER}"}}'}
    ]


def test_following_gives_what_is_beyond_a_row_oldest_first(db: Database) -> None:
    write(db, 5)
    assert audit_end(db.engine) == 5
    assert [row["seq"] for row in audit_tail(db.engine, 2)] == [4, 5]
    assert [row["seq"] for row in audit_tail(db.engine, 2, after=2)] == [3, 4]
    assert [row["seq"] for row in audit_tail(db.engine, 9, after=2, since=iso(START + timedelta(days=3)))] == [4, 5]
    assert audit_tail(db.engine, 9, after=5) == []
    with transaction(db.engine) as connection:
        audit.empty_details(connection, [5])
    assert audit_tail(db.engine, 1)[0]["detail"] is None


# --- older files ---------------------------------------------------------------------------------


def test_the_log_of_an_older_version_is_signed_when_it_is_upgraded(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "helpdesk.db")
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    digest = audit.detail_digest("s", "{}")
    row = audit.row_hash(audit.GENESIS, 1, "2026-01-01T00:00:00.000Z", "daemon", "thing.happened", "", digest)
    with transaction(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")
        connection.execute(
            text("insert into audit_log values (1, :at, 'daemon', 'thing.happened', '', :d, :p, :h)"),
            {"at": "2026-01-01T00:00:00.000Z", "d": digest, "p": audit.GENESIS, "h": row},
        )  # fmt: skip
        connection.execute(text("insert into audit_detail values (1, 's', '{}')"))
    migrate(engine)
    with transaction(engine) as connection:
        found = audit.verify(connection)
        events = connection.execute(text("select event, detail from v_audit order by seq")).all()
    assert (found.rows, found.problem) == (2, "")
    assert events[1].event == "database.upgraded"
    assert '"from": "0006"' in events[1].detail
    engine.dispose()
