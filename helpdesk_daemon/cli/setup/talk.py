"""Questions on a terminal, each of which a flag can answer, and words for what servers say."""

from __future__ import annotations

import re
from collections.abc import Callable

import click

from helpdesk_daemon.errors import HelpdeskError

# What a failure means for the person who typed the answers; the first pattern that matches speaks.
MEANINGS: tuple[tuple[str, str], ...] = (
    (r"gaierror|Name or service not known|getaddrinfo|nodename nor servname", "There is no host of that name."),
    (r"Connection ?refused|Connect call failed|Errno 111", "The host answers, but nothing listens on that port."),
    (r"CERTIFICATE_VERIFY_FAILED|certificate verify failed",
     "Its certificate is not trusted. Is the name right? For a certificate of your own, begin again with --ca-file."),
    (r"WRONG_VERSION_NUMBER|wrong version number|record layer",
     "No TLS there. Is it the right port? Port 587 is smtp://, 143 is imap://."),
    (r"timed out|TimeoutError|Timeout", "It does not answer in time. Is the port right, and open to this machine?"),
    (r"AUTH extension is not supported",
     "It offers no sign-in. Answer - as user name to send without."),
    (r"STARTTLS", "It offers no encryption on that port. Try imaps:// or smtps:// instead."),
    (r"unexpected response|SMTPResponseException|SMTPConnectResponseError|SMTPServerDisconnected",
     "It does not speak as it should. Is it the right port?"),
    (r"refused the sign-in", "User name or password are refused."),
    (r"has no folder|there is no folder", "There is no such folder."),
)  # fmt: skip


def meaning(error: HelpdeskError) -> str:
    """What a failure means, in words; empty when only the error itself can be shown."""
    return next((words for pattern, words in MEANINGS if re.search(pattern, str(error), re.IGNORECASE)), "")


class Talk:
    """Asks a person; with `yes`, takes flags and defaults and asks nobody.

    Args:
        yes: nobody is there to answer.
    """

    def __init__(self, yes: bool) -> None:
        self.yes = yes

    def ask(
        self, question: str, check: Callable[[str], str], flag: str, given: str | None = None, default: str = "",
        hidden: bool = False,
    ) -> str:  # fmt: skip
        """The answer to a question: a flag's, the default, or what is typed until it passes the check.

        Args:
            question: without its question mark or colon.
            check: the answer as it is kept; a ValueError says what is wrong.
            flag: that answers it, for messages.
            given: what that flag says, None when it was not used.
            default: taken by Enter; none when empty.
            hidden: what is typed is not shown, and may be nothing.

        Raises:
            click.UsageError: the flag's answer, or the default nobody could better, is wrong or missing.
        """
        alone = given is not None or self.yes
        while True:
            if given is not None:
                value = given
            elif self.yes:
                value = default
            elif hidden:
                value = click.prompt(question, default="", show_default=False, hide_input=True)
            else:
                value = click.prompt(question, default=default or None)
            try:
                return check(value.strip())
            except ValueError as error:
                if alone:
                    raise click.UsageError(f"{flag}: {error}") from error
                self.problem(str(error))

    def confirm(self, question: str, default: bool, given: bool | None = None) -> bool:
        """Yes or no."""
        if given is not None:
            return given
        return default if self.yes else click.confirm(question, default=default)

    def failed(self, error: HelpdeskError) -> bool:
        """Tell that a server did not do as hoped; whether to ask again, or else to keep the answers.

        Raises:
            HelpdeskError: nobody is there to correct anything.
            click.Abort: the person gives up.
        """
        words = f"{meaning(error)} ({error})" if meaning(error) else str(error)
        if self.yes:
            raise HelpdeskError(words) from error
        self.problem(words)
        choice = click.prompt(
            "  Correct the answers, keep them anyway, or stop?", default="correct",
            type=click.Choice(["correct", "keep", "stop"]),
        )  # fmt: skip
        if choice == "stop":
            raise click.Abort
        return bool(choice == "correct")

    def head(self, words: str) -> None:
        """A part of the conversation begins."""
        click.echo()
        click.secho(words, bold=True)

    def say(self, words: str) -> None:
        """Something to know."""
        click.echo(f"  {words}")

    def good(self, words: str) -> None:
        """Something that was tried and works."""
        click.secho("  ok    ", fg="green", nl=False)
        click.echo(words)

    def note(self, words: str) -> None:
        """Something that works in another way than one would hope."""
        click.secho("  note  ", fg="yellow", nl=False)
        click.echo(words)

    def problem(self, words: str) -> None:
        """Something that does not work."""
        click.secho("  FAIL  ", fg="red", nl=False)
        click.echo(words)
