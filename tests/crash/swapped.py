"""The mistake the crash suite exists to catch: the mailbox is marked before our commit."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from helpdesk_daemon.app import App
from helpdesk_daemon.ports import Fetched


def mark_before_commit(app: App) -> None:
    """Make ingest mark what it fetched at once, and die before it is kept."""
    mailbox = app.ingests[0]._mailbox
    fetch = mailbox.fetch

    def fetch_and_mark(uids: Sequence[str]) -> tuple[list[Fetched], list[str]]:
        mails, settled = fetch(uids)
        mailbox.touch(settled)
        os.kill(os.getpid(), signal.SIGKILL)
        return mails, settled

    mailbox.fetch = fetch_and_mark  # type: ignore[method-assign]
