"""Open the database so that it loses nothing, and turn its failures into ours."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from helpdesk_daemon.errors import AlreadyRunning, StoreError, TransientError

BUSY_MS = 30_000
PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",  # a commit we acknowledged survives a power cut
    "foreign_keys=ON",
    f"busy_timeout={BUSY_MS}",
    "temp_store=MEMORY",
    "cache_size=-32000",
)


def open_engine(path: Path, readonly: bool = False) -> Engine:
    """An engine on a SQLite file, every transaction of which takes the write lock at its beginning.

    The driver's own transactions start at the first write; two read-then-update cycles then overwrite
    each other. `BEGIN IMMEDIATE` makes them queue.

    Args:
        path: the database file.
        readonly: for looking only: plain BEGIN, so that a reader never waits for the daemon.
    """
    engine = create_engine(f"sqlite:///{path}", connect_args={"isolation_level": None, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, record: object) -> None:
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        if readonly:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")

    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction: commits at the end of the block, rolls back on any error.

    Raises:
        TransientError: another process held the database for longer than we wait.
        StoreError: the database cannot be used (full, read-only, damaged).
    """
    try:
        with engine.begin() as connection:
            yield connection
    except IntegrityError:
        raise  # a bug in one message, not a broken database
    except OperationalError as error:
        words = str(error.orig)
        if "locked" in words or "busy" in words:
            raise TransientError(f"the database is busy: {words}") from error
        raise StoreError(f"the database cannot be used: {words}") from error
    except DBAPIError as error:
        if error.orig is not None and type(error.orig).__name__ == "DatabaseError":
            raise StoreError(f"the database cannot be used: {error.orig}") from error
        raise


def _lock(handle: IO[str]) -> None:
    """Take the lock; one look by `running_since` must not pass for a running process."""
    for left in (2, 1, 0):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            if not left:
                raise
            time.sleep(0.02)


def running_since(folder: Path) -> tuple[str, datetime] | None:
    """The process that runs the stages on a data folder, and since when; None when none does."""
    path = folder / "stages.lock"
    try:
        with path.open() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return handle.read().strip(), datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        pass
    return None


class StageLock:
    """Lets one process run the stages on a data folder; freed by the kernel however that process ends."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "stages.lock"
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            AlreadyRunning: another process has it.
        """
        handle = self._path.open("a+")
        try:
            _lock(handle)
        except OSError as error:
            handle.seek(0)
            owner = handle.read().strip() or "unknown"
            handle.close()
            where = f"process {owner} already runs the stages on {self._path.parent}"
            raise AlreadyRunning(f"{where}. Stop it first, or name another data_dir") from error
        handle.seek(0)
        handle.truncate()
        handle.write(str(os.getpid()))
        handle.flush()
        self._file = handle

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.close()
            self._file = None
