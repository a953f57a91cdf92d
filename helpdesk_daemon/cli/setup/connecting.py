"""Adapters out of answers that stand in no file yet: `init` tries them before it writes anything."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from urllib.parse import quote

from pydantic import PrivateAttr, ValidationError

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.oauth.tokens import Tokens
from helpdesk_daemon.adapters.probe import Probe, Watch, send
from helpdesk_daemon.adapters.providers import provider_named
from helpdesk_daemon.adapters.smtp.offers import Offers, ask
from helpdesk_daemon.adapters.smtp.transport import SmtpTransport
from helpdesk_daemon.cli.setup.files import Answers
from helpdesk_daemon.ports import Mailbox, Transport
from helpdesk_daemon.settings import IdentityTable, MailboxTable, Settings, SmtpTable
from helpdesk_daemon.wiring.accounts import mailbox_of, tokens_of, transport_of

TIMEOUT = 10.0  # seconds: a person waits


class _TypedMailbox(MailboxTable):
    """`[[mailbox]]` whose password was typed."""

    _typed: str = PrivateAttr("")

    def read(self) -> str:
        return self._typed


class _TypedSmtp(SmtpTable):
    """`[smtp]` whose password was typed."""

    _typed: str = PrivateAttr("")

    def read(self) -> str:
        return self._typed


def mailbox_for(answers: Answers, folder: Path) -> Mailbox:
    """The mailbox of the answers, that touches nothing; a Maildir's path is taken from the folder of the settings."""
    table = _TypedMailbox(url=answers.mailbox, user=answers.mailbox_user, timeout=TIMEOUT)
    table.ca_file = answers.ca_file or None  # type: ignore[assignment]
    table._typed = answers.mailbox_password
    if table.endpoint.scheme == "maildir":
        table.url = f"maildir:{quote(str(folder / table.endpoint.path))}"
    return mailbox_of(table, SystemClock(), _no_tokens())


def transport_for(answers: Answers) -> Transport:
    """The transport of the answers."""
    settings = Settings(identity=IdentityTable(address=answers.address))
    table = _TypedSmtp(url=answers.smtp, user=answers.smtp_user, timeout=TIMEOUT)
    table.ca_file = answers.ca_file or None  # type: ignore[assignment]
    table._typed = answers.smtp_password
    settings.smtp = table
    return transport_of(settings, _no_tokens())


def _no_tokens() -> Tokens:
    """`init` signs in with passwords; docs/sign-in.md tells how to go on to tokens."""
    return tokens_of(Settings(), SystemClock())


def offers(answers: Answers, recipients: Sequence[str] = ()) -> Offers:
    """What the server for outgoing mail says. Errors are those of `offers.ask`."""
    transport = transport_for(answers)
    assert isinstance(transport, SmtpTransport)
    return asyncio.run(ask(transport, answers.address, answers.smtp_user, recipients))


def probed(box: Mailbox, folders: Sequence[str], transport: Transport, probe: Probe) -> float | str:
    """Send a probe and wait for it: the seconds it took, or in words why it did not come.

    Raises:
        HelpdeskError: it could not be sent, or the mailbox not be read.
    """

    async def leave() -> str:
        try:
            return await send(probe, transport)
        finally:
            await transport.close()

    watch = Watch(box, folders)
    try:
        if refused := asyncio.run(leave()):
            return f"the server refuses the address: {refused}"
        took = watch.wait(probe)
        return "it bounced, or did not arrive in time" if took is None else took
    finally:
        watch.close()


def _said(error: ValidationError) -> ValueError:
    return ValueError(error.errors()[0]["msg"].removeprefix("Value error, "))


def email(value: str) -> str:
    """An address as settings keep it.

    Raises:
        ValueError: it is none.
    """
    try:
        return IdentityTable(address=value).address
    except ValidationError as error:
        raise _said(error) from error


def mailbox_url(value: str) -> str:
    """The URL of a mailbox: as typed, for a host alone with `imaps://`, for a provider's name its server.

    Raises:
        ValueError: it is none.
    """
    provider = provider_named(value)
    return _url(provider.imap if provider else value, "imaps", MailboxTable)


def smtp_url(value: str) -> str:
    """The same for outgoing mail, with `smtps://`."""
    provider = provider_named(value)
    return _url(provider.smtp if provider else value, "smtps", SmtpTable)


def _url(value: str, scheme: str, table: type[MailboxTable] | type[SmtpTable]) -> str:
    if not value:
        raise ValueError("Name a server, such as mail.example.com")
    url = (
        value if ":" in value.partition("/")[0] and not value.partition(":")[2][:1].isdigit() else f"{scheme}://{value}"
    )
    try:
        table(url=url).endpoint  # noqa: B018  it checks
    except ValidationError as error:
        raise _said(error) from error
    return url


def start(value: str) -> str:
    """`now`, `all` or a day that is not in the future.

    Raises:
        ValueError: it is none of them.
    """
    if value in ("now", "all"):
        return value
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise ValueError("Write now, all, or a date such as 2026-11-22") from None
    if day > SystemClock().now().date():
        raise ValueError("That day is still to come")
    return value
