"""Mailboxes, ways out and whom to tell, each with how it signs in."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from helpdesk_daemon.adapters.oauth.client import Client
from helpdesk_daemon.adapters.oauth.providers import PROVIDERS, Provider
from helpdesk_daemon.adapters.oauth.tokens import Tokens, TokenSource
from helpdesk_daemon.outgoing.message import Kind
from helpdesk_daemon.ports import Clock, Mailbox, Reached, SentFolder, Transport, Webhook, pass_by
from helpdesk_daemon.settings import MailboxTable, Settings, SmtpTable

if TYPE_CHECKING:
    from helpdesk_daemon.stages.digest import Plan


# `sent_copies`: the kinds of mail of which the Sent folder gets a copy.
COPIES = {"answers": (Kind.RELAY,), "all": (Kind.RELAY, Kind.ACKNOWLEDGEMENT)}


def tokens_of(settings: Settings, clock: Clock, reached: Reached = pass_by) -> Tokens:
    """Where access tokens come from; every mailbox and the transport must share one."""
    tokens = Tokens(settings.data_dir, clock, reached)
    for table in settings.accounts:
        _source(table, tokens)  # advice names the account by its mailbox, which comes first
    return tokens


def client_of(table: MailboxTable | SmtpTable) -> Client | None:
    """The OAuth client of a table, None where it signs in with a password."""
    oauth = table.oauth
    if oauth is None:
        return None
    facts = PROVIDERS[oauth.provider] if oauth.provider else Provider(oauth.token_url, "")
    alone = oauth.grant == "client_credentials"
    return Client(
        name=table.name if isinstance(table, MailboxTable) else "smtp", user=table.login,
        provider=oauth.provider or "", client_id=oauth.client_id, secret=oauth.secret, grant=oauth.grant,
        scope=oauth.scope or (facts.app_scope if alone else facts.scope), seed=oauth.seed, extra=facts.extra,
        token_url=facts.token_url.replace("{tenant}", oauth.tenant),
        device_url=oauth.device_url or facts.device_url.replace("{tenant}", oauth.tenant),
        authorize_url=oauth.authorize_url or facts.authorize_url.replace("{tenant}", oauth.tenant),
        ca_file=str(oauth.ca_file or ""),
    )  # fmt: skip


def _source(table: MailboxTable | SmtpTable, tokens: Tokens) -> TokenSource | None:
    client = client_of(table)
    return tokens.source(client) if client else None


def mailbox_of(table: MailboxTable, clock: Clock, tokens: Tokens) -> Mailbox:
    """The adapter for a `[[mailbox]]` table."""
    endpoint = table.endpoint
    if endpoint.scheme == "maildir":
        from helpdesk_daemon.adapters.maildir import MaildirMailbox

        return MaildirMailbox(table.name, Path(endpoint.path), clock, table.start, table.touch)
    from helpdesk_daemon.adapters.imap import ImapMailbox
    from helpdesk_daemon.adapters.imap_session import Server

    server = Server(
        endpoint.host, endpoint.port, endpoint.security, table.login, table.read,
        table.folder, table.timeout, str(table.ca_file or ""), _source(table, tokens),
    )  # fmt: skip
    return ImapMailbox(table.name, server, clock, table.start, table.touch, idle=table.idle)


def copies_of(settings: Settings) -> dict[str, tuple[Kind, ...]]:
    """By mailbox that has a Sent folder, the kinds of mail of which it gets a copy."""
    return {box.name: COPIES[box.sent_copies] for box in settings.mailbox if box.sent_folder}


def sent_folder_of(box: MailboxTable, clock: Clock, tokens: Tokens) -> SentFolder:
    """The adapter for the Sent folder of a `[[mailbox]]` table, on a connection of its own."""
    from helpdesk_daemon.adapters.sent import ImapSent, MaildirSent

    if box.endpoint.scheme == "maildir":
        return MaildirSent(box.name, Path(box.endpoint.path), box.sent_folder)
    from helpdesk_daemon.adapters.imap import ImapMailbox

    account = mailbox_of(box, clock, tokens)
    assert isinstance(account, ImapMailbox)
    return ImapSent(account, box.sent_folder)


def transport_of(settings: Settings, tokens: Tokens, sender: str = "") -> Transport:
    """The adapter for one of `settings.senders`: a mailbox's own `smtp` table, or `[smtp]`."""
    table = settings.senders[sender]
    endpoint, ours = table.endpoint, [box.identity.address for box in settings.mailbox if box.smtp is table]
    if endpoint.scheme == "maildir":
        from helpdesk_daemon.adapters.maildir import MaildirTransport

        return MaildirTransport(Path(endpoint.path))
    from helpdesk_daemon.adapters.smtp.transport import Relay, SmtpTransport

    return SmtpTransport(
        Relay(
            endpoint.host, endpoint.port, endpoint.security, table.login, table.read, table.timeout,
            table.connections, [*ours, settings.identity.address][0], str(table.ca_file or ""), _source(table, tokens),
        )
    )  # fmt: skip


def webhook_of(settings: Settings) -> Webhook | None:
    """The adapter for `[alerts] webhook_url`; None when there is none.

    Raises:
        ConfigError: its URL or secret cannot be read.
    """
    table = settings.alerts
    if not table.has_webhook:
        return None
    from helpdesk_daemon.adapters.trust import trust
    from helpdesk_daemon.adapters.webhook import HttpWebhook

    ca_file = str(table.webhook_ca_file or "")
    table.webhook(), table.webhook_secret(), trust(ca_file)  # what cannot be used is found now
    return HttpWebhook(table.webhook, table.webhook_secret, ca_file=ca_file)


def digest_plan_of(settings: Settings) -> Plan:
    """When the daily digest is made, and who gets it: the operator, where nobody else is named."""
    from helpdesk_daemon.stages.digest import Plan

    table = settings.digest
    to = table.to or ([settings.operator] if settings.operator else [])
    return Plan(time.fromisoformat(table.at) if table.at else None, ZoneInfo(table.zone), to)
