"""What lies in a folder, looked at beside the stages: a connection of its own, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from os import scandir
from pathlib import Path
from typing import Any, Protocol

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.imap import ImapMailbox
from helpdesk_daemon.adapters.maildir import MaildirMailbox, is_wanted
from helpdesk_daemon.errors import PermanentError, TransientError
from helpdesk_daemon.mail.digest import message_id_of
from helpdesk_daemon.mail.parse import parse, split_head
from helpdesk_daemon.ports import Cursor, Fetched, Mailbox

HEAD_BYTES = 64_000
TICK = 1.0  # seconds by which two file times may differ without meaning it
FIELDS = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID FROM SUBJECT)]"


class Verdict(StrEnum):
    """What it means that a mail of a folder is not in the ledger."""

    LEFT = "left"  # the start rule leaves it
    WAITING = "waiting"  # the next poll takes it
    LOST = "lost"  # reading went past it


@dataclass(frozen=True, slots=True)
class Lying:
    """One mail as it lies in its folder.

    Attributes:
        received_at: INTERNALDATE or its like, UTC.
        message_id: empty when there is none.
        sender: address, empty when it cannot be read.
        subject: decoded.
    """

    received_at: datetime
    message_id: str
    sender: str
    subject: str


@dataclass(frozen=True, slots=True)
class Reached:
    """How far the ledger says that a folder was read.

    Attributes:
        cursor: see `Cursor`.
        newest: when the newest mail kept from this folder was received, UTC; None when there is none.
        first_validity: the folder never had another UIDVALIDITY.
    """

    cursor: Cursor
    newest: datetime | None
    first_validity: bool


class Survey(Protocol):
    """A folder, for looking only. Errors are those of `Mailbox`."""

    name: str
    folder: str

    def look(self) -> tuple[int, list[str]]:
        """Its UIDVALIDITY, and the UIDs of all mail in it, oldest first; the other methods answer for this look."""

    def judge(self, uids: Sequence[str], reached: Reached) -> dict[str, Verdict]:
        """Why each of some mails is not in the ledger; mails that are gone by now have no verdict."""

    def describe(self, uids: Sequence[str]) -> dict[str, Lying]:
        """Some mails, those that are gone left out."""

    def fetch(self, uids: Sequence[str]) -> tuple[list[Fetched], list[str]]:
        """See `Mailbox.fetch`."""

    def beside(self, folder: str) -> Survey | None:
        """Another folder of the same mailbox; None when there is none of that name."""

    def close(self) -> None:
        """Let go of connections."""


class ImapSurvey:
    """`Survey` of an IMAP folder, opened with EXAMINE.

    Args:
        box: a mailbox of its own for this, that touches nothing.
    """

    def __init__(self, box: ImapMailbox) -> None:
        self.name, self.folder, self._box = box.name, box.folder, box

    def look(self) -> tuple[int, list[str]]:
        """See `Survey.look`: one number a mail is held, no more."""
        with self._box.session() as client:
            if not client.folder_exists(self.folder):
                raise PermanentError(f"there is no folder {self.folder}")
            self._box.folder = self.folder
            found = client.select_folder(self.folder, readonly=True)
            return int(found[b"UIDVALIDITY"]), [str(uid) for uid in sorted(client.search("ALL"))]

    def judge(self, uids: Sequence[str], reached: Reached) -> dict[str, Verdict]:
        """See `Survey.judge`: the cursor and INTERNALDATE tell."""
        cursor = reached.cursor
        old = [uid for uid in uids if int(uid) < cursor.backlog and cursor.since is not None]
        if cursor.since == cursor.started_at and reached.first_validity:
            left = set(old)  # start = "now": all that was there
        else:
            dates = self._facts(old, ["INTERNALDATE"])
            left = {u for u in old if u in dates and cursor.since and _date(dates[u]) < cursor.since}
            uids = [uid for uid in uids if uid in dates or uid not in old]
        return {
            uid: Verdict.LEFT if uid in left else Verdict.LOST if int(uid) <= cursor.position else Verdict.WAITING
            for uid in uids
        }

    def describe(self, uids: Sequence[str]) -> dict[str, Lying]:
        """See `Survey.describe`."""
        found = {}
        for uid, facts in self._facts(uids, ["INTERNALDATE", FIELDS]).items():
            head = next((value for key, value in facts.items() if key.startswith(b"BODY[HEADER")), b"")
            found[uid] = _lying(head or b"", _date(facts))
        return found

    def _facts(self, uids: Sequence[str], items: Sequence[str]) -> dict[str, dict[bytes, Any]]:
        if not uids:
            return {}
        with self._box.session() as client:
            return {str(uid): facts for uid, facts in client.fetch([int(uid) for uid in uids], items).items()}

    def fetch(self, uids: Sequence[str]) -> tuple[list[Fetched], list[str]]:
        """See `Mailbox.fetch`."""
        return self._box.fetch(uids)

    def beside(self, folder: str) -> ImapSurvey | None:
        """See `Survey.beside`; the connection is shared, so this folder needs a new look afterwards."""
        with self._box.session() as client:
            if not client.folder_exists(folder):
                return None
        other = ImapSurvey(self._box)
        other.folder = folder
        return other

    def close(self) -> None:
        """See `Survey.close`."""
        self._box.close()


class MaildirSurvey:
    """`Survey` of a Maildir.

    Args:
        box: a mailbox of its own for this, that touches nothing.
    """

    def __init__(self, box: MaildirMailbox) -> None:
        self.name, self.folder, self._box = box.name, box.folder, box
        self._files: dict[str, tuple[str, str]] = {}

    def look(self) -> tuple[int, list[str]]:
        """See `Survey.look`. A Maildir has no UIDVALIDITY: it is always 1."""
        try:
            for part in ("new", "cur"):
                with scandir(Path(self.folder, part)) as entries:
                    for entry in entries:
                        if not entry.name.startswith(".") and entry.is_file():
                            self._files[entry.name.partition(":2,")[0]] = part, entry.name
        except FileNotFoundError as error:
            raise PermanentError(f"{self.folder} is not a Maildir: {error.filename} is missing") from error
        except OSError as error:
            raise TransientError(f"{self.folder}: {error.strerror}") from error
        return 1, sorted(self._files)

    def judge(self, uids: Sequence[str], reached: Reached) -> dict[str, Verdict]:
        """See `Survey.judge`. Mail is taken oldest first, so what is older than the newest kept was passed over."""
        verdicts = {}
        for uid in uids:
            part, name = self._files[uid]
            try:
                stat = Path(self.folder, part, name).stat()
            except FileNotFoundError:
                continue
            passed = reached.newest and max(stat.st_mtime, stat.st_ctime) < reached.newest.timestamp() - TICK
            taken = is_wanted(name, stat, part == "new", reached.cursor)
            verdicts[uid] = Verdict.LEFT if not taken else Verdict.LOST if passed else Verdict.WAITING
        return verdicts

    def describe(self, uids: Sequence[str]) -> dict[str, Lying]:
        """See `Survey.describe`."""
        found = {}
        for uid in uids:
            path = Path(self.folder, *self._files[uid])
            try:
                received = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                with path.open("rb") as file:
                    found[uid] = _lying(file.read(HEAD_BYTES), received)
            except FileNotFoundError:
                continue
        return found

    def fetch(self, uids: Sequence[str]) -> tuple[list[Fetched], list[str]]:
        """See `Mailbox.fetch`."""
        return self._box.fetch(uids)

    def beside(self, folder: str) -> MaildirSurvey | None:
        """See `Survey.beside`."""
        path = Path(self.folder, f".{folder}")
        return MaildirSurvey(MaildirMailbox(self.name, path, SystemClock())) if path.is_dir() else None

    def close(self) -> None:
        """See `Survey.close`."""
        self._box.close()


def survey_of(box: Mailbox) -> ImapSurvey | MaildirSurvey:
    """The survey of a mailbox that was made for it alone."""
    if isinstance(box, ImapMailbox):
        return ImapSurvey(box)
    assert isinstance(box, MaildirMailbox)
    return MaildirSurvey(box)


def _date(facts: dict[bytes, Any]) -> datetime:
    at = facts.get(b"INTERNALDATE")
    return at.astimezone(UTC) if isinstance(at, datetime) else datetime.fromtimestamp(0, UTC)


def _lying(raw: bytes, received_at: datetime) -> Lying:
    message = parse(split_head(raw)[0] + b"\r\n\r\n")
    return Lying(received_at, message_id_of(raw), message.sender.email, message.subject)


def chunks(uids: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    """UIDs in pieces of a bounded number."""
    return (uids[at : at + size] for at in range(0, len(uids), size))
