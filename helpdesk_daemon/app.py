"""The composition root: adapters become stages, and the stages run."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from helpdesk_daemon import metrics
from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.health import Health
from helpdesk_daemon.adapters.keys import load_digest_key, load_signer
from helpdesk_daemon.adapters.model.embedder import OpenVinoEmbedder
from helpdesk_daemon.adapters.model.language import language_of
from helpdesk_daemon.adapters.oauth.tokens import Tokens
from helpdesk_daemon.adapters.rules.source import RulesSource
from helpdesk_daemon.adapters.store.arrivals import Arrivals
from helpdesk_daemon.adapters.store.copies import CopiesToFile
from helpdesk_daemon.adapters.store.decisions import Decisions
from helpdesk_daemon.adapters.store.digests import Digests
from helpdesk_daemon.adapters.store.engine import StageLock, open_engine
from helpdesk_daemon.adapters.store.examples import Examples
from helpdesk_daemon.adapters.store.incidents import Incidents
from helpdesk_daemon.adapters.store.outbox import Outbox
from helpdesk_daemon.adapters.store.reports import Reports
from helpdesk_daemon.adapters.store.retention import Retention
from helpdesk_daemon.adapters.store.rule_versions import keep_rules
from helpdesk_daemon.adapters.store.sla import Sla as SlaOnDatabase
from helpdesk_daemon.adapters.store.watching import Watching
from helpdesk_daemon.adapters.systemd import Notify, notifier, watchdog_seconds
from helpdesk_daemon.conditions import RULES, look_for_trouble
from helpdesk_daemon.errors import ConfigError, HelpdeskError, SignInError, StoreError, TransientError, Unreachable
from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.log import get
from helpdesk_daemon.outgoing.limits import pace
from helpdesk_daemon.ports import (
    Clock,
    Embedder,
    IndexCopy,
    Mailbox,
    Reached,
    Transport,
    Trouble,
    VectorIndex,
    pass_by,
)
from helpdesk_daemon.settings import Settings
from helpdesk_daemon.stages.budget import Budget
from helpdesk_daemon.stages.classify import Classifier
from helpdesk_daemon.stages.copies import Copies
from helpdesk_daemon.stages.decide import Decide
from helpdesk_daemon.stages.deliver import Deliver
from helpdesk_daemon.stages.digest import Digest
from helpdesk_daemon.stages.ingest import Ingest
from helpdesk_daemon.stages.keep_index import KeepIndex
from helpdesk_daemon.stages.observe import Observe
from helpdesk_daemon.stages.pulse import BEAT, Pulse
from helpdesk_daemon.stages.reload import Reload
from helpdesk_daemon.stages.report import Report
from helpdesk_daemon.stages.retain import Retain
from helpdesk_daemon.stages.sla import Sla
from helpdesk_daemon.stages.watch import Watch
from helpdesk_daemon.triage.rules import Routing
from helpdesk_daemon.wiring.accounts import (
    copies_of,
    digest_plan_of,
    mailbox_of,
    sent_folder_of,
    tokens_of,
    transport_of,
    webhook_of,
)
from helpdesk_daemon.wiring.desks import desks_of, routings_of, rules_files
from helpdesk_daemon.wiring.pages import web_of
from helpdesk_daemon.wiring.places import database, model_folder, open_store
from helpdesk_daemon.wiring.rules import last_good
from helpdesk_daemon.wiring.voting import index_of, refitter_of, seed, sense_of

REFIT_SECONDS = 300.0  # between looks whether the second opinions are out of date

if TYPE_CHECKING:
    from helpdesk_daemon.web.server import Web

GRACE = 5.0  # seconds that a stage may take to end what it has in hand
# Seconds for which one call may run on a lane before the process counts as hung. Another process may hold the database
# for 30 s; embedding every example anew takes minutes; a mailbox waits for news for up to an hour.
HANGS = {"db": 90.0, "work": 90.0, "model": 1_800.0}
MAILBOX_HANGS = 2 * 3_600.0
CATCH_UP = 30.0  # seconds that `once` spends on the index after the mail


@dataclass(slots=True)
class Parts:
    """Adapters a caller replaces, for measuring and for forcing failures."""

    mailboxes: list[Mailbox] | None = None
    transport: Transport | None = None
    embedder: Embedder | None = None
    index: VectorIndex | None = None
    clock: Clock = field(default_factory=SystemClock)
    reached: Reached = pass_by
    notify: Notify | None = None


class App:
    """The daemon, wired; `run` serves until a signal, `once` drains every stage and ends.

    Args:
        settings: what the operator wants.
        parts: adapters to use instead of the configured ones.
        serves: whether it is to `run`, so that the pages are served where `[web]` is enabled.

    Raises:
        ConfigError: settings, rules or keys are not usable; nothing was started.
        StoreError: the database cannot be used.
        AlreadyRunning: another process runs the stages on this data folder.
    """

    def __init__(self, settings: Settings, parts: Parts | None = None, serves: bool = False) -> None:
        parts = parts or Parts()
        self.settings, self.clock = settings, parts.clock
        routings = self._routings(serves)
        for table in settings.accounts:
            table.read_all()  # an unreadable secret is found now, not at three in the morning
        settings.index.read()
        webhook = webhook_of(settings)
        self.engine = open_store(settings)
        routings = routings or last_good(settings, self.engine)
        self._lock = StageLock(settings.data_dir)
        self._lock.acquire()
        self.signer = load_signer(settings.data_dir)
        self.desks = desks_of(settings, routings, self.signer)
        self.db, self.work, self.model = Lane("db"), Lane("work"), Lane("model")
        examples = Examples(self.engine, self.clock)
        seed(examples, model_folder(settings))
        embedder = parts.embedder or OpenVinoEmbedder(model_folder(settings), settings.model.threads)
        index = parts.index or index_of(settings, self.engine, self.clock)
        self.index_lane = Lane("index")
        kept = [index] if isinstance(index, IndexCopy) else []
        self.keepers = [KeepIndex(copy, self.index_lane, settings.index.sync_seconds) for copy in kept]
        self.classifier = Classifier(
            embedder, index, examples, self.model, self.db, settings.model.wait_seconds, refitter_of(settings),
            settings.model.balance, settings.model.trust,
        )  # fmt: skip
        tokens = tokens_of(settings, self.clock, parts.reached)
        self.delivers = self._ways_out(parts, tokens)
        self.decide = Decide(
            Decisions(self.engine, self.clock), self.classifier, lambda: self.desks, self.clock, self.db, self.work,
            self._outgoing, parts.reached, language_of,
        )  # fmt: skip
        key = load_digest_key(settings.data_dir)
        mailboxes = parts.mailboxes or [mailbox_of(table, self.clock, tokens) for table in settings.mailbox]
        self.lanes = [Lane(f"mailbox-{box.name}") for box in mailboxes]
        self.ingests = [
            Ingest(box, Arrivals(self.engine, self.clock), lane, self.db, key, self.decide.wake, parts.reached)
            for box, lane in zip(mailboxes, self.lanes, strict=True)
        ]
        self.copies = self._copies(parts, tokens)
        self.sla = Sla(
            SlaOnDatabase(self.engine, self.clock), lambda: self.desks, self.clock, self.db, self._outgoing,
            [box.name for box in mailboxes],
        )  # fmt: skip
        self.watch = Watch(
            self._look, Incidents(self.engine, self.clock), lambda: self.desks.first, webhook, self.clock,
            self.db, self._outgoing,
        )  # fmt: skip
        self.digest = Digest(
            digest_plan_of(settings), Digests(self.engine, self.clock, settings.watching.closed_weight),
            lambda: self.desks.first, self.clock, self.db,
            self._outgoing,
        )  # fmt: skip
        self.report = Report(
            digest_plan_of(settings), settings.digest.monthly,
            Reports(self.engine, self.clock, settings.watching.closed_weight), lambda: self.desks.first, self.clock,
            self.db, self.work, self._outgoing,
        )  # fmt: skip
        self.observe = Observe(
            Watching(self.engine, self.clock), sense_of(settings), self.clock, self.db, self.work
        )  # fmt: skip
        self.reload = self._reload()
        self.notify = parts.notify or notifier()
        lanes = (*self.lanes, self.work, self.model, self.db)
        self.pulse = Pulse(
            [(lane, HANGS.get(lane.name, MAILBOX_HANGS)) for lane in lanes], lambda: self.notify("WATCHDOG=1"),
            min((watchdog_seconds() or 3 * BEAT) / 3, BEAT),
        )  # fmt: skip
        self.health = Health(open_engine(database(settings), readonly=True), self.clock, self.pulse.stuck)
        self.retain = Retain(Retention(self.engine, self.clock), settings.retention.ages, self.clock, self.db)
        self.web = [web_of(settings, self.engine, self.clock, self.signer, lambda: self.desks, self._typed)] if (
            settings.web.enabled and serves) else []  # fmt: skip
        self._since: datetime | None = None
        self._log = get("app")
        self._stop = asyncio.Event()

    def _ways_out(self, parts: Parts, tokens: Tokens) -> list[Deliver]:
        """One stage a way out, so that a server that is down holds up nobody else's mail."""
        senders = {"": self.settings.smtp} if parts.transport else self.settings.senders
        own = [name for name in senders if name]
        copies = copies_of(self.settings)
        return [
            Deliver(
                Outbox(self.engine, self.clock, name, own, copies),
                parts.transport or transport_of(self.settings, tokens, name), self.clock, self.db,
                table.connections * 4, lambda: self.desks, Budget(pace(table.per_minute)), parts.reached,
            )
            for name, table in senders.items()
        ]  # fmt: skip

    def _copies(self, parts: Parts, tokens: Tokens) -> list[Copies]:
        """A stage for each mailbox that keeps what it sent, with a lane and a connection that delay nothing else."""
        store = CopiesToFile(self.engine, self.clock)
        stages = []
        for box in self.settings.mailbox:
            if box.sent_folder:
                lane = Lane(f"sent-{box.name}")
                self.lanes.append(lane)
                folder = sent_folder_of(box, self.clock, tokens)
                stages.append(Copies(folder, store, self.clock, lane, self.db, parts.reached))
        return stages

    def _routings(self, serves: bool) -> dict[str, Routing]:
        """The rules of every mailbox; none where they are not sound and `run` goes on with those last in use."""
        try:
            return routings_of(self.settings)
        except ConfigError as error:
            if not (serves and database(self.settings).exists()):
                raise
            get("app").error("rules.refused", file=error.file, where=error.key)
            return {}

    def _reload(self) -> Reload:
        """What follows the files with rules; the text of those in use is kept first."""

        def use(mailboxes: Sequence[str], routing: Routing) -> None:
            self.desks = self.desks.ruled(mailboxes, routing)

        files = Lane("rules")
        self.lanes.append(files)
        sources = []
        for file, names in rules_files(self.settings).items():
            routing = self.desks.of(names[0]).routing
            keep_rules(self.engine, self.clock, routing, str(file))
            sources.append(RulesSource(file, names, self.settings.polled, routing.version))
        return Reload(
            sources, partial(keep_rules, self.engine, self.clock), lambda name: self.desks.of(name).routing.version,
            use, self.db, files,
        )  # fmt: skip

    def _typed(self) -> None:
        """Tell the stages that something came by a page."""
        self.decide.wake()
        self._outgoing()

    def _outgoing(self) -> None:
        """Tell the stages that send that there is mail."""
        for deliver in self.delivers:
            deliver.wake()

    def stop(self) -> None:
        """Make `run` end what is in hand and return."""
        self._stop.set()

    def _look(self) -> tuple[list[Trouble], frozenset[str]]:
        """What is wrong, by the database and by what the stages say of themselves."""
        failing = [deliver for deliver in self.delivers if deliver.failing]
        said = {
            "smtp": "; ".join(deliver.failing for deliver in failing if not deliver.refused),
            "smtp sign-in": "; ".join(deliver.failing for deliver in failing if deliver.refused),
            "model": self.classifier.failing,
        } | {f"{RULES}{file}": error for file, error in self.reload.failing.items()}
        return look_for_trouble(self.engine, self.settings, self.clock.now(), self._since, said)

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
        await self._learn()
        for keeper in self.keepers:
            await keeper.once(0)
        await self.decide.drain()
        await self.sla.look()
        senders: list[Deliver | Copies] = [*self.delivers, *self.copies]
        for stage in senders:
            try:
                await stage.drain()
            except StoreError:
                raise
            except HelpdeskError as error:
                failures.append(error)
        for keeper in self.keepers:
            await keeper.once(CATCH_UP)
        await self.retain.sweep()
        await self._tell()
        if failures:
            raise failures[0]
        return new

    async def _tell(self) -> None:
        """Look for trouble when all else is done, and send the mails that this brings, where mail can be sent."""
        await self.observe.look()
        await self.watch.look()
        await self.digest.look()
        await self.report.look()
        for deliver in self.delivers:
            with contextlib.suppress(Unreachable, SignInError):
                await deliver.drain()

    def _recover(self) -> None:
        Decisions(self.engine, self.clock).recover()
        Outbox(self.engine, self.clock).recover()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then end what is in hand and return.

        Raises:
            StoreError: the database failed; everything was stopped.
        """
        loop = asyncio.get_running_loop()
        self._since = self.clock.now()
        metrics.expect(table.name for table in self.settings.mailbox)
        if self.settings.health.port:
            await self.health.listen(self.settings.health.host, self.settings.health.port)
        stages: list[
            Ingest | Decide | Deliver | Copies | Sla | Observe | Watch | Digest | Report | Retain | KeepIndex | Pulse
            | Reload | Web
        ] = [
            *self.ingests, self.decide, *self.delivers, *self.copies, self.sla, self.observe, self.watch, self.digest,
            self.report, self.retain, *self.keepers, *self.web, self.pulse, self.reload,
        ]  # fmt: skip
        tasks = [loop.create_task(stage.run(), name=type(stage).__name__) for stage in stages]
        preparing = loop.create_task(self._prepare(), name="prepare")
        tasks.append(preparing)
        stop = self._stop
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
                loop.add_signal_handler(number, stop.set)
        scheduler = self._schedule()
        self._log.info("daemon.started", mailboxes=len(self.ingests), data_dir=str(self.settings.data_dir))
        self.notify("READY=1")
        try:
            await self._supervise(tasks, stop)
        finally:
            self.notify("STOPPING=1")
            scheduler.shutdown(wait=False)
            preparing.cancel()
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
        """Load the model beside the first poll rather than before it, and fit second opinions from time to time."""
        while True:
            await self._learn()
            await asyncio.sleep(REFIT_SECONDS)

    async def _learn(self) -> None:
        """Bring the classifier to the present examples; a fit runs in a process of its own."""
        with contextlib.suppress(TransientError, ConfigError):
            await self.classifier.prepare()
            await self.classifier.refit()

    def _schedule(self) -> Any:
        """The clock of `run`: jobs only wake stages; what is due stands in the database."""
        from apscheduler.schedulers.asyncio import AsyncIOScheduler

        scheduler = AsyncIOScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        for ingest, table in zip(self.ingests, self.settings.mailbox, strict=False):
            scheduler.add_job(ingest.wake, "interval", seconds=table.poll_seconds, id=f"poll {table.name}")
        for copies in self.copies:
            scheduler.add_job(copies.wake, "interval", seconds=15, id=f"copies {copies.mailbox}")
        scheduler.add_job(self.decide.wake, "interval", seconds=30, id="decide")
        scheduler.add_job(self.sla.wake, "interval", seconds=30, id="sla")
        scheduler.add_job(self.report.wake, "interval", minutes=10, id="report")
        scheduler.add_job(self.digest.wake, "interval", seconds=60, id="digest")
        scheduler.add_job(self.observe.wake, "interval", seconds=self.settings.alerts.look_seconds, id="observe")
        scheduler.add_job(self.watch.wake, "interval", seconds=self.settings.alerts.look_seconds, id="watch")
        scheduler.add_job(self.retain.wake, "interval", hours=1, id="retain")
        scheduler.start()
        return scheduler

    async def close(self) -> None:
        """End connections and threads, free the lock."""
        for deliver in self.delivers:
            await deliver.close()
        await self.watch.close()
        await self.health.close()
        for web in self.web:
            await web.close()
        for keeper in self.keepers:
            await keeper.close()
        connected: list[Ingest | Copies] = [*self.ingests, *self.copies]
        for stage in connected:
            with contextlib.suppress(Exception):
                await stage.close()
        for lane in (*self.lanes, self.work, self.model, self.index_lane, self.db):
            lane.close()
        self.engine.dispose()
        self._lock.release()


@contextmanager
def running(
    settings: Settings, parts: Parts | None = None, serves: bool = False
) -> Iterator[tuple[App, asyncio.Runner]]:
    """An App and the loop it lives on, both closed at the end."""
    with asyncio.Runner() as runner:
        app = App(settings, parts, serves)
        try:
            yield app, runner
        finally:
            runner.run(app.close())
