"""Does mail to `support+anything@` reach the mailbox? One test mail tells; and what an account looks like."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import make_msgid
from pathlib import Path
from typing import Any

from helpdesk_daemon.adapters.imap import ImapMailbox
from helpdesk_daemon.adapters.maildir import MaildirMailbox, MaildirTransport
from helpdesk_daemon.errors import PermanentError
from helpdesk_daemon.outgoing.headers import date
from helpdesk_daemon.outgoing.mime import write
from helpdesk_daemon.ports import Mailbox, Transport

SECONDS = 30.0  # a mail to oneself usually takes less than five
LOOK_EVERY = 1.0
HEAD_BYTES = 16_000  # of a mail; a bounce repeats the token in its first lines
SHOWN_FOLDERS = 30
DAY = 86_400  # seconds
FIELD = "X-Helpdesk-Probe"


@dataclass(frozen=True, slots=True)
class Account:
    """What a mailbox looks like from outside.

    Attributes:
        folders: names with the number of mails, in the server's order, the first `SHOWN_FOLDERS`.
        idle: new mail is announced (RFC 2177).
    """

    folders: dict[str, int]
    idle: bool


def look_around(box: ImapMailbox) -> Account:
    """Folders and abilities of an account. Errors are those of `Mailbox`."""
    with box.session() as client:
        names = [name for flags, _, name in client.list_folders() if b"\\Noselect" not in flags]
        folders = {name: int(client.folder_status(name, ["MESSAGES"])[b"MESSAGES"]) for name in names[:SHOWN_FOLDERS]}
        return Account(folders, bool(client.has_capability("IDLE")))


def ages(box: Mailbox, now: datetime) -> tuple[int, int, int]:
    """How many mails lie in a folder: in all, of the last day, of the last seven days (by the server's days)."""
    if isinstance(box, MaildirMailbox):
        files = [entry for part in ("new", "cur") for entry in _files(Path(box.folder, part))]
        old = [now.timestamp() - file.stat().st_mtime for file in files]
        return len(old), sum(age < DAY for age in old), sum(age < 7 * DAY for age in old)
    assert isinstance(box, ImapMailbox)
    with box.session() as client:
        if not client.folder_exists(box.folder):
            raise PermanentError(f"there is no folder {box.folder}")
        mails = int(client.select_folder(box.folder, readonly=True)[b"EXISTS"])
        recent = [len(client.search(["SINCE", (now - timedelta(days=days)).date()])) for days in (1, 7)]
        return mails, recent[0], recent[1]


def _files(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in os.scandir(folder) if entry.is_file()] if folder.is_dir() else []


@dataclass(frozen=True, slots=True)
class Probe:
    """One test mail.

    Attributes:
        token: random, by which it and its bounce are known.
        sender: our address: a bounce shall come back here, as it is a quick answer.
        recipient: the address with a plus-part.
        mime: the whole mail.
    """

    token: str
    sender: str
    recipient: str
    mime: bytes


def make_probe(address: str, loop_value: str, now: datetime) -> Probe:
    """A test mail from an address to itself, plus-part added. The daemon ignores it: it carries our loop header."""
    token = secrets.token_hex(8)
    local, _, domain = address.rpartition("@")
    recipient = f"{local}+probe-{token}@{domain}"
    fields = [
        ("From", address), ("To", recipient), ("Subject", "Test of plus-addressing"), ("Date", date(now)),
        ("Message-ID", make_msgid(domain=domain)), ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"), ("X-Helpdesk-Loop", loop_value), (FIELD, token),
    ]  # fmt: skip
    text = "The helpdesk daemon sent this mail to itself, to see whether this address works. You can delete it.\n"
    return Probe(token, address, recipient, write(fields, text, ""))


async def send(probe: Probe, transport: Transport) -> str:
    """Send the test mail; the server's refusal when it will not take the address, else empty.

    Raises:
        TransientError, SignInError: it could not be sent now.
    """
    try:
        await transport.send(probe.sender, probe.recipient, probe.mime)
    except PermanentError as error:
        return str(error)
    return ""


def can_probe(transport: Transport) -> bool:
    """Whether mail leaves at all: into Maildirs it does not."""
    return not isinstance(transport, MaildirTransport)


class Watch:
    """Looks for a probe in folders of a mailbox, and deletes it there.

    Args:
        box: a mailbox made for this.
        folders: where it may arrive; where the daemon moves kept mail, too. Noted before the probe is sent.
    """

    def __init__(self, box: Mailbox, folders: Sequence[str]) -> None:
        self._box = box
        self._next: dict[str, int] = {}
        if isinstance(box, ImapMailbox):
            with box.session() as client:
                here = [folder for folder in folders if client.folder_exists(folder)]
                self._next = {f: int(client.folder_status(f, ["UIDNEXT"])[b"UIDNEXT"]) for f in here}
        self._paths = [Path(box.folder, part) for part in ("new", "cur")]
        self._since = time.time()

    def wait(self, probe: Probe, seconds: float = SECONDS) -> float | None:
        """Wait for the probe; it is deleted.

        Returns:
            The seconds it took; None when it bounced, or did not come in time.
        """
        began = time.monotonic()
        while True:
            found = next(self._found(probe.token.encode()), None)
            if found is not None:
                return time.monotonic() - began if found else None
            if time.monotonic() - began > seconds:
                return None
            time.sleep(LOOK_EVERY)

    def _found(self, token: bytes) -> Iterator[bool]:
        """For each new mail with the token, deleted at once: whether it is the probe, not its bounce."""
        box = self._box
        if isinstance(box, ImapMailbox):
            with box.session() as client:
                for folder in self._next:
                    yield from self._in_folder(client, folder, token)
            return
        for path in (file for part in self._paths for file in _files(part)):
            if path.stat().st_ctime >= self._since - 1 and (verdict := _verdict(_head(path), token)) is not None:
                path.unlink(missing_ok=True)
                yield verdict

    def _in_folder(self, client: Any, folder: str, token: bytes) -> Iterator[bool]:
        client.select_folder(folder)
        first = self._next[folder]
        for uid in sorted(uid for uid in client.search(["UID", f"{first}:*"]) if uid >= first):
            facts: dict[bytes, Any] = client.fetch([uid], [f"BODY.PEEK[]<0.{HEAD_BYTES}>"]).get(uid, {})
            verdict = _verdict(facts.get(b"BODY[]<0>") or b"", token)
            if verdict is not None:
                client.delete_messages([uid], silent=True)
                if client.has_capability("UIDPLUS"):
                    client.uid_expunge([uid])
                yield verdict
            self._next[folder] = uid + 1

    def close(self) -> None:
        """Let go of connections."""
        self._box.close()


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _verdict(raw: bytes, token: bytes) -> bool | None:
    """True for the probe itself, False for a mail about it, None for any other mail."""
    if token not in raw:
        return None
    own = b"\n" + FIELD.lower().encode() + b": " + token
    return own in b"\n" + raw.replace(b"\r\n", b"\n").partition(b"\n\n")[0].lower()
