"""The composition root: settings become adapters, adapters become stages, and the stages run."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from helpdesk_daemon.adapters import export
from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.embedder import MODEL_NAME, OpenVinoEmbedder
from helpdesk_daemon.adapters.index_exact import ExactIndex
from helpdesk_daemon.adapters.keys import load_digest_key, load_signer
from helpdesk_daemon.adapters.rules_file import load_routing
from helpdesk_daemon.adapters.store.arrivals import Arrivals
from helpdesk_daemon.adapters.store.decisions import Decisions
from helpdesk_daemon.adapters.store.engine import StageLock, open_engine
from helpdesk_daemon.adapters.store.examples import Examples
from helpdesk_daemon.adapters.store.migrate import migrate
from helpdesk_daemon.adapters.store.outbox import Outbox
from helpdesk_daemon.errors import HelpdeskError, StoreError
from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.log import get
from helpdesk_daemon.mail.screen import Policy
from helpdesk_daemon.outgoing.compose import Composer, Identity
from helpdesk_daemon.outgoing.limits import Limits, Rate
from helpdesk_daemon.ports import Clock, Embedder, Example, Mailbox, Reached, Transport, VectorIndex, pass_by
from helpdesk_daemon.settings import MailboxTable, Settings
from helpdesk_daemon.stages.case import Desk
from helpdesk_daemon.stages.classify import Classifier, matrix
from helpdesk_daemon.stages.decide import Decide
from helpdesk_daemon.stages.deliver import Deliver
from helpdesk_daemon.stages.explain import Explainer
from helpdesk_daemon.stages.ingest import Ingest
from helpdesk_daemon.tickets.tracking import Signer
from helpdesk_daemon.triage.rules import Routing
from helpdesk_daemon.triage.text import judged_text

GRACE = 5.0  # seconds that a stage may take to end what it has in hand


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


def routing_of(settings: Settings) -> Routing:
    """The routing rules.

    Raises:
        ConfigError: they are not sound.
    """
    return load_routing(settings.rules or shipped("rules/routing.toml"), settings.own_addresses)


def desk_of(settings: Settings, routing: Routing, signer: Signer) -> Desk:
    """Everything planning needs, as values."""
    from helpdesk_daemon.adapters.templates import Templates

    table, limits = settings.identity, settings.limits
    identity = Identity(table.name, table.address, table.plus_addressing)
    folders = [f for f in (settings.templates, shipped("templates")) if f is not None]
    loop_value = signer.loop_value(identity.address)
    screening = settings.screening
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
        composer=Composer(identity, signer, Templates(folders, table.language), loop_value, settings.smtp.null_sender),
        signer=signer,
        limits=Limits(
            Rate(limits.per_address_burst, limits.per_address_hourly),
            Rate(limits.per_ticket_burst, limits.per_ticket_hourly),
            Rate(limits.total_burst, limits.total_hourly),
        ),
        ack_max_age=timedelta(hours=screening.ack_max_age_hours),
        reopen_within=timedelta(days=screening.reopen_days),
        operator=settings.operator or "",
    )


def mailbox_of(table: MailboxTable, clock: Clock) -> Mailbox:
    """The adapter for a `[[mailbox]]` table."""
    endpoint = table.endpoint
    if endpoint.scheme == "maildir":
        from helpdesk_daemon.adapters.maildir import MaildirMailbox

        return MaildirMailbox(table.name, Path(endpoint.path), clock, table.start, table.touch)
    from helpdesk_daemon.adapters.imap import ImapMailbox, Server

    server = Server(
        endpoint.host, endpoint.port, endpoint.security, table.user or endpoint.user, table.read,
        endpoint.path or "INBOX", table.timeout, str(table.ca_file or ""),
    )  # fmt: skip
    return ImapMailbox(table.name, server, clock, table.start, table.touch, idle=table.idle)


def transport_of(settings: Settings) -> Transport:
    """The adapter for the `[smtp]` table."""
    table, endpoint = settings.smtp, settings.smtp.endpoint
    if endpoint.scheme == "maildir":
        from helpdesk_daemon.adapters.maildir import MaildirTransport

        return MaildirTransport(Path(endpoint.path))
    from helpdesk_daemon.adapters.smtp import Relay, SmtpTransport

    return SmtpTransport(
        Relay(
            endpoint.host, endpoint.port, endpoint.security, table.user or endpoint.user, table.read, table.timeout,
            table.connections, settings.identity.address, str(table.ca_file or ""),
        )
    )  # fmt: skip


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


def explainer_of(settings: Settings) -> Explainer:
    """An explainer with the rules, keys and examples of this installation, or the shipped ones.

    Raises:
        ConfigError: rules are not sound, or the model cannot be had.
    """
    routing = routing_of(settings)
    keys = settings.data_dir / "keys"
    signer = load_signer(settings.data_dir) if keys.exists() else Signer((secrets.token_bytes(32),))
    folder = model_folder(settings)
    ensure_model(folder)
    embedder, index = OpenVinoEmbedder(folder, settings.model.threads), ExactIndex()
    examples, kept = _examples(settings)
    missing = [e for e in examples if e.id not in kept]
    fresh = embedder.embed([e.text for e in missing])
    kept |= {e.id: v.tobytes() for e, v in zip(missing, fresh, strict=True)}
    index.replace(examples, matrix(examples, kept))
    return Explainer(desk_of(settings, routing, signer), embedder, index)


def _examples(settings: Settings) -> tuple[list[Example], dict[int, bytes]]:
    """The labelled examples and the vectors kept for them."""
    if database(settings).exists():
        store = Examples(open_engine(database(settings), readonly=True), SystemClock())
        if found := store.active():
            return found, store.vectors(MODEL_NAME)
    return [Example(n, text, category, "seed") for n, (text, category) in enumerate(starter_rows(), 1)], {}


@dataclass(slots=True)
class Parts:
    """Adapters a caller replaces, for measuring and for forcing failures."""

    mailboxes: list[Mailbox] | None = None
    transport: Transport | None = None
    embedder: Embedder | None = None
    index: VectorIndex | None = None
    clock: Clock = field(default_factory=SystemClock)
    reached: Reached = pass_by


class App:
    """The daemon, wired; `run` serves until a signal, `once` drains every stage and ends.

    Args:
        settings: what the operator wants.
        parts: adapters to use instead of the configured ones.

    Raises:
        ConfigError: settings, rules or keys are not usable; nothing was started.
        StoreError: the database cannot be used.
        AlreadyRunning: another process runs the stages on this data folder.
    """

    def __init__(self, settings: Settings, parts: Parts | None = None) -> None:
        parts = parts or Parts()
        self.settings, self.clock = settings, parts.clock
        self.routing = routing_of(settings)
        for table in (*settings.mailbox, settings.smtp):
            table.read()  # an unreadable secret is found now, not at three in the morning
        self.engine = open_store(settings)
        self._lock = StageLock(settings.data_dir)
        self._lock.acquire()
        self.signer = load_signer(settings.data_dir)
        self.desk = desk_of(settings, self.routing, self.signer)
        self.db, self.work, self.model = Lane("db"), Lane("work"), Lane("model")
        examples = Examples(self.engine, self.clock)
        seed(examples)
        embedder = parts.embedder or OpenVinoEmbedder(model_folder(settings), settings.model.threads)
        self.classifier = Classifier(
            embedder, parts.index or ExactIndex(), examples, self.model, self.db, settings.model.wait_seconds
        )
        self.deliver = Deliver(
            Outbox(self.engine, self.clock), parts.transport or transport_of(settings), self.clock, self.db,
            settings.smtp.connections * 4, lambda: self.desk, parts.reached,
        )  # fmt: skip
        self.decide = Decide(
            Decisions(self.engine, self.clock), self.classifier, lambda: self.desk, self.clock, self.db, self.work,
            self.deliver.wake, parts.reached,
        )  # fmt: skip
        key = load_digest_key(settings.data_dir)
        mailboxes = parts.mailboxes or [mailbox_of(table, self.clock) for table in settings.mailbox]
        self.lanes = [Lane(f"mailbox-{box.name}") for box in mailboxes]
        self.ingests = [
            Ingest(box, Arrivals(self.engine, self.clock), lane, self.db, key, self.decide.wake, parts.reached)
            for box, lane in zip(mailboxes, self.lanes, strict=True)
        ]
        self._log = get("app")
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Make `run` end what is in hand and return."""
        self._stop.set()

    async def once(self) -> int:
        """Drain every stage, mailbox to server, and return how many mails were new.

        Raises:
            HelpdeskError: of the first mailbox or server that failed, after everything else was done.
        """
        new, failures = 0, list[HelpdeskError]()
        for ingest in self.ingests:
            try:
                new += await ingest.poll()
            except StoreError:
                raise
            except HelpdeskError as error:
                failures.append(error)
        await self.db(self._recover)
        await self.decide.drain()
        try:
            await self.deliver.drain()
        finally:
            if failures:
                raise failures[0]
        return new

    def _recover(self) -> None:
        Decisions(self.engine, self.clock).recover()
        Outbox(self.engine, self.clock).recover()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then end what is in hand and return.

        Raises:
            StoreError: the database failed; everything was stopped.
        """
        loop = asyncio.get_running_loop()
        stages: list[Ingest | Decide | Deliver] = [*self.ingests, self.decide, self.deliver]
        tasks = [loop.create_task(stage.run(), name=type(stage).__name__) for stage in stages]
        tasks.append(loop.create_task(self._prepare(), name="prepare"))
        stop = self._stop
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
                loop.add_signal_handler(number, stop.set)
        scheduler = self._schedule()
        self._log.info("daemon.started", mailboxes=len(self.ingests), data_dir=str(self.settings.data_dir))
        try:
            await self._supervise(tasks, stop)
        finally:
            scheduler.shutdown(wait=False)
            for stage in stages:
                stage.stop()
            _, late = await asyncio.wait(tasks, timeout=GRACE)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._log.info("daemon.stopped")

    async def _supervise(self, tasks: list[asyncio.Task[None]], stop: asyncio.Event) -> None:
        """Wait for the signal; the first stage that fails takes the others with it."""
        ended = asyncio.create_task(stop.wait())
        waiting: set[asyncio.Task[Any]] = {*tasks, ended}
        while not stop.is_set():
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if task is not ended and (error := task.exception()):
                    ended.cancel()
                    self._log.error("stage.died", task=task.get_name(), error=repr(error))
                    raise error

    async def _prepare(self) -> None:
        """Load the model beside the first poll rather than before it."""
        with contextlib.suppress(HelpdeskError):
            await self.classifier.prepare()

    def _schedule(self) -> Any:
        """The clock of `run`: jobs only wake stages; what is due stands in the database."""
        from apscheduler.schedulers.asyncio import AsyncIOScheduler

        scheduler = AsyncIOScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        for ingest, table in zip(self.ingests, self.settings.mailbox, strict=False):
            scheduler.add_job(ingest.wake, "interval", seconds=table.poll_seconds, id=f"poll {table.name}")
        scheduler.add_job(self.decide.wake, "interval", seconds=30, id="decide")
        scheduler.start()
        return scheduler

    async def close(self) -> None:
        """End connections and threads, free the lock."""
        await self.deliver.close()
        for ingest in self.ingests:
            with contextlib.suppress(Exception):
                await ingest.close()
        for lane in (*self.lanes, self.work, self.model, self.db):
            lane.close()
        self.engine.dispose()
        self._lock.release()


@contextmanager
def running(settings: Settings, parts: Parts | None = None) -> Iterator[tuple[App, asyncio.Runner]]:
    """An App and the loop it lives on, both closed at the end."""
    with asyncio.Runner() as runner:
        app = App(settings, parts)
        try:
            yield app, runner
        finally:
            runner.run(app.close())
