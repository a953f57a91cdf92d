"""The door to where mail arrives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a folder has been read.

    Attributes:
        uidvalidity: of the folder when it was read (RFC 3501 section 2.3.1.1).
        position: all UIDs up to this one are ours.
        started_at: when this folder was first seen, UTC.
        backlog: UIDs below this lay in the folder when it was first seen.
        since: of the backlog, only mail received from this moment on is taken; None for all.
    """

    uidvalidity: int
    position: int
    started_at: datetime
    backlog: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """One mail as its server handed it over.

    Attributes:
        uid: stable name of the mail in its folder.
        raw: the bytes.
        received_at: INTERNALDATE or its like, UTC.
        truncated: only the beginning was fetched, the mail being over the size limit.
    """

    uid: str
    raw: bytes = field(repr=False)
    received_at: datetime
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Quota:
    """How full a mailbox is, in bytes."""

    used: int
    limit: int


class Mailbox(Protocol):
    """A folder that mail arrives in. Blocking: one thread owns it.

    Every method may raise TransientError (connection, server), SignInError (credentials) or
    PermanentError (the folder does not exist).
    """

    name: str
    folder: str

    def discover(self, cursor: Cursor | None) -> tuple[Cursor, list[str]]:
        """Look for mail beyond the cursor.

        Returns:
            The cursor to go on from (a first one, or one for a new UIDVALIDITY, where needed) and the
            UIDs of mail that may be new, oldest first. The cost grows with new mail only.
        """

    def fetch(self, uids: Sequence[str]) -> tuple[list[Fetched], list[str]]:
        """Fetch mails from the front of `uids`, bounded in count and bytes, at least one.

        Returns:
            The mails, and every UID they settle: those fetched and those that are gone.
        """

    def touch(self, uids: Sequence[str]) -> None:
        """Mark mails as taken, as configured: flag, keyword, move or nothing. Repeating is harmless."""

    def wait(self, seconds: float) -> bool:
        """Wait until new mail is announced (IMAP IDLE, RFC 2177) or the time is over.

        Returns:
            True when there is reason to look, False when the time was up.
        """

    def interrupt(self) -> None:
        """Make a `wait` under way return soon; the only method another thread may call."""

    def close(self) -> None:
        """Let go of connections; the next call opens new ones."""


@runtime_checkable
class Metered(Protocol):
    """A mailbox whose server may say how full it is; not every `Mailbox` is one."""

    def quota(self) -> Quota | None:
        """How full the mailbox is (RFC 9208 section 4.2); None where the server does not say, or sets no limit.

        Raises:
            TransientError, SignInError: as any method of `Mailbox`.
        """
