"""A conversation played over real servers: everybody has a mailbox, and answers what lies in it."""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from helpdesk_daemon.app import App
from tests.harness.clients import body, read
from tests.harness.dovecot import Dovecot
from tests.harness.sink import Mail, Sink

KEEP = "KEEP_MAILS"  # a folder that gets every mail, to be looked at


def kept_folder() -> Path | None:
    """Where the mails of a play are kept, None for nowhere."""
    return Path(os.environ[KEEP]) if os.environ.get(KEEP) else None


@dataclass(slots=True)
class Play:
    """The stage.

    Attributes:
        app: the daemon.
        runner: its loop.
        server: holds every mailbox, ours too.
        sink: what our server hands on is taken here and filed into the recipients' mailboxes.
        keep: gets every mail as files, None for no files.
    """

    app: App
    runner: asyncio.Runner
    server: Dovecot
    sink: Sink
    keep: Path | None = None
    number: int = field(default=0)

    def arrives(self, *mails: bytes, step: str) -> list[Mail]:
        """Put mails into the support mailbox and let the daemon work.

        Returns:
            What left, in the order of recipients.
        """
        self.number += 1
        for mail in mails:
            self._keep(mail, f"{step}-in")
        self.server.append(mails)
        self.runner.run(self.app.once())
        left = sorted(self.sink.mails, key=lambda m: m.recipient)
        self.sink.mails.clear()
        for position, out in enumerate(left, 1):
            self._keep(out.content, f"{step}-out-{position}-to-{out.recipient}")
            self.server.append([out.content], user=user_of(out.recipient))
        return left

    def works(self, step: str) -> list[Mail]:
        """Let the daemon work although no mail came."""
        return self.arrives(step=step)

    def latest(self, email: str) -> bytes:
        """The newest mail in somebody's mailbox."""
        client = self.server.client(user_of(email))
        client.select_folder("INBOX", readonly=True)
        uid = max(client.search())
        content: bytes = client.fetch([uid], ["BODY.PEEK[]"])[uid][b"BODY[]"]
        client.logout()
        return content

    def _keep(self, mail: bytes, name: str) -> None:
        if self.keep is None:
            return
        self.keep.mkdir(parents=True, exist_ok=True)
        path = self.keep / f"{self.number:02}-{re.sub(r'[^A-Za-z0-9@.-]+', '-', name)}"
        path.with_name(f"{path.name}.eml").write_bytes(mail)
        head = "\n".join(f"{key}: {value}" for key, value in read(mail).items())
        path.with_name(f"{path.name}.txt").write_text(f"{head}\n\n{body(mail, 'plain')}")
        if html := body(mail, "html"):
            path.with_name(f"{path.name}.html").write_text(html)


def user_of(email: str) -> str:
    """The name under which a person's mailbox lies on the server."""
    return email.replace("@", "-at-")
