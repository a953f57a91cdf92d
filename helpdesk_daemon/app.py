"""The daemon: when its stages run, and how they end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from helpdesk_daemon import metrics
from helpdesk_daemon.adapters.store.mail.decisions import Decisions
from helpdesk_daemon.adapters.store.mail.outbox import Outbox
from helpdesk_daemon.adapters.store.views.reading import arrival_list
from helpdesk_daemon.assembly import Assembly, Parts
from helpdesk_daemon.errors import ConfigError, HelpdeskError, SignInError, StoreError, TransientError, Unreachable
from helpdesk_daemon.settings import Settings
from helpdesk_daemon.stages.copies import Copies
from helpdesk_daemon.stages.decide import Decide
from helpdesk_daemon.stages.deliver import Deliver
from helpdesk_daemon.stages.digest import Digest
from helpdesk_daemon.stages.ingest import Ingest
from helpdesk_daemon.stages.keep_index import KeepIndex
from helpdesk_daemon.stages.observe import Observe
from helpdesk_daemon.stages.pulse import Pulse
from helpdesk_daemon.stages.reload import Reload
from helpdesk_daemon.stages.report import Report
from helpdesk_daemon.stages.retain import Retain
from helpdesk_daemon.stages.sla import Sla
from helpdesk_daemon.stages.watch import Watch

if TYPE_CHECKING:
    from helpdesk_daemon.web.server import Web

REFIT_SECONDS = 300.0  # between looks whether the second opinions are out of date
GRACE = 5.0  # seconds that a stage may take to end what it has in hand
CATCH_UP = 30.0  # seconds that `once` spends on the index after the mail


class App(Assembly):
    """The daemon, wired; `run` serves until a signal, `once` drains every stage and ends."""

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
        # A look that finds nothing, as most of a cron job's do, needs no model.
        waiting = await self.db(self._recover)
        if waiting or self.keepers:
            await self._learn()
        for keeper in self.keepers:
            await keeper.once(0)
        if waiting:
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
        await self.retain.look()
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

    def _recover(self) -> bool:
        """Take up again what a process that died had in hand; whether mail waits for a decision."""
        Decisions(self.engine, self.clock).recover()
        Outbox(self.engine, self.clock).recover()
        return bool(arrival_list(self.engine, ["pending"], 1))

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
