"""Settings become adapters and values; nothing runs here."""

from __future__ import annotations

import csv
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from helpdesk_daemon.adapters import export
from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.keys import load_signer
from helpdesk_daemon.adapters.oauth.client import Client
from helpdesk_daemon.adapters.oauth.providers import PROVIDERS, Provider
from helpdesk_daemon.adapters.oauth.tokens import Tokens, TokenSource
from helpdesk_daemon.adapters.rules_file import load_routing
from helpdesk_daemon.adapters.store.engine import open_engine
from helpdesk_daemon.adapters.store.examples import Examples
from helpdesk_daemon.adapters.store.migrate import migrate
from helpdesk_daemon.errors import StoreError
from helpdesk_daemon.outgoing.limits import Limits, Rate
from helpdesk_daemon.outgoing.message import Kind, Outgoing
from helpdesk_daemon.ports import Clock, Example, Mailbox, Reached, SentFolder, Transport, VectorIndex, Webhook, pass_by
from helpdesk_daemon.ports.web import Orders
from helpdesk_daemon.settings import MailboxTable, Settings, SmtpTable
from helpdesk_daemon.tickets.ticket import Ticket
from helpdesk_daemon.tickets.tracking import Signer
from helpdesk_daemon.triage.rules import Routing

if TYPE_CHECKING:
    from helpdesk_daemon.adapters.index_endee import Server
    from helpdesk_daemon.adapters.index_guarded import GuardedIndex
    from helpdesk_daemon.adapters.refit import Refitter
    from helpdesk_daemon.stages.case import Desk
    from helpdesk_daemon.stages.desks import Desks
    from helpdesk_daemon.stages.digest import Plan
    from helpdesk_daemon.stages.explain import Explainer
    from helpdesk_daemon.triage.vote import Vectors
    from helpdesk_daemon.web.server import Web

SYNC_SECONDS = 10.0  # that a sync waits for an answer, as no mail waits for it
EMBEDDED_AT_ONCE = 256  # texts; what was embedded is kept when the process is interrupted

# `sent_copies`: the kinds of mail of which the Sent folder gets a copy.
COPIES = {"answers": (Kind.RELAY,), "all": (Kind.RELAY, Kind.ACKNOWLEDGEMENT)}


def shipped(name: str) -> Path:
    """A file or folder that comes with the program: beside the package in a wheel, above it in a checkout."""
    package = Path(__file__).parent
    inside = package / "shipped" / name
    return inside if inside.exists() else package.parent / name


def database(settings: Settings) -> Path:
    """The database file."""
    return settings.data_dir / "helpdesk.db"


def model_folder(settings: Settings) -> Path:
    """Where the exported model is: as configured, else one made at set-up, else the data folder."""
    if settings.model.folder is not None:
        return settings.model.folder
    prepared = prepared_model()
    return prepared if export.is_exported(prepared) else settings.data_dir / "model"


def prepared_model() -> Path:
    """Where `make setup` puts the exported model, for every data folder of this Python environment."""
    return Path(sys.prefix) / "share" / "helpdesk-daemon" / "model"


def routing_of(settings: Settings, box: MailboxTable | None = None) -> Routing:
    """The routing rules of a mailbox, the first when None.

    Raises:
        ConfigError: they are not sound.
    """
    box = box or settings.mailbox[0]
    return load_routing(box.rules or shipped("rules/routing.toml"), settings.polled)


def routings_of(settings: Settings) -> dict[str, Routing]:
    """The routing rules of every mailbox, by its name.

    Raises:
        ConfigError: those of one are not sound.
    """
    return {box.name: routing_of(settings, box) for box in settings.mailbox}


def desks_of(settings: Settings, routings: Mapping[str, Routing], signer: Signer) -> Desks:
    """The desk of each mailbox, with its rules."""
    from helpdesk_daemon.stages.desks import Desks

    receivers: dict[str, tuple[str, ...]] = {}
    for box in settings.mailbox:
        for address in (box.identity.address, *box.identity.also):
            receivers[address] = (*receivers.get(address, ()), box.name)
    desks = {box.name: desk_of(settings, routings[box.name], signer, box) for box in settings.mailbox}
    return Desks(desks, receivers)


def desk_of(settings: Settings, routing: Routing, signer: Signer, box: MailboxTable | None = None) -> Desk:
    """Everything planning needs for a mailbox, the first when None, as values."""
    from helpdesk_daemon.adapters.templates import Templates
    from helpdesk_daemon.mail.screen import Policy
    from helpdesk_daemon.outgoing.compose import Composer, Identity
    from helpdesk_daemon.stages.case import Desk

    box = box or settings.mailbox[0]
    table, limits, screening = box.identity, settings.limits, box.screening
    identity = Identity(table.name, table.address, table.plus_addressing, box.name)
    folders = [f for f in (box.templates, settings.templates, shipped("templates")) if f is not None]
    loop_value = signer.loop_value(settings.identity.address)  # one for all mailboxes
    return Desk(
        routing=routing,
        policy=Policy(
            own_addresses=settings.own_addresses,
            is_own_id=lambda identifier: signer.read_message_id(identifier) is not None,
            loop_value=loop_value,
            own_lists=frozenset(name.lower() for name in screening.own_lists),
            authserv_id=screening.authserv_id,
            auto_replies=screening.auto_replies,
            auto_generated=screening.auto_generated,
            people=frozenset(name.lower() for name in screening.people),
            complaints=screening.complaints,
            forged=screening.forged,
            spam=screening.spam,
            spam_score=screening.spam_score,
        ),
        composer=Composer(
            identity,
            signer,
            Templates(folders, table.language),
            loop_value,
            box.smtp.null_sender,
            settings.web.base_url,
        ),
        signer=signer,
        limits=Limits(
            Rate(limits.per_address_burst, limits.per_address_hourly),
            Rate(limits.per_ticket_burst, limits.per_ticket_hourly),
            Rate(limits.total_burst, limits.total_hourly),
            Rate(limits.conversation_burst, limits.conversation_hourly),
            Rate(limits.sender_burst, limits.sender_hourly),
            Rate(limits.mail_burst, limits.mail_hourly),
        ),
        ack_max_age=timedelta(hours=screening.ack_max_age_hours),
        reopen_within=timedelta(days=screening.reopen_days),
        operator=settings.operator or "",
    )


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
    from helpdesk_daemon.adapters.smtp import Relay, SmtpTransport

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


def index_of(settings: Settings, engine: Engine, clock: Clock) -> VectorIndex:
    """The index for the `[index]` table."""
    from helpdesk_daemon.adapters.index_exact import ExactIndex

    return ExactIndex() if settings.index.kind == "exact" else endee_of(settings, engine, clock)


def endee_server(settings: Settings) -> Server:
    """Where Endee is, as the `[index]` table says."""
    from helpdesk_daemon.adapters.index_endee import Server

    table = settings.index
    return Server(table.url, table.name, table.read, table.timeout, table.write_timeout, table.ef)


def endee_of(settings: Settings, engine: Engine, clock: Clock) -> GuardedIndex:
    """Endee with exact search behind it, whatever `kind` says; nothing is connected yet."""
    from helpdesk_daemon.adapters.index_endee import Endee
    from helpdesk_daemon.adapters.index_guarded import GuardedIndex
    from helpdesk_daemon.adapters.index_sync import IndexSync
    from helpdesk_daemon.adapters.store.index_ledger import IndexLedger

    table, server = settings.index, endee_server(settings)
    patient = replace(server, read_seconds=max(table.timeout, SYNC_SECONDS))
    sync = IndexSync(Endee(patient), IndexLedger(engine, clock), table.min_recall, table.timeout)
    return GuardedIndex(Endee(server), sync, settings.data_dir / "index.lock")


def contents(
    settings: Settings, engine: Engine, progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[list[Example], Vectors]:
    """The examples as an index is to hold them, those without a vector embedded and their vectors kept.

    Args:
        settings: where the model is; it is only loaded when a vector is missing.
        engine: the database.
        progress: told how many of how many are embedded.
    """
    from helpdesk_daemon.adapters.embedder import MODEL_NAME, OpenVinoEmbedder
    from helpdesk_daemon.stages.classify import matrix

    store = Examples(engine, SystemClock())
    examples, kept = store.active(), store.vectors(MODEL_NAME)
    missing = [e for e in examples if e.id not in kept]
    if missing:
        ensure_model(model_folder(settings))
        embedder = OpenVinoEmbedder(model_folder(settings), settings.model.threads)
        for start in range(0, len(missing), EMBEDDED_AT_ONCE):
            batch = missing[start : start + EMBEDDED_AT_ONCE]
            vectors = embedder.embed([e.text for e in batch])
            made = {e.id: v.astype("<f4").tobytes() for e, v in zip(batch, vectors, strict=True)}
            store.save_vectors(MODEL_NAME, made)
            kept |= made
            progress(start + len(batch), len(missing))
    return examples, matrix(examples, kept)


def orders_of(engine: Engine, clock: Clock, desks: Callable[[], Desks]) -> Orders:
    """What people order about one ticket, planned as the commands plan it, each in one transaction."""
    from helpdesk_daemon.adapters.store.decisions import Decisions
    from helpdesk_daemon.ports import Known, Outcome, Question
    from helpdesk_daemon.stages import orders

    plans: dict[str, Callable[..., list[Outcome]]] = {
        "correct": orders.corrected, "close": orders.closed, "reopen": orders.reopened,
    }  # fmt: skip
    store = Decisions(engine, clock)

    def carry_out(order: str, ticket: str, actor: str, words: Sequence[str] = ()) -> None:
        def planned(known: Known) -> list[Outcome]:
            named = known.tickets.get(ticket)
            desk = desks().of(named.mailbox if named else "")
            return plans[order](desk, known, actor, clock.now(), ticket, *words)

        store.operate(Question(0, "", (ticket,), (), (), stories=(ticket,)), planned)

    return carry_out


def web_of(
    settings: Settings, engine: Engine, clock: Clock, signer: Signer, desks: Callable[[], Desks],
    wake: Callable[[], None],
) -> Web:  # fmt: skip
    """The web server, on a thread for looking and one for keeping of its own.

    Raises:
        ConfigError: its address cannot be listened at.
    """
    from helpdesk_daemon.adapters.keys import load_digest_key
    from helpdesk_daemon.adapters.store.web import WebWrites
    from helpdesk_daemon.adapters.store.web_reading import WebReads
    from helpdesk_daemon.lanes import Lane
    from helpdesk_daemon.web.gate import Gate
    from helpdesk_daemon.web.server import Web
    from helpdesk_daemon.web.services import Services, Terms

    def link(ticket: Ticket, recipient: str, url: str) -> Outgoing:
        return desks().of(ticket.mailbox).composer.link(ticket, recipient, url, clock.now())

    table, first = settings.web, settings.mailbox[0].identity
    reads = WebReads(open_engine(database(settings), readonly=True))
    services = Services(
        reading=reads, tokens=reads, writing=WebWrites(engine, clock, desks().first.limits.mail, link),
        look=Lane("web-look"), keep=Lane("web-keep"), clock=clock, signer=signer,
        key=load_digest_key(settings.data_dir), routing=lambda: desks().first.routing,
        addresses={"": first.address} | {box.name: box.identity.address for box in settings.mailbox},
        name=first.name, wake=wake, orders=orders_of(engine, clock, desks),
        terms=Terms(table.base_url, table.open_submit, table.submissions_hourly, table.requests_minutely,
                    table.token_requests_minutely, int(table.attachments_mb * 1_000_000)),
        gate=Gate(clock),
    )  # fmt: skip
    return Web(services, table.host, table.port, table.proxies)


def open_store(settings: Settings) -> Engine:
    """Open the database, made or upgraded when needed.

    Raises:
        StoreError: it cannot be used.
    """
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(f"{settings.data_dir} cannot be made: {error.strerror}") from error
    engine = open_engine(database(settings))
    migrate(engine)
    return engine


def starter_rows() -> list[tuple[str, str]]:
    """The shipped labelled tickets as (text, category)."""
    from helpdesk_daemon.triage.text import judged_text

    with shipped("data/starter_tickets.csv").open(encoding="utf-8", newline="") as file:
        return [(judged_text(row["subject"], row["body"]), row["category"]) for row in csv.DictReader(file)]


def seed(examples: Examples) -> None:
    """Give a new installation the shipped examples to start with."""
    if not examples.active():
        examples.add(starter_rows(), "seed")


def ensure_model(folder: Path) -> None:
    """Export the model when it is not there yet; takes some twenty seconds, once.

    Raises:
        ConfigError: what the export needs is not installed.
    """
    if not export.is_exported(folder):
        export.export(folder)


def explainer_of(settings: Settings, mailbox: str = "") -> Explainer:
    """An explainer with the rules, keys and examples of this installation, or the shipped ones.

    Args:
        settings: of the installation.
        mailbox: name of the one that mails come by; the first when empty.

    Raises:
        ConfigError: rules are not sound, or the model cannot be had.
    """
    from helpdesk_daemon.adapters.embedder import OpenVinoEmbedder
    from helpdesk_daemon.adapters.index_exact import ExactIndex
    from helpdesk_daemon.stages.classify import Bench, matrix, votes_only
    from helpdesk_daemon.stages.explain import Explainer

    routings = routings_of(settings)
    keys = settings.data_dir / "keys"
    signer = load_signer(settings.data_dir) if keys.exists() else Signer((secrets.token_bytes(32),))
    desks = desks_of(settings, routings, signer)
    folder = model_folder(settings)
    ensure_model(folder)
    embedder = OpenVinoEmbedder(folder, settings.model.threads)
    bench = Bench(embedder, ExactIndex())
    examples, kept = _examples(settings)
    missing = [e for e in examples if e.id not in kept]
    fresh = embedder.embed([e.text for e in missing])
    kept |= {e.id: v.tobytes() for e, v in zip(missing, fresh, strict=True)}
    vectors = matrix(examples, kept)
    embedder.load()
    maker = refitter_of(settings)
    judge = maker.load(embedder.name) if maker else None
    judge = judge or votes_only(
        examples, vectors, settings.model.balance, len(examples), settings.index.kind == "exact"
    )
    bench.install(examples, vectors, judge)
    return Explainer(desks, bench, mailbox)


def refitter_of(settings: Settings) -> Refitter | None:
    """What fits the second opinions, None where they are switched off."""
    if not settings.model.second_opinions:
        return None
    from helpdesk_daemon.adapters.refit import Refitter

    return Refitter(
        database(settings), settings.data_dir / "judge.npz", settings.model.balance, settings.index.kind == "exact"
    )


def _examples(settings: Settings) -> tuple[list[Example], dict[int, bytes]]:
    """The labelled examples and the vectors kept for them."""
    from helpdesk_daemon.adapters.embedder import MODEL_NAME

    if database(settings).exists():
        store = Examples(open_engine(database(settings), readonly=True), SystemClock())
        if found := store.active():
            return found, store.vectors(MODEL_NAME)
    return [Example(n, text, category, "seed") for n, (text, category) in enumerate(starter_rows(), 1)], {}
