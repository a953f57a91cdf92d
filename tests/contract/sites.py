"""Places that mail arrives in, each with what its server and its other readers do to it."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.imap import ImapMailbox
from helpdesk_daemon.adapters.imap_session import Server
from helpdesk_daemon.adapters.maildir import MaildirMailbox, deliver
from helpdesk_daemon.ports import Cursor, Fetched, Mailbox
from tests.harness.dovecot import PASSWORD, USER, Dovecot


class Site(ABC):
    """One folder, empty at first."""

    def __init__(self) -> None:
        self._opened: list[Mailbox] = []

    def open(self, **options: Any) -> Mailbox:
        """A mailbox on the folder, closed at the end of the test; takes all mail unless told otherwise."""
        box = self._make(**({"start": "all"} | options))
        self._opened.append(box)
        return box

    def close(self) -> None:
        for box in self._opened:
            box.close()

    @abstractmethod
    def _make(self, **options: Any) -> Mailbox: ...

    @abstractmethod
    def deliver(self, raw: bytes, at: datetime | None = None) -> None:
        """A mail arrives, at a moment of the server's clock."""

    @abstractmethod
    def remove(self, uid: str) -> None:
        """Another reader deletes a mail."""

    @abstractmethod
    def read_all(self) -> None:
        """Another reader reads everything."""

    @abstractmethod
    def flags(self, uid: str) -> set[str]:
        """Flags of a mail: Seen, Flagged and keywords."""

    @abstractmethod
    def mails_in(self, folder: str) -> list[bytes]:
        """What lies in another folder of the same account."""

    @abstractmethod
    def same(self, stored: bytes, given: bytes) -> bool:
        """Whether bytes are the same as far as the format can say."""


class MaildirSite(Site):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def _make(self, **options: Any) -> Mailbox:
        return MaildirMailbox("support", self.path, SystemClock(), **options)

    def deliver(self, raw: bytes, at: datetime | None = None) -> None:
        file = deliver(self.path, raw)
        if at is not None:
            os.utime(file, (at.timestamp(), at.timestamp()))

    def _file(self, uid: str) -> Path:
        return next(f for f in self.path.glob("[cn][ue][rw]/*") if f.name.partition(":2,")[0] == uid)

    def remove(self, uid: str) -> None:
        self._file(uid).unlink()

    def read_all(self) -> None:
        for file in self.path.glob("new/*"):
            shutil.move(file, self.path / "cur" / f"{file.name}:2,S")

    def flags(self, uid: str) -> set[str]:
        letters = self._file(uid).name.partition(":2,")[2]
        return {{"S": "Seen", "F": "Flagged"}.get(letter, letter) for letter in letters}

    def mails_in(self, folder: str) -> list[bytes]:
        return [f.read_bytes() for part in ("new", "cur") for f in sorted((self.path / f".{folder}" / part).iterdir())]

    def same(self, stored: bytes, given: bytes) -> bool:
        return stored.replace(b"\r\n", b"\n") == given.replace(b"\r\n", b"\n")


class ImapSite(Site):
    def __init__(self, dovecot: Dovecot, folder: str) -> None:
        super().__init__()
        self.dovecot, self.folder = dovecot, folder
        client = dovecot.client()
        client.create_folder(folder)
        client.logout()

    def server(self, **options: Any) -> Server:
        plain: dict[str, Any] = {
            "host": "127.0.0.1", "port": self.dovecot.port, "security": "none", "user": USER,
            "password": lambda: PASSWORD, "folder": self.folder, "timeout": 10.0,
        }  # fmt: skip
        return Server(**(plain | options))

    def _make(self, **options: Any) -> Mailbox:
        server = options.pop("server", None) or self.server()
        return ImapMailbox("support", server, SystemClock(), **options)

    def _client(self) -> Any:
        client = self.dovecot.client()
        client.select_folder(self.folder)
        return client

    def deliver(self, raw: bytes, at: datetime | None = None) -> None:
        client = self.dovecot.client()
        client.append(self.folder, raw, (), at or datetime.now(UTC))
        client.logout()

    def remove(self, uid: str) -> None:
        client = self._client()
        client.delete_messages([int(uid)])
        client.expunge()
        client.logout()

    def read_all(self) -> None:
        client = self._client()
        client.add_flags(client.search(["ALL"]), [b"\\Seen"])
        client.logout()

    def flags(self, uid: str) -> set[str]:
        client = self.dovecot.client()
        client.select_folder(self.folder, readonly=True)
        found = client.get_flags([int(uid)])[int(uid)]
        client.logout()
        return {flag.decode().lstrip("\\") for flag in found if flag != b"\\Recent"}

    def mails_in(self, folder: str) -> list[bytes]:
        client = self.dovecot.client()
        client.select_folder(folder, readonly=True)
        found = client.fetch(client.search(["ALL"]), ["BODY.PEEK[]"])
        client.logout()
        return [found[uid][b"BODY[]"] for uid in sorted(found)]

    def same(self, stored: bytes, given: bytes) -> bool:
        return stored == given


class Reader:
    """Takes mail the way ingest does: fetch what no ledger knows, then move the cursor."""

    def __init__(self, box: Mailbox) -> None:
        self.box = box
        self.cursor: Cursor | None = None
        self.ledger: set[tuple[int, str]] = set()

    def take(self) -> list[Fetched]:
        self.cursor, found = self.box.discover(self.cursor)
        validity = self.cursor.uidvalidity
        left = [uid for uid in found if (validity, uid) not in self.ledger]
        taken: list[Fetched] = []
        while left:
            mails, settled = self.box.fetch(left)
            assert settled, "a fetch that settles nothing would go on for ever"
            taken += mails
            self.ledger.update((validity, uid) for uid in settled)
            left = [uid for uid in left if uid not in settled]
            highest = max((int(uid) for uid in settled if uid.isdigit()), default=0)
            self.cursor = Cursor(
                validity, max(self.cursor.position, highest), self.cursor.started_at, self.cursor.backlog,
                self.cursor.since,
            )  # fmt: skip
        return taken

    def bodies(self) -> list[bytes]:
        return [mail.raw for mail in self.take()]
