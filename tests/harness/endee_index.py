"""An index on an Endee server, with a database of its own for the ledger."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.index.endee import Endee, Server
from helpdesk_daemon.adapters.index.guarded import GuardedIndex
from helpdesk_daemon.adapters.index.sync import IndexSync
from helpdesk_daemon.adapters.store.engine import open_engine
from helpdesk_daemon.adapters.store.learning.index_ledger import IndexLedger
from helpdesk_daemon.adapters.store.migrate import migrate
from helpdesk_daemon.ports import Example
from helpdesk_daemon.triage.vote import Vectors

PATIENCE = 60.0  # seconds: the machine may be busy, and slowness is not what is tested


class Synced(GuardedIndex):
    """Waits for the server after each change, so that the server answers what is asked next."""

    def replace(self, examples: Sequence[Example], vectors: Vectors, centre: Vectors | None = None) -> None:
        super().replace(examples, vectors, centre)
        self.sync()


@contextmanager
def guarded(folder: Path, server: Server, made: type[GuardedIndex] = GuardedIndex) -> Iterator[GuardedIndex]:
    """An index as the daemon makes it."""
    engine = open_engine(folder / "helpdesk.db")
    migrate(engine)
    sync = IndexSync(Endee(server), IndexLedger(engine, SystemClock()), patience=PATIENCE)
    index = made(Endee(server), sync, folder / "index.lock")
    try:
        yield index
    finally:
        index.close()
        engine.dispose()


@contextmanager
def genuine(folder: Path, url: str) -> Iterator[GuardedIndex]:
    """An index of its own on a genuine server, in step after each change, and dropped at the end."""
    name = f"helpdesk_test_{secrets.token_hex(4)}"
    server = Server(url, name, lambda: os.environ.get("HELPDESK_TEST_ENDEE_TOKEN", ""), read_seconds=20)
    try:
        with guarded(folder, server, Synced) as index:
            yield index
    finally:
        with closing(Endee(server)) as client:
            client.drop()


@contextmanager
def synced(folder: Path, url: str, token: str) -> Iterator[GuardedIndex]:
    """An index that is in step after each change."""
    with guarded(folder, Server(url, "helpdesk", lambda: token), Synced) as index:
        yield index
