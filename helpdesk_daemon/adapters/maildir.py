"""A Maildir as mailbox, and Maildirs as a place to send to: mail without any server."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from helpdesk_daemon.errors import PermanentError, TransientError
from helpdesk_daemon.ports import Clock, Cursor, Fetched

_counter = count()
CLOCK_TICK = 0.002  # seconds between two file times that surely differ, as the database keeps milliseconds
POLL_SECONDS = 0.2  # how often a wait looks at the folder's time stamp


def deliver(folder: Path, mime: bytes) -> Path:
    """Put a mail into a Maildir so that no reader ever sees half of it (tmp, then rename into new).

    Returns:
        Where it lies.
    """
    for name in ("tmp", "new", "cur"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    name = f"{time.time_ns()}.{os.getpid()}_{next(_counter)}.{socket.gethostname().replace('/', '_')}"
    temporary, final = folder / "tmp" / name, folder / "new" / name
    with temporary.open("wb") as file:
        file.write(mime)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, final)
    return final


def came_at(name: str, stat: os.stat_result, fresh: bool) -> float:
    """When a mail came here, which is not when it was written, as seconds since 1970; 0 when nothing tells.

    Its name tells, or, in `new`, where readers put nothing, the time of its inode.
    """
    named = re.match(r"(\d{9,19})\.", name)
    came = float(named.group(1)) if named else 0.0
    while came > 1e11:  # names in milli-, micro- or nanoseconds
        came /= 1000
    return max(came, stat.st_ctime if fresh else 0.0)


def is_wanted(name: str, stat: os.stat_result, fresh: bool, cursor: Cursor) -> bool:
    """Whether a mail is taken: of those there at the first look, the recent ones; all that came after it."""
    if cursor.since is None or stat.st_mtime >= cursor.since.timestamp():
        return True
    return came_at(name, stat, fresh) >= cursor.started_at.timestamp()


class MaildirMailbox:
    """`Mailbox` on a local folder. A mail's UID is its file name up to the flags."""

    def __init__(
        self, name: str, path: Path, clock: Clock, start: datetime | str = "now", touch: str = "nothing",
        batch: int = 100, batch_bytes: int = 20_000_000, max_bytes: int = 50_000_000,
    ) -> None:  # fmt: skip
        self.name, self.folder = name, str(path)
        self._path, self._clock, self._start, self._touch = path, clock, start, touch
        self._batch, self._batch_bytes, self._max_bytes = batch, batch_bytes, max_bytes
        self._seen: tuple[int, int] | None = None
        self._stop = threading.Event()

    def _stamps(self) -> tuple[int, int]:
        try:
            return ((self._path / "new").stat().st_mtime_ns, (self._path / "cur").stat().st_mtime_ns)
        except FileNotFoundError as error:
            raise PermanentError(f"{self._path} is not a Maildir: {error.filename} is missing") from error
        except OSError as error:
            raise TransientError(f"{self._path}: {error.strerror}") from error

    def _first(self) -> Cursor:
        now = self._began()
        since = None if self._start == "all" else self._start if isinstance(self._start, datetime) else now
        return Cursor(uidvalidity=1, position=0, started_at=now, backlog=0, since=since)

    def _began(self) -> datetime:
        """This moment by the clock that stamps files, strictly after everything that is already there."""
        with os.scandir(self._path / "new") as entries:
            newest = max((entry.stat().st_ctime for entry in entries), default=0.0)
        probe = self._path / "tmp" / f"start.{os.getpid()}"
        while True:
            probe.write_bytes(b"")
            stamped = probe.stat().st_ctime
            probe.unlink()
            if stamped - newest >= CLOCK_TICK or stamped < newest - 1:
                return datetime.fromtimestamp(stamped, UTC)
            time.sleep(CLOCK_TICK)

    def discover(self, cursor: Cursor | None) -> tuple[Cursor, list[str]]:
        """See `Mailbox.discover`. An unchanged folder costs two stat calls."""
        try:
            for part in ("new", "cur", "tmp"):
                (self._path / part).mkdir(parents=True, exist_ok=True)
        except (NotADirectoryError, FileExistsError, PermissionError) as error:
            raise PermanentError(f"{self._path} cannot be a Maildir: {error.strerror}") from error
        except OSError as error:
            raise TransientError(f"{self._path}: {error.strerror}") from error
        stamps = self._stamps()
        cursor = cursor or self._first()
        # A file may land in the tick of the clock in which we look: only an older stamp settles it.
        fresh = time.time_ns() - max(stamps) < 2_000_000_000
        if stamps == self._seen and not fresh:
            return cursor, []
        found: list[tuple[float, str]] = []
        for part in ("new", "cur"):
            with os.scandir(self._path / part) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or not entry.is_file():
                        continue
                    stat = entry.stat()
                    if is_wanted(entry.name, stat, part == "new", cursor):
                        found.append((stat.st_mtime, entry.name.partition(":2,")[0]))
        self._seen = stamps
        return cursor, [uid for _, uid in sorted(found)]

    def _file(self, uid: str) -> Path | None:
        fresh = self._path / "new" / uid
        if fresh.exists():
            return fresh
        plain = self._path / "cur" / uid
        if plain.exists():
            return plain
        escaped = re.sub(r"([*?\[])", r"[\1]", uid)
        return next(iter((self._path / "cur").glob(f"{escaped}:2,*")), None)

    def fetch(self, uids: Sequence[str]) -> tuple[list[Fetched], list[str]]:
        """See `Mailbox.fetch`."""
        mails: list[Fetched] = []
        settled: list[str] = []
        total = 0
        for uid in uids[: self._batch]:
            path = self._file(uid)
            try:
                if path is not None:
                    stat = path.stat()
                    if mails and total + stat.st_size > self._batch_bytes:
                        break
                    with path.open("rb") as file:
                        raw = file.read(self._max_bytes)
                    total += len(raw)
                    received = datetime.fromtimestamp(stat.st_mtime, UTC)
                    mails.append(Fetched(uid, raw, received, stat.st_size > len(raw)))
            except FileNotFoundError:
                pass  # another reader moved or removed it just now
            except OSError as error:
                raise TransientError(f"{path}: {error.strerror}") from error
            settled.append(uid)
        self._seen = None if len(settled) < len(uids) else self._seen
        return mails, settled

    def touch(self, uids: Sequence[str]) -> None:
        """See `Mailbox.touch`: `seen` and `flagged` are the flags S and F of the Maildir format."""
        flag = {"seen": "S", "flagged": "F"}.get(self._touch)
        if flag is None and not self._touch.startswith("move "):
            return
        try:
            self._mark(uids, flag)
        except FileNotFoundError:
            pass  # another reader was faster; what is left is found again at the next look
        except OSError as error:
            raise TransientError(f"{self._path}: {error.strerror}") from error

    def _mark(self, uids: Sequence[str], flag: str | None) -> None:
        for uid in uids:
            path = self._file(uid)
            if path is None:
                continue
            if flag is None:
                target = self._path / f".{self._touch.removeprefix('move ')}"
                for part in ("tmp", "new", "cur"):
                    (target / part).mkdir(parents=True, exist_ok=True)
                os.replace(path, target / "cur" / path.name)
                continue
            flags = path.name.partition(":2,")[2]
            if flag not in flags:
                os.replace(path, self._path / "cur" / f"{uid}:2,{''.join(sorted(flags + flag))}")

    def wait(self, seconds: float) -> bool:
        """See `Mailbox.wait`."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._stop.wait(min(POLL_SECONDS, left)):
                self._stop.clear()
                return True
            try:
                if self._stamps() != self._seen:
                    return True
            except (PermanentError, TransientError):
                return True  # the next poll says what is wrong
        return False

    def interrupt(self) -> None:
        """See `Mailbox.interrupt`."""
        self._stop.set()

    def close(self) -> None:
        """Forget the time stamps, so that the next look lists the folder again."""
        self._seen = None


class MaildirTransport:
    """`Transport` that files each mail in a Maildir named after its recipient."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, sender: str, recipient: str, mime: bytes) -> str:
        """See `Transport.send`."""
        name = re.sub(r"[^A-Za-z0-9@._+-]", "_", recipient).strip(".") or "nobody"
        head = f"Return-Path: <{sender}>\r\n".encode("ascii", "replace")
        try:
            path = deliver(self._folder / name, head + mime)
        except OSError as error:
            raise TransientError(f"{self._folder / name}: {error.strerror}") from error
        return f"filed as {path.name}"

    async def close(self) -> None:
        """Nothing is held open."""
