"""The stage that files copies, over a real store and a folder that is told how to fail."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from helpdesk_daemon.adapters.store.mail.copies import CopiesToFile
from helpdesk_daemon.adapters.store.mail.outbox import Outbox
from helpdesk_daemon.errors import PermanentError, SignInError
from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.outgoing.message import Kind
from helpdesk_daemon.ports import Copy, Sent
from helpdesk_daemon.stages.copies import MAX_REFUSALS, Copies
from tests.contract.rows import CUSTOMER, Database, outgoing


@dataclass
class Folder:
    """A double: what it raises for a mail, by number of its row."""

    fails: dict[int, Exception]
    mailbox: str = "south"
    filed: list[int] = field(default_factory=list)

    def file(self, copy: Copy) -> bool:
        if copy.id in self.fails:
            raise self.fails[copy.id]
        self.filed.append(copy.id)
        return True

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "helpdesk.db")
    answer = replace(outgoing(1, Kind.RELAY, CUSTOMER), mailbox="south")
    made.open_ticket(1, outgoing=(answer, answer, answer))
    out = Outbox(made.engine, made.clock, copies={"south": (Kind.RELAY,)})
    ids = out.settle([], [row.id for row in out.due(9)])
    out.settle([Sent(row, "sent", "250 ok") for row in ids], [])
    yield made
    made.engine.dispose()


def drain(db: Database, folder: Folder, times: int = 1) -> list[int]:
    """How many were refused, drain by drain."""
    lane, other = Lane("sent-south"), Lane("db")
    stage = Copies(folder, CopiesToFile(db.engine, db.clock), db.clock, lane, other)

    async def main() -> list[int]:
        return [await stage.drain() for _ in range(times)]

    try:
        return asyncio.run(main())
    finally:
        lane.close()
        other.close()


def states(db: Database) -> list[str]:
    return [row["copy_state"] for row in db.rows("select copy_state from outbox order by id")]


@pytest.mark.parametrize("error", [PermanentError("too large"), ValueError("a bug")])
def test_what_one_mail_meets_stops_no_other_and_is_given_up_in_the_end(db: Database, error: Exception) -> None:
    folder = Folder({2: error})
    assert drain(db, folder, MAX_REFUSALS - 1) == [1] * (MAX_REFUSALS - 1)
    assert (folder.filed, states(db)) == ([1, 3], ["copied", "wanted", "copied"])
    assert drain(db, folder, 2) == [0, 0]
    assert states(db) == ["copied", "given up", "copied"]
    assert db.one("select count(*) from audit_log where event = 'copy.given_up'") == 1


def test_a_refused_sign_in_is_counted_against_no_mail(db: Database) -> None:
    folder = Folder({1: SignInError("no")})
    with pytest.raises(SignInError):
        drain(db, folder)
    assert (folder.filed, states(db)) == ([], ["wanted"] * 3)
    assert db.one("select sum(copy_attempts) from outbox") == 0


def test_each_copy_is_filed_once(db: Database) -> None:
    folder = Folder({})
    drain(db, folder, 3)
    assert folder.filed == [1, 2, 3]
