"""Backups: one consistent copy of the database beside the files it is useless without, with a manifest of digests."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Engine, select, update

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.engine import open_engine, transaction
from helpdesk_daemon.adapters.store.migrate import current, migrate
from helpdesk_daemon.adapters.store.schema.mail import outbox
from helpdesk_daemon.adapters.store.views.reading import integrity
from helpdesk_daemon.errors import HelpdeskError, StoreError
from helpdesk_daemon.outgoing.message import AT_MOST_ONCE
from helpdesk_daemon.ports import Audit, Clock

MANIFEST, FORMAT = "manifest.json", 1
PAGES = 2_000  # copied at a time
PACKED = (".tar.gz", ".tgz")
WAITING = ("pending", "deferred", "sending")
IN_DOUBT = "restored from a backup: it may have been sent since that was made"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds.

    Attributes:
        made_at: ISO 8601 UTC.
        version: of the program that made it.
        schema: revision of the database.
        database: place of the database in the backup.
        head: of the audit log, `seq:hash`.
        files: SHA-256 by place.
        moved: by key of settings.toml, the place of what lay outside the settings' folder.
        left_out: files that the settings name and the backup does not hold.
        format: of the backup.
    """

    made_at: str
    version: str
    schema: str
    database: str
    head: str
    files: Mapping[str, str]
    moved: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    format: int = FORMAT


def make(
    target: Path, database: tuple[str, Path], files: Mapping[str, Path], facts: Mapping[str, Any], made_at: datetime
) -> Manifest:
    """Write a backup beside the running daemon.

    Args:
        target: a new file that ends in .tar.gz or .tgz, or a new folder.
        database: its place in the backup, and where it is.
        files: place in the backup to file.
        facts: `version`, `moved` and `left_out` of the manifest.
        made_at: for the manifest.

    Raises:
        HelpdeskError: the target exists, or something cannot be read or written.
    """
    if target.exists():
        raise HelpdeskError(f"{target} exists: name a new file or folder")
    try:
        with scratch(target) as folder:
            place, path = database
            copy_database(path, _new(folder, place))
            for name, file in files.items():
                _copy(file, _new(folder, name))
            manifest = _describe(folder, place, [place, *files], facts, made_at)
            _write(folder / MANIFEST, json.dumps(asdict(manifest), indent=2).encode())
            _put(folder, target)
    except OSError as error:
        raise HelpdeskError(f"the backup cannot be written: {error.strerror}: {error.filename}") from error
    return manifest


def copy_database(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment (SQLite's online backup), while others write to it."""
    reading, writing = sqlite3.connect(source, isolation_level=None), sqlite3.connect(target)
    try:
        reading.execute("begin")
        reading.execute("select count(*) from sqlite_master").fetchone()  # from here on nothing changes for us
        reading.backup(writing, pages=PAGES)
        reading.execute("rollback")
        writing.execute("pragma journal_mode = delete")  # one file, without a log beside it
    except sqlite3.Error as error:
        raise StoreError(f"the database cannot be copied: {error}") from error
    finally:
        writing.close()
        reading.close()


def _describe(
    folder: Path, place: str, names: list[str], facts: Mapping[str, Any], made_at: datetime
) -> Manifest:  # fmt: skip
    engine = open_engine(folder / place, readonly=True)
    schema = current(engine)
    with transaction(engine) as connection:
        head = audit.head(connection)
    engine.dispose()
    for name in (f"{place}-wal", f"{place}-shm"):
        (folder / name).unlink(missing_ok=True)
    digests = {name: _digest(folder / name) for name in names}
    return Manifest(made_at.isoformat(timespec="seconds"), schema=schema, database=place, head=str(head),
                    files=digests, **facts)  # fmt: skip


def check(source: Path) -> tuple[Manifest, str]:
    """Unpack a backup beside nothing and look at all of it.

    Returns:
        Its manifest, and the first thing that is wrong; empty when all is well.

    Raises:
        HelpdeskError: it is no backup, or one of a newer program.
    """
    with TemporaryDirectory(prefix="helpdesk-") as scratch:
        folder = Path(scratch)
        manifest, problem = unpack(source, folder)
        if problem:
            return manifest, problem
        engine = open_engine(folder / manifest.database)
        try:
            if (said := integrity(engine)) != "ok":
                return manifest, f"the database is damaged: {said}"
            if current(engine) != manifest.schema:
                return manifest, "the database is of another schema than the manifest says"
            migrate(engine)
            with transaction(engine) as connection:
                verdict = audit.verify(connection, _checkpoint(manifest.head))
            return manifest, verdict.problem and f"audit log: {verdict.problem}"
        except StoreError as error:
            return manifest, str(error)
        finally:
            engine.dispose()


def _checkpoint(head: str) -> audit.Checkpoint:
    seq, _, digest = head.partition(":")
    return audit.Checkpoint(int(seq), digest)


def unpack(source: Path, folder: Path) -> tuple[Manifest, str]:
    """Take the files that the manifest names out of a backup; what was wrong with one, empty when nothing was.

    Raises:
        HelpdeskError: it is no backup, or one of a newer program.
    """
    with _opened(source) as members:
        manifest = _manifest(source, members)
        for name, digest in manifest.files.items():
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                return manifest, f"{name} would lie outside the folder"
            if (read := members.get(name)) is None:
                return manifest, f"{name} is missing"
            target = _new(folder, name)
            _write(target, read)
            if _digest(target) != digest:
                return manifest, f"{name} was changed since the backup was made"
    return manifest, ""


Members = dict[str, Any]  # path or stream of a file, by its place


@contextmanager
def _opened(source: Path) -> Iterator[Members]:
    try:
        if source.is_dir():
            yield Members({str(f.relative_to(source)): f for f in source.rglob("*") if f.is_file()})
        else:
            with tarfile.open(source) as tar:
                yield Members({m.name: tar.extractfile(m) for m in tar.getmembers() if m.isfile()})
    except (tarfile.TarError, EOFError, OSError) as error:
        raise HelpdeskError(f"{source} cannot be read as a backup: {error}") from error


def _manifest(source: Path, members: Members) -> Manifest:
    if (read := members.get(MANIFEST)) is None:
        raise HelpdeskError(f"{source} is no backup: it holds no {MANIFEST}")
    try:
        with _stream(read) as stream:
            values = json.loads(stream.read())
        if values["format"] > FORMAT:
            raise HelpdeskError(f"{source} was made by a newer version, {values['version']}: upgrade helpdesk-daemon")
        return Manifest(**values | {"left_out": tuple(values["left_out"])})
    except (ValueError, TypeError, KeyError) as error:
        raise HelpdeskError(f"{source}: its {MANIFEST} cannot be read: {error}") from error


def settle_restored(engine: Engine, clock: Clock, manifest: Manifest, actor: str) -> int:
    """Make a restored database fit for use.

    What waited to be sent when the backup was made has perhaps been sent since. It may go again where a receiver can
    tell a repeat; a mail that must not arrive twice is left for a person.

    Returns:
        How many mails were left for a person.
    """
    migrate(engine)
    unsure = outbox.c.state.in_(WAITING), outbox.c.kind.in_(list(AT_MOST_ONCE))
    with transaction(engine) as connection:
        ids = list(connection.execute(select(outbox.c.id).where(*unsure)).scalars())
        connection.execute(update(outbox).where(*unsure).values(state="ambiguous", last_reply=IN_DOUBT))
        detail = {"made_at": manifest.made_at, "head": manifest.head, "ambiguous": len(ids)}
        audit.append(connection, [Audit("database.restored", detail, actor=actor)], clock.now())
    return len(ids)


# --- files ---------------------------------------------------------------------------------------


@contextmanager
def scratch(target: Path) -> Iterator[Path]:
    """A folder beside the target, so that it can be moved there; gone at the end."""
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = target.with_name(f".{target.name}.{os.getpid()}")
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put(folder: Path, target: Path) -> None:
    """Turn the finished folder into the target, whole or not at all."""
    if not target.name.endswith(PACKED):
        os.replace(folder, target)
        return
    packed = folder / "packed"
    handle = os.open(packed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    names = sorted(path for path in folder.rglob("*") if path.is_file() and path != packed)
    with os.fdopen(handle, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:  # mails are packed already
            for path in names:
                tar.add(path, str(path.relative_to(folder)))
        file.flush()
        os.fsync(file.fileno())
    os.replace(packed, target)


def _new(folder: Path, place: str) -> Path:
    """The path of a file to be, readable by its owner alone, in folders that are."""
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    return path


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as file:
        _write(target, file)


def _stream(read: Any) -> Any:
    return read.open("rb") if isinstance(read, Path) else read


def _write(target: Path, content: Any) -> None:
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        if isinstance(content, bytes):
            file.write(content)
        else:
            with _stream(content) as stream:
                shutil.copyfileobj(stream, file, 1 << 20)
        file.flush()
        os.fsync(file.fileno())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
