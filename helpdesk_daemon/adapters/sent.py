"""Where copies of sent mail are kept: a folder of an IMAP account, or beside a Maildir."""

from __future__ import annotations

import hashlib
import imaplib
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from imapclient.exceptions import IMAPClientError
from imapclient.imapclient import SEEN, SENT

from helpdesk_daemon.adapters.imap import ImapMailbox
from helpdesk_daemon.errors import PermanentError, TransientError
from helpdesk_daemon.ports import Copy

AUTO = "auto"
USUAL = "Sent"


class ImapSent:
    """`SentFolder` on an IMAP server (APPEND, RFC 3501 section 6.3.11).

    Args:
        account: signs in; a connection that nothing else uses.
        folder: its name; `auto` for the one the server marks as \\Sent (RFC 6154).
    """

    def __init__(self, account: ImapMailbox, folder: str) -> None:
        self.mailbox, self._account, self._folder = account.name, account, folder

    def file(self, copy: Copy) -> bool:
        """See `SentFolder.file`."""
        with self._account.session() as client:
            try:
                self._select(client)
                # Some servers file what they send, and a crash may have come after our own APPEND. Looking at two
                # days only keeps the search from growing with the folder.
                day = (copy.sent_at - timedelta(days=1)).date()
                if client.search(["SINCE", day, "HEADER", "Message-ID", copy.message_id]):
                    return False
                client.append(self._folder, copy.mime, [SEEN], copy.sent_at)
            except imaplib.IMAP4.abort:
                raise
            except IMAPClientError as error:
                raise PermanentError(f"{self._folder} of {self.mailbox}: {error}") from error
        return True

    def _select(self, client: Any) -> None:
        """Look into the folder; find its name first, and make it, where that is needed."""
        if self._folder == AUTO:
            self._folder = client.find_special_folder(SENT) or f"{_prefix(client)}{USUAL}"
        if not client.folder_exists(self._folder):
            client.create_folder(self._folder)
            client.subscribe_folder(self._folder)
        client.select_folder(self._folder, readonly=True)

    def close(self) -> None:
        """See `SentFolder.close`."""
        self._account.close()


def _prefix(client: Any) -> str:
    """What the names of one's own folders begin with (RFC 2342)."""
    personal = client.namespace().personal if client.has_capability("NAMESPACE") else ()
    return str(personal[0][0]) if personal else ""


class MaildirSent:
    """`SentFolder` beside a Maildir, as Maildir++ names folders. A copy's name follows from its Message-ID."""

    def __init__(self, mailbox: str, path: Path, folder: str) -> None:
        self.mailbox = mailbox
        self._path = path / f".{USUAL if folder == AUTO else folder}"

    def file(self, copy: Copy) -> bool:
        """See `SentFolder.file`."""
        digest = hashlib.sha256(copy.message_id.encode()).hexdigest()[:24]
        name = f"{int(copy.sent_at.timestamp())}.{digest}.sent"
        final = self._path / "cur" / f"{name}:2,S"
        try:
            for part in ("tmp", "new", "cur"):
                (self._path / part).mkdir(parents=True, exist_ok=True)
            if final.exists():
                return False
            with (self._path / "tmp" / name).open("wb") as file:
                file.write(copy.mime)
                file.flush()
                os.fsync(file.fileno())
            os.replace(self._path / "tmp" / name, final)
        except OSError as error:
            raise TransientError(f"{self._path}: {error.strerror}") from error
        return True

    def close(self) -> None:
        """Nothing is held open."""
