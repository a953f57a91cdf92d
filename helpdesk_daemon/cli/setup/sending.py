"""Where outgoing mail leaves."""

from __future__ import annotations

from urllib.parse import urlsplit

from helpdesk_daemon.adapters.providers import PROVIDERS, first_answering, usual_smtp
from helpdesk_daemon.cli.setup.connecting import offers, smtp_url
from helpdesk_daemon.cli.setup.files import Answers
from helpdesk_daemon.cli.setup.flags import NONE, Flags
from helpdesk_daemon.cli.setup.mailbox import password
from helpdesk_daemon.cli.setup.talk import Talk
from helpdesk_daemon.errors import HelpdeskError, SignInError


def ask_smtp(talk: Talk, flags: Flags, answers: Answers) -> None:
    """Ask until a server takes our mail, or the person wants the answers as they are."""
    talk.head("Where your answers leave")
    guess, url, first = _guessed_smtp(talk, flags, answers), flags.smtp, True
    while True:
        answers.smtp = talk.ask("Server for outgoing mail, or maildir:PATH", smtp_url, "--smtp", url, guess)
        try:
            _try_smtp(talk, flags, answers, first)
            return
        except HelpdeskError as error:
            if not talk.failed(error):
                return
            url, guess, first = None, answers.smtp, False


def _guessed_smtp(talk: Talk, flags: Flags, answers: Answers) -> str:
    """The likeliest server: of the mailbox's provider, else one that answers under a usual name."""
    if flags.smtp is not None:
        return ""
    if answers.mailbox.startswith("maildir:"):
        return "maildir:var/outgoing"
    provider = next((p for p in PROVIDERS if answers.mailbox.startswith(p.imap)), None)
    if provider:
        return provider.smtp
    host, domain = urlsplit(answers.mailbox).hostname or "", answers.address.rpartition("@")[2]
    talk.say("Looking for it …")
    return first_answering([*usual_smtp(domain), f"smtps://{host}", f"smtp://{host}"])


def _try_smtp(talk: Talk, flags: Flags, answers: Answers, first: bool) -> None:
    """Ask who signs in there, and try it.

    Raises:
        HelpdeskError: it does not work.
    """
    answers.smtp_user = answers.smtp_password = ""
    if answers.smtp.startswith("maildir:"):
        talk.say("Mail is written into Maildirs there, one a recipient; none of it leaves this machine.")
        return
    signs_in = offers(answers).sign_in if flags.test else True
    if signs_in or flags.smtp_user:
        default = answers.mailbox_user or answers.address
        given = flags.smtp_user if first else None
        user = talk.ask(f"User name there ({NONE} for none)", str, "--smtp-user", given, default)
        answers.smtp_user = "" if user == NONE else user
    if answers.smtp_user:
        _try_password(talk, flags, answers)
    if not flags.test:
        return
    found = offers(answers)
    answers.null_sender = found.null_sender
    size = f"takes mail up to {found.size / 1e6:,.0f} MB" if found.size else "names no limit of size"
    talk.good(f"{'signed in' if answers.smtp_user else 'connected'}; {size}")
    if not found.null_sender:
        talk.note(f"it refuses the null sender; acknowledgements leave from {answers.address} instead")


def _try_password(talk: Talk, flags: Flags, answers: Answers) -> None:
    """The mailbox's password if it serves here, too; else its own."""
    question, flag = "Password there (not shown)", "--smtp-password-file"
    if flags.smtp_password_file is not None or answers.smtp_user != answers.mailbox_user:
        answers.smtp_password = password(talk, question, flag, flags.smtp_password_file)
        return
    answers.smtp_password = answers.mailbox_password
    if not flags.test:
        return
    try:
        offers(answers)
    except SignInError:
        if talk.yes:
            raise
        talk.note("it refuses the mailbox's password")
        answers.smtp_password = password(talk, question, flag, None)
