"""Makes an Endee index hold what we hold, and proves it: the differences are sent, counts compared, recall measured.

Runs off the path of mail. A kill at any line costs the batch in hand; see `store/learning/index_ledger.py`.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpdesk_daemon.adapters.index.endee import Endee
from helpdesk_daemon.adapters.index.endee_wire import Described
from helpdesk_daemon.adapters.index.held import PROBES, SAMPLE, TIE, Drifted, Held, measured
from helpdesk_daemon.adapters.store.learning.index_ledger import IndexLedger, Target
from helpdesk_daemon.errors import ConfigError, PermanentError, TransientError
from helpdesk_daemon.log import get
from helpdesk_daemon.triage.vote import AT_ONCE

BATCH = 500  # vectors a call: the server answers nobody else meanwhile
MEND_STOPS = 320  # entries found in a row, newest first, after which older ones are taken to be there
LOST_SHARE = 0.1  # of the entries; from there on a rebuild is quicker than a mend


@dataclass(frozen=True, slots=True)
class Report:
    """What a sync did and found.

    Attributes:
        generation: of the server's API.
        count: vectors the server holds; None where it does not tell.
        recall: share of the true nearest examples it finds, 0 to 1; None without examples.
        inserted: vectors sent.
        deleted: vectors taken out.
        rebuilt: why the index was made anew; empty when it was not.
    """

    generation: int
    count: int | None
    recall: float | None
    inserted: int
    deleted: int
    rebuilt: str


class IndexSync:
    """Brings one index in step.

    Args:
        server: a client of its own.
        ledger: what the server was given.
        min_recall: an index that finds less of the true neighbours is not good, 0 to 1.
        patience: seconds within which a batch of mails must be answered.
        distrust: told why before an index that is in use is taken down.

    Attributes:
        bounds: the least and most vectors that the server may hold at this moment.
        synced: digest by example, of what the server is known to hold.
        epoch: when the server made the index, in its words.
        query_seconds: that a query took when recall was last measured.
        found_share: of the true neighbours, then; 0 to 1.
    """

    def __init__(
        self,
        server: Endee,
        ledger: IndexLedger,
        min_recall: float = 0.9,
        patience: float = 2.0,
        distrust: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self.server, self.ledger, self.distrust = server, ledger, distrust
        self._min_recall, self._patience = min_recall, patience
        self.bounds = (0, 0)
        self.synced: Mapping[int, bytes] = {}
        self.query_seconds, self.found_share = 0.0, 0.0
        self.epoch, self._vain = "", "none"  # of the index that a rebuild did not mend
        self._log = get("index")

    def run(
        self,
        held: Held,
        anew: bool = False,
        progress: Callable[[int, int], None] = lambda done, total: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Report:
        """Make the index hold what is held.

        Args:
            held: what it should hold.
            anew: drop and load it whatever it holds.
            progress: told how many changes of how many are done.
            stopped: asked between calls; when true, the rest is left for the next time.

        Raises:
            ConfigError: the server has an index of this name that is not ours.
            HelpdeskError: the server failed, or does not hold or find what it should.
        """
        job = _Job(self, held, progress, stopped)
        self.server.connect()
        if reason := "asked for" if anew else job.unfit():
            job.anew(reason)
        job.push()
        if not job.agrees() and not job.mend():
            if self.epoch == self._vain:
                raise PermanentError("Endee does not hold what it was given, and a rebuild did not help")
            job.anew("it does not hold what it was given")
            job.push()
            if not job.agrees():
                self._vain = self.epoch
                raise TransientError("Endee does not hold what it was given, even after a rebuild")
        recall = job.recall()
        self.synced = held.digests
        if recall is not None and recall < self._min_recall:
            raise PermanentError(f"Endee finds {recall:.2f} of the nearest examples, {self._min_recall:.2f} are wanted")
        if self.query_seconds * AT_ONCE > self._patience:
            slow = f"Endee takes {self.query_seconds * 1_000:.0f} ms a query"
            raise TransientError(f"{slow}; {AT_ONCE} are to be answered within {self._patience:g} s")
        self.ledger.found_good(job.count, recall)
        generation = self.server.wire.generation if self.server.wire else 0
        report = Report(generation, job.count, recall, job.inserted, job.deleted, job.rebuilt)
        self._log.info("index.synced", **{name: getattr(report, name) for name in Report.__dataclass_fields__})
        return report

    def recall(self, held: Held) -> float | None:
        """See `measured`; noted with the time it took."""
        found = measured(self.server, held)
        if found is None:
            return None
        self.found_share, self.query_seconds = found
        return self.found_share


class _Job:
    """One run: what it is to reach, and what it did so far."""

    def __init__(
        self, sync: IndexSync, held: Held, progress: Callable[[int, int], None], stopped: Callable[[], bool]
    ) -> None:
        self._sync, self._server, self._ledger, self._held = sync, sync.server, sync.ledger, held
        self._progress, self._stopped = progress, stopped
        self.inserted = self.deleted = 0
        self.count: int | None = None
        self.rebuilt = ""

    @property
    def place(self) -> str:
        """Server, name and generation, as the ledger knows them."""
        wire = self._server.wire
        return f"{self._server.server.url} {self._server.server.name} v{wire.generation if wire else 0}"

    def unfit(self) -> str:
        """Why the index on the server cannot be brought in step by changes; empty when it can.

        Raises:
            ConfigError: it is somebody else's.
        """
        found, target, entries = self._server.describe(), self._ledger.target(), self._ledger.entries()
        ours = target is not None and target.place == self.place
        if found is not None and not ours and found.count != 0:
            raise ConfigError(
                "settings", "index.name",
                f"{self._server.server.url} has an index {self._server.server.name} that was not made from this data "
                "folder", "Name another one, or take it over with `helpdesk-daemon index rebuild`",
            )  # fmt: skip
        if not self._held.examples and found is None:
            return ""
        if found is None or target is None or not ours:
            return "there was none"
        return next((words for words, holds in self._reasons(found, target, entries) if holds), "")

    def _reasons(self, found: Described, target: Target, entries: Mapping[int, bytes]) -> Iterator[tuple[str, bool]]:
        sure = sum(bool(digest) for digest in entries.values())
        changed = sum(
            bool(digest) and self._held.digests.get(example, digest) != digest for example, digest in entries.items()
        )
        dimension = self._held.vectors.shape[1]
        yield "loading it had begun, but not whether it was made", not target.epoch
        yield "somebody else made it anew", found.epoch != target.epoch
        yield f"it has {found.dimension} dimensions", bool(self._held.examples) and found.dimension != dimension
        yield (
            f"it lost vectors: {found.count} of {sure}",
            (found.count is not None and found.count < (1 - LOST_SHARE) * sure),
        )
        yield "most vectors changed", changed > len(entries) / 2

    def anew(self, reason: str) -> None:
        """Drop the index and make an empty one."""
        self._go_on()
        self._sync.distrust(f"it is loaded anew: {reason}")
        self._sync._log.warning("index.rebuild_started", reason=reason)
        self.rebuilt, self._sync.synced = reason, {}
        self._ledger.reset(self.place)
        self._server.drop()
        if not self._held.examples:
            return
        self._server.create(self._held.vectors.shape[1])
        made = self._server.describe()
        if made is None:
            raise TransientError("Endee does not know the index it has just made")
        self._ledger.made(made.epoch, made.dimension)

    def push(self) -> None:
        """Send the differences, batch by batch."""
        wanted, entries = self._held.digests, self._ledger.entries()
        gone = [e for e, digest in entries.items() if e not in wanted or (digest and digest != wanted[e])]
        missing = [e for e, digest in wanted.items() if entries.get(e) != digest]
        total, done = len(gone) + len(missing), 0
        self._sync.synced = {e: digest for e, digest in entries.items() if digest}
        self._sync.bounds = (len(self._sync.synced) - len(gone), len(entries) + len(missing))
        self._progress(0, total)
        for batch in _batches(gone):
            self._delete(batch)
            done += len(batch)
            self._progress(done, total)
        for batch in _batches(missing):
            self._insert(batch)
            done += len(batch)
            self._progress(done, total)
        self._sync.bounds = (len(wanted), len(wanted))

    def _delete(self, batch: Sequence[int]) -> None:
        for example in batch:
            self._go_on()
            self._server.delete(str(example))
        self._ledger.forget(batch)
        self.deleted += len(batch)

    def _insert(self, batch: Sequence[int]) -> None:
        self._go_on()
        held = self._held
        self._ledger.intend({example: held.digests[example] for example in batch})
        self._server.upsert([str(example) for example in batch], held.vectors[[held.rows[e] for e in batch]])
        self._ledger.sent(batch)
        self.inserted += len(batch)

    def agrees(self) -> bool:
        """Does the server hold as many as it was given, in the index it was given them for?"""
        found, target = self._server.describe(), self._ledger.target()
        self.count = found.count if found else 0
        if found is None or target is None:
            return not self._held.examples
        self._sync.epoch = found.epoch
        if found.count is not None:
            return found.count == len(self._held.digests)
        newest = self._ledger.newest()
        some = [newest[n] for n in np.random.default_rng().permutation(len(newest))[:SAMPLE]]
        return all(len(self._lost(part)) <= LOST_SHARE * len(part) for part in (newest[:SAMPLE], some))

    def recall(self) -> float | None:
        """See `IndexSync.recall`; an index that drifted is loaded anew, once."""
        try:
            return self._sync.recall(self._held)
        except Drifted as error:
            if self.rebuilt:
                raise
            self.anew(str(error))
            self.push()
            if not self.agrees():
                raise
            return self._sync.recall(self._held)

    def mend(self) -> bool:
        """Give again what was lost, newest first: a killed server forgets what it took since it last saved.

        Sent again under the same id it would stay lost, so it is deleted before.

        Returns:
            Whether it agrees now; false also when so much is lost that a rebuild is quicker.
        """
        lost, found_in_a_row = list[int](), 0
        for batch in _batches(self._ledger.newest(), PROBES):
            missing = self._lost(batch)
            lost += missing
            found_in_a_row = 0 if missing else found_in_a_row + len(batch)
            if len(lost) > LOST_SHARE * len(self._held.digests):
                return False
            if found_in_a_row >= MEND_STOPS:
                break
        for batch in _batches(lost):
            self._delete(batch)
            self._insert(batch)
        self._sync._log.warning("index.mended", lost=len(lost))
        return self.agrees()

    def _lost(self, examples: Sequence[int]) -> list[int]:
        """Those that a search for their own vector does not find."""
        held, lost = self._held, list[int]()
        for batch in _batches(examples, PROBES):
            self._go_on()
            for example, hits in zip(
                batch, self._server.search(held.vectors[[held.rows[e] for e in batch]], PROBES), strict=True
            ):
                twins = len(hits) == PROBES and min(hit.similarity for hit in hits) > 1 - TIE
                if str(example) not in {hit.id for hit in hits} and not twins:
                    lost.append(example)
        return lost

    def _go_on(self) -> None:
        if self._stopped():
            raise TransientError("the sync was stopped; the next one goes on")


def _batches(items: Sequence[int], size: int = BATCH) -> Iterator[Sequence[int]]:
    return (items[start : start + size] for start in range(0, len(items), size))


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let one process sync at a time; the kernel frees the lock however that process ends.

    Raises:
        TransientError: another one is at it.
    """
    with path.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.seek(0)
            raise TransientError(f"process {handle.read().strip() or 'unknown'} is syncing the index") from error
        handle.seek(0)
        handle.truncate()
        handle.write(str(os.getpid()))
        handle.flush()
        yield
