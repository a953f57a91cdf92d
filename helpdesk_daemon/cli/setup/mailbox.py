"""Where customers' mail arrives: the server, the folder, and what becomes of the mail already there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from helpdesk_daemon.adapters.imap import ImapMailbox
from helpdesk_daemon.adapters.probe import ages, look_around
from helpdesk_daemon.adapters.providers import PROVIDERS, first_answering, provider_of, usual_imap
from helpdesk_daemon.cli.setup import connecting
from helpdesk_daemon.cli.setup.connecting import mailbox_url, start
from helpdesk_daemon.cli.setup.files import Answers
from helpdesk_daemon.cli.setup.flags import Flags
from helpdesk_daemon.cli.setup.talk import Talk
from helpdesk_daemon.errors import HelpdeskError
from helpdesk_daemon.settings import MailboxTable


def ask_mailbox(talk: Talk, flags: Flags, answers: Answers, folder: Path) -> None:
    """Ask until a mailbox can be read, or the person wants the answers as they are."""
    talk.head("Where their mail arrives")
    domain = answers.address.rpartition("@")[2]
    provider = provider_of(domain)
    guess = provider.imap if provider else ""
    if flags.mailbox is None and not guess:
        talk.say(f"Looking for the mail server of {domain} …")
        guess = first_answering(usual_imap(domain))
        if not guess:
            talk.say("None under the usual names. Type its host, or a provider: gmail, microsoft, fastmail, zoho …")
    url, user, file = flags.mailbox, flags.user, flags.password_file
    while True:
        answers.mailbox = talk.ask("Mail server, or maildir:PATH", mailbox_url, "--mailbox", url, guess)
        if answers.mailbox.startswith("maildir:"):
            answers.mailbox_user = answers.mailbox_password = ""
        else:
            _hint(talk, answers.mailbox)
            default = answers.mailbox_user or answers.address
            answers.mailbox_user = talk.ask("User name there", str, "--user", user, default)
            answers.mailbox_password = password(talk, "Password (not shown)", "--password-file", file)
        try:
            _try_mailbox(talk, flags, answers, folder)
            return
        except HelpdeskError as error:
            if not talk.failed(error):
                return
            url, user, file, guess = None, None, None, answers.mailbox


def _hint(talk: Talk, url: str) -> None:
    """What a provider's customers stumble over."""
    note = next((p.note for p in PROVIDERS if p.note and url.startswith((p.imap, p.smtp))), "")
    if note:
        talk.note(note)


def password(talk: Talk, question: str, flag: str, file: Path | None) -> str:
    """A password out of a file, else as typed; empty when there is nobody to type it."""
    if file is not None:
        return file.read_text().strip()
    return "" if talk.yes else talk.ask(question, str, flag, hidden=True)


def _try_mailbox(talk: Talk, flags: Flags, answers: Answers, folder: Path) -> None:
    """Sign in, look around, choose the folder, and ask about mail already there.

    Raises:
        HelpdeskError: it does not work.
    """
    if not flags.test:
        answers.start = talk.ask("Mail already there: now leaves it, all or a date takes it", start,
                                 "--start", flags.start, "now")  # fmt: skip
        return
    box = connecting.mailbox_for(answers, folder)
    try:
        if isinstance(box, ImapMailbox):
            _choose_folder(talk, flags, answers, box)
        mails, day, week = ages(box, datetime.now(UTC))
    finally:
        box.close()
    _start(talk, flags, answers, mails, day, week)


def _choose_folder(talk: Talk, flags: Flags, answers: Answers, box: ImapMailbox) -> None:
    found = look_around(box)
    news = "announced at once (IDLE)" if found.idle else "looked for every minute (no IDLE)"
    talk.good(f"signed in; new mail is {news}")
    listed = ", ".join(f"{name} ({count:,})" for name, count in list(found.folders.items())[:8])
    talk.good(f"folders, with their mails: {listed}{', …' if len(found.folders) > 8 else ''}")
    if flags.mailbox is None and not MailboxTable(url=answers.mailbox).endpoint.path:
        folder = "INBOX"
        if len(found.folders) > 1:
            folder = talk.ask("Folder to read", lambda name: _one_of(name, found.folders), "--mailbox", None, folder)
        answers.mailbox = f"{answers.mailbox.rstrip('/')}/{quote(folder)}"
        box.folder = folder


def _one_of(name: str, folders: dict[str, int]) -> str:
    if name.upper() == "INBOX":
        return "INBOX"
    if name not in folders and len(folders) < 30:
        raise ValueError(f"There is no folder {name}")
    return name


def _start(talk: Talk, flags: Flags, answers: Answers, mails: int, day: int, week: int) -> None:
    if not mails and flags.start is None:
        talk.say("It holds no mail yet.")
        return
    talk.say(f"It holds {mails:,} mail{'' if mails == 1 else 's'}: {day:,} of the last day, {week:,} of the last week.")
    if not talk.yes and flags.start is None:
        talk.say("now: only what comes from now on. all, or a date such as 2026-11-22: take these as well.")
        talk.say("Nobody gets an acknowledgement for mail older than two days.")
    answers.start = talk.ask("Which become tickets", start, "--start", flags.start, "now")
