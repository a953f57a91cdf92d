"""The vector database as an index that may fail at any time: its answers are checked, and exact search stands behind.

The first failure opens the breaker: mail is voted by exact search from then on and never asks again. Only a sync,
which runs beside the mail, closes it, after it has proved that the server holds and finds what it should.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from helpdesk_daemon.adapters.index.endee import Endee
from helpdesk_daemon.adapters.index.endee_wire import Hit, Vector
from helpdesk_daemon.adapters.index.exact import ExactIndex
from helpdesk_daemon.adapters.index.held import TIE, TOLERANCE, Held
from helpdesk_daemon.adapters.index.sync import IndexSync, Report, alone
from helpdesk_daemon.errors import HelpdeskError, PermanentError, TransientError
from helpdesk_daemon.log import get
from helpdesk_daemon.ports import Example
from helpdesk_daemon.triage.vote import TEMPERATURE, Neighbour, Vectors

SPARE = 20  # neighbours asked for beyond k, so that ties and deletions at the edge cost none
OVERLAY = 2_000  # examples the server lacks that are compared here; with more of them, all is searched here
MOST = 4_096  # neighbours the server gives at a time
CLOSE = 3.0  # times the share that the server misses: how far the first category must lead; measured, docs/endee.md
NOT_CHECKED = "not checked yet"
Rows = npt.NDArray[np.intp]  # shape (n,), rows of the held vectors


class GuardedIndex:
    """`VectorIndex` on Endee.

    Args:
        reader: a client for the path of mail.
        sync: keeps the server in step.
        lock: file that lets one process sync at a time.
        wake: called, from any thread, when there is something to sync.

    Attributes:
        trouble: why the server is not asked; empty when it is.
        keeper: keeps the server in step.
        answered: queries that the server answered, and the check let pass.
    """

    takes_centre = False  # what was sent to the server would be wrong whenever the centre moves

    def __init__(self, reader: Endee, sync: IndexSync, lock: Path, wake: Callable[[], None] = lambda: None) -> None:
        self._reader, self.keeper, self._lock, self.wake = reader, sync, lock, wake
        self._exact = ExactIndex()
        self._view, self._changing = _View(Held(), np.zeros(0, dtype=np.intp)), threading.Lock()
        self._verified, self._alarmed, self._loaded = -1, False, False
        self.trouble, self.answered = NOT_CHECKED, 0
        self._log = get("index")
        sync.distrust = self._distrust

    def search(self, queries: Vectors, k: int) -> list[list[Neighbour]]:
        """See `VectorIndex.search`; never fails because of the server, and waits for it at most its `read_seconds`."""
        view = self._view
        if not self.trouble and view.held.examples and len(queries) and len(view.absent) <= OVERLAY:
            try:
                return self._asked(view, queries, k)
            except Exception as error:  # whatever it is, exact search does not suffer from it
                self._distrust(_words(error))
                self.wake()
        return self._exact.search(queries, k)

    def replace(self, examples: Sequence[Example], vectors: Vectors, centre: Vectors | None = None) -> None:
        """See `VectorIndex.replace`; no centre is taken; the server follows at the next sync, no vote waits."""
        self._exact.replace(examples, vectors)
        held = Held.of(examples, vectors)
        with self._changing:
            self._view = _View(held, self._lacking(held))
        self._loaded = True
        self.wake()

    def update(self, examples: Sequence[Example], vectors: Vectors, withdrawn: Collection[int]) -> None:
        """See `VectorIndex.update`."""
        held = self._view.held
        gone = {*withdrawn, *(e.id for e in examples)}
        kept = [row for row, e in enumerate(held.examples) if e.id not in gone]
        rows = [part for part in (held.vectors[kept], vectors) if len(part)]
        self.replace([*(held.examples[row] for row in kept), *examples], np.concatenate(rows) if rows else vectors)

    def count(self) -> int:
        """See `VectorIndex.count`."""
        return self._exact.count()

    def sync(
        self,
        anew: bool = False,
        progress: Callable[[int, int], None] = lambda done, total: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Report:
        """Bring the server in step and trust it again; see `IndexSync.run`. For a thread of its own.

        Raises:
            HelpdeskError: it cannot be trusted now.
        """
        if not self._loaded:
            raise TransientError("the examples are not loaded yet")
        with alone(self._lock):
            while True:
                held = self._view.held
                try:
                    report = self.keeper.run(held, anew, progress, stopped)
                except Exception as error:
                    self._distrust(_words(error))
                    self.keeper.ledger.found_bad(self.trouble)
                    raise
                self._trust(held)
                if self._view.held is held:
                    return report
                anew = False

    def abort(self) -> None:
        """End the call that a sync waits in, as the process ends."""
        self.keeper.server.abort()

    def close(self) -> None:
        """End the connections."""
        self._reader.close()
        self.keeper.server.close()

    def _lacking(self, held: Held) -> Rows:
        """Rows that the server does not hold yet, as far as is known."""
        synced = self.keeper.synced
        rows = [row for row, e in enumerate(held.examples) if synced.get(e.id, b"") != held.digests.get(e.id)]
        return np.array(rows, dtype=np.intp)

    def _trust(self, held: Held) -> None:
        self._reader.wire, self._reader.dimension = self.keeper.server.wire, held.vectors.shape[1]
        self._verified = -1
        with self._changing:
            self._view = _View(self._view.held, self._lacking(self._view.held))
        was, self.trouble = self.trouble, ""
        if self._alarmed:
            self._log.info("index.recovered", after=was)
        self._alarmed = False

    def _distrust(self, trouble: str) -> None:
        if not self.trouble:
            self._alarmed = True
            self._log.warning("index.distrusted", trouble=trouble, instead="exact search")
        self.trouble = trouble

    def _asked(self, view: _View, queries: Vectors, k: int) -> list[list[Neighbour]]:
        until = time.monotonic() + self._reader.server.read_seconds
        answers = self._reader.search(queries, min(k + SPARE, MOST), until)
        if self._reader.connections != self._verified:
            self._verify(view.held, until)
        found = [self._judged(view, query, hits, k) for query, hits in zip(queries, answers, strict=True)]
        self.answered += len(queries)
        close = [n for n, near in enumerate(found) if self._close(near)]
        for n, near in zip(close, self._exact.search(queries[close], k), strict=True):
            found[n] = near
        return found

    def _close(self, near: Sequence[Neighbour]) -> bool:
        """Could a neighbour that the server missed turn this vote? Then exact search decides it."""
        weights: dict[str, float] = {"": 0.0}
        for n in near:
            weights[n.category] = weights.get(n.category, 0.0) + math.exp((n.similarity - 1) / TEMPERATURE)
        first, second, *_ = (*sorted(weights.values(), reverse=True), 0.0)
        return first - second < CLOSE * (1.0 - self.keeper.found_share) * sum(weights.values())

    def _verify(self, held: Held, until: float) -> None:
        """A connection was made: is this still the server that was trusted?"""
        seen = self._reader.describe(until)
        least, most = self.keeper.bounds
        if seen is None or seen.epoch != self.keeper.epoch or seen.dimension != held.vectors.shape[1]:
            raise PermanentError("Endee's index is not the one that was trusted")
        if seen.count is not None and not least <= seen.count <= most:
            raise PermanentError(f"Endee holds {seen.count} vectors where {most} are known")
        self._verified = self._reader.connections

    def _judged(self, view: _View, query: Vector, hits: Sequence[Hit], k: int) -> list[Neighbour]:
        """Neighbours by our own vectors, from the examples the server named and those it lacks.

        Raises:
            PermanentError: it named what there is not, claimed what is not so, or found too few.
        """
        held = view.held
        named = [(int(hit.id) if hit.id.isdigit() else -1, hit.similarity) for hit in hits]
        if len({number for number, _ in named}) < len(named):
            raise PermanentError("Endee named an example twice")
        if any(number not in held.rows and number not in self.keeper.synced for number, _ in named):
            raise PermanentError("Endee named an example that there is not")
        if len(hits) < min(k, len(held.examples) - len(view.absent)):
            raise PermanentError(f"Endee found {len(hits)} examples where there are {len(held.examples)}")
        lacking = set(view.absent.tolist())
        sure = [(held.rows[n], claim) for n, claim in named if n in held.rows and held.rows[n] not in lacking]
        rows = np.array([row for row, _ in sure], dtype=np.intp)
        claims = np.array([claim for _, claim in sure], dtype=np.float64)
        true = held.vectors[rows] @ query
        if not np.all(np.abs(true - claims) < TOLERANCE):
            raise PermanentError("Endee claimed similarities that are not so")
        left_out = float(true.min()) if len(true) and len(hits) >= k + SPARE else -np.inf
        return self._ranked(held, np.concatenate([rows, view.absent]), query, k, left_out)

    def _ranked(self, held: Held, rows: Rows, query: Vector, k: int, left_out: float) -> list[Neighbour]:
        """The best k of some rows; of equally near ones those that were given first.

        Args:
            held: the examples.
            rows: candidates.
            query: shape (d,), float32, L2-normalised.
            k: how many.
            left_out: how near examples may be that are no candidates.
        """
        similarities = held.vectors[rows] @ query
        order = np.lexsort((rows, -similarities))
        best = order[:k]
        if len(best) and similarities[best[-1]] - left_out < TIE:
            return self._exact.search(query[None], k)[0]
        return [_neighbour(held.examples[rows[n]], float(similarities[n])) for n in best]


@dataclass(frozen=True, slots=True)
class _View:
    """What is held, and the rows of it that the server lacks; one value, as two threads look at it."""

    held: Held
    absent: Rows


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, HelpdeskError | ValueError) else repr(error)


def _neighbour(example: Example, similarity: float) -> Neighbour:
    return Neighbour(example.id, example.category, similarity, example.source, example.ticket, example.text, similarity)
