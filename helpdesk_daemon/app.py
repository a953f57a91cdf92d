"""The composition root: adapters become stages, and the stages run."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.embedder import OpenVinoEmbedder
from helpdesk_daemon.adapters.index_exact import ExactIndex
from helpdesk_daemon.adapters.keys import load_digest_key, load_signer
from helpdesk_daemon.adapters.store.arrivals import Arrivals
from helpdesk_daemon.adapters.store.decisions import Decisions
from helpdesk_daemon.adapters.store.engine import StageLock
from helpdesk_daemon.adapters.store.examples import Examples
from helpdesk_daemon.adapters.store.incidents import Incidents
from helpdesk_daemon.adapters.store.outbox import Outbox
from helpdesk_daemon.conditions import look_for_trouble
from helpdesk_daemon.errors import HelpdeskError, SignInError, StoreError, Unreachable
from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.log import get
from helpdesk_daemon.outgoing.limits import pace
from helpdesk_daemon.ports import Clock, Embedder, Mailbox, Reached, Transport, Trouble, VectorIndex, pass_by
from helpdesk_daemon.settings import Settings
from helpdesk_daemon.stages.budget import Budget
from helpdesk_daemon.stages.classify import Classifier
from helpdesk_daemon.stages.decide import Decide
from helpdesk_daemon.stages.deliver import Deliver
from helpdesk_daemon.stages.ingest import Ingest
from helpdesk_daemon.stages.watch import Watch
from helpdesk_daemon.wiring import (
    desk_of,
    mailbox_of,
    model_folder,
    open_store,
    routing_of,
    seed,
    tokens_of,
    transport_of,
    webhook_of,
)

GRACE = 5.0  # seconds that a stage may take to end what it has in hand


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
            table.read_all()  # an unreadable secret is found now, not at three in the morning
        webhook = webhook_of(settings)
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
        tokens = tokens_of(settings, self.clock, parts.reached)
        self.deliver = Deliver(
            Outbox(self.engine, self.clock), parts.transport or transport_of(settings, tokens), self.clock, self.db,
            settings.smtp.connections * 4, lambda: self.desk, Budget(pace(settings.smtp.per_minute)), parts.reached,
        )  # fmt: skip
        self.decide = Decide(
            Decisions(self.engine, self.clock), self.classifier, lambda: self.desk, self.clock, self.db, self.work,
            self.deliver.wake, parts.reached,
        )  # fmt: skip
        key = load_digest_key(settings.data_dir)
        mailboxes = parts.mailboxes or [mailbox_of(table, self.clock, tokens) for table in settings.mailbox]
        self.lanes = [Lane(f"mailbox-{box.name}") for box in mailboxes]
        self.ingests = [
            Ingest(box, Arrivals(self.engine, self.clock), lane, self.db, key, self.decide.wake, parts.reached)
            for box, lane in zip(mailboxes, self.lanes, strict=True)
        ]
        self.watch = Watch(
            self._look, Incidents(self.engine, self.clock), lambda: self.desk, webhook, self.clock,
            self.db, self.deliver.wake,
        )  # fmt: skip
        self._since: datetime | None = None
        self._log = get("app")
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Make `run` end what is in hand and return."""
        self._stop.set()

    def _look(self) -> tuple[list[Trouble], frozenset[str]]:
        """What is wrong, by the database and by what the stages say of themselves."""
        deliver = self.deliver
        said = {
            "smtp": "" if deliver.refused else deliver.failing,
            "smtp sign-in": deliver.failing if deliver.refused else "",
            "model": self.classifier.failing,
        }
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
        await self.decide.drain()
        try:
            await self.deliver.drain()
        except HelpdeskError as error:
            failures.append(error)
        await self._tell()
        if failures:
            raise failures[0]
        return new

    async def _tell(self) -> None:
        """Look for trouble when all else is done, and send the alerts that this brings, where mail can be sent."""
        await self.watch.look()
        with contextlib.suppress(Unreachable, SignInError):
            await self.deliver.drain()

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
        stages: list[Ingest | Decide | Deliver | Watch] = [*self.ingests, self.decide, self.deliver, self.watch]
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
        scheduler.add_job(self.watch.wake, "interval", seconds=self.settings.alerts.look_seconds, id="watch")
        scheduler.start()
        return scheduler

    async def close(self) -> None:
        """End connections and threads, free the lock."""
        await self.deliver.close()
        await self.watch.close()
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
