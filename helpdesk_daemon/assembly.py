"""Every stage, with the lanes and connections it needs, made from the settings."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.health import Health
from helpdesk_daemon.adapters.keys import load_digest_key, load_signer
from helpdesk_daemon.adapters.model.embedder import OpenVinoEmbedder
from helpdesk_daemon.adapters.model.language import language_of
from helpdesk_daemon.adapters.oauth.tokens import Tokens
from helpdesk_daemon.adapters.rules.source import RulesSource
from helpdesk_daemon.adapters.store.engine import StageLock, open_engine
from helpdesk_daemon.adapters.store.learning.examples import Examples
from helpdesk_daemon.adapters.store.mail.arrivals import Arrivals
from helpdesk_daemon.adapters.store.mail.copies import CopiesToFile
from helpdesk_daemon.adapters.store.mail.decisions import Decisions
from helpdesk_daemon.adapters.store.mail.outbox import Outbox
from helpdesk_daemon.adapters.store.observing.watching import Watching
from helpdesk_daemon.adapters.store.rules.rule_versions import keep_rules
from helpdesk_daemon.adapters.store.telling.digests import Digests
from helpdesk_daemon.adapters.store.telling.incidents import Incidents
from helpdesk_daemon.adapters.store.telling.reports import Reports
from helpdesk_daemon.adapters.store.telling.sla import Sla as SlaOnDatabase
from helpdesk_daemon.adapters.store.upkeep.retention import Retention
from helpdesk_daemon.adapters.systemd import Notify, notifier, watchdog_seconds
from helpdesk_daemon.conditions import RULES, look_for_trouble
from helpdesk_daemon.errors import ConfigError
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

if TYPE_CHECKING:
    pass

# Seconds for which one call may run on a lane before the process counts as hung. Another process may hold the database
# for 30 s; embedding every example anew takes minutes; a mailbox waits for news for up to an hour.
HANGS = {"db": 90.0, "work": 90.0, "model": 1_800.0}
MAILBOX_HANGS = 2 * 3_600.0


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


class Assembly:
    """The stages of a daemon, made and joined; `App` lets them run.

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

    def _look(self) -> tuple[list[Trouble], frozenset[str]]:
        """What is wrong, by the database and by what the stages say of themselves."""
        failing = [deliver for deliver in self.delivers if deliver.failing]
        said = {
            "smtp": "; ".join(deliver.failing for deliver in failing if not deliver.refused),
            "smtp sign-in": "; ".join(deliver.failing for deliver in failing if deliver.refused),
            "model": self.classifier.failing,
        } | {f"{RULES}{file}": error for file, error in self.reload.failing.items()}
        return look_for_trouble(self.engine, self.settings, self.clock.now(), self._since, said)

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
