"""Texts to votes: model, index, judge and examples behind one call that survives their failures."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from helpdesk_daemon import metrics
from helpdesk_daemon.errors import ConfigError, TransientError
from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.log import get
from helpdesk_daemon.ports import Embedder, Example, ExampleStore, JudgeMaker, Revision, VectorIndex
from helpdesk_daemon.triage.judge import Judge, can_fit, fit, measure_in
from helpdesk_daemon.triage.vote import K, Vectors, Vote, trust_in

RETRY_SECONDS = 2.0
STALE = 0.05  # share of the examples that changed since the judge was fitted
STALE_AT_LEAST = 50
FULL_RELOAD = 0.2  # share of changed examples from which on the index is filled anew


class Bench:
    """What judges: the examples in an index, how many each category has, and the judge. Owned by the model's thread.

    Args:
        embedder: the model.
        index: finds neighbours.
    """

    def __init__(self, embedder: Embedder, index: VectorIndex) -> None:
        self.embedder, self.index = embedder, index
        self.judge: Judge | None = None
        self._labels: dict[int, tuple[str, str]] = {}  # category and source, by the example's number
        self._support: Counter[str] = Counter()

    def install(self, examples: Sequence[Example], vectors: Vectors, judge: Judge) -> None:
        """Take a judge and exactly these examples, seen from its centre."""
        self.index.replace(examples, vectors, judge.centre if len(examples) and self.index.takes_centre else None)
        self._labels = {e.id: (e.category, e.source) for e in examples}
        self._count()
        self.judge = judge

    def update(self, examples: Sequence[Example], vectors: Vectors, withdrawn: Sequence[int]) -> None:
        """Add or relabel examples, and forget others; the judge stays."""
        self.index.update(examples, vectors, withdrawn)
        for number in withdrawn:
            self._labels.pop(number, None)
        self._labels |= {e.id: (e.category, e.source) for e in examples}
        self._count()

    def _count(self) -> None:
        self._support = Counter(category for category, _ in self._labels.values())

    def votes(self, texts: Sequence[str]) -> list[Vote]:
        """Judge texts."""
        assert self.judge is not None
        with metrics.timed("model"):  # here, as what stands in line for the model does not count
            vectors = self.embedder.embed(texts)
            return self.judge.votes(texts, vectors, self.index.search(vectors, K), self._support)

    def count(self) -> int:
        """How many examples there are."""
        return len(self._labels)

    def has_enough(self) -> bool:
        """Whether a fit of second opinions is worth its while."""
        labels = self._labels.values()
        return can_fit([category for category, _ in labels], [source for _, source in labels])


class Classifier:
    """Votes on batches of texts, and follows the examples as they change.

    Args:
        embedder: the model.
        index: finds neighbours; filled from `store` before the first vote.
        store: the labelled examples.
        model: the model's thread; the index is used on it, too.
        db: the database's thread.
        wait: seconds that mail waits for a model that fails before it goes to triage unclassified.
        maker: fits judges with second opinions; None for the vote alone.
        balance: power of a category's size by which its share is divided, for judges fitted here.
        trust: weight of examples whose label nobody gave, over 0 to 1.
    """

    def __init__(
        self,
        embedder: Embedder,
        index: VectorIndex,
        store: ExampleStore,
        model: Lane,
        db: Lane,
        wait: float = 60.0,
        maker: JudgeMaker | None = None,
        balance: float = 0.0,
        trust: float = 1.0,
    ) -> None:
        self._bench, self._store, self._maker, self._balance = Bench(embedder, index), store, maker, balance
        self._trust = trust
        self._model, self._db, self._wait = model, db, wait
        self._revision: Revision | None = None
        self._fitted_at = -1  # number of the latest change that the judge knows
        self._preparing = asyncio.Lock()
        self._given_up, self.failing = False, ""
        self._log = get("classify")

    @property
    def name(self) -> str:
        """The model's name, as decisions record it."""
        return self._bench.embedder.name

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes of what the model was made for; none for all."""
        return self._bench.embedder.languages

    @property
    def index(self) -> VectorIndex:
        """What finds neighbours."""
        return self._bench.index

    async def prepare(self) -> None:
        """Load the model, and bring index and judge to the present examples; cheap when nothing has changed."""
        async with self._preparing:
            try:
                await (self._start() if self._revision is None else self._follow())
            except Exception as error:
                self.failing = str(error)
                raise
            self.failing = ""

    async def _start(self) -> None:
        await self._model(self._bench.embedder.embed, ["warm up"])
        await self._fill(await self._db(self._maker.load, self.name) if self._maker else None)

    async def _fill(self, judge: Judge | None) -> None:
        """Read all examples, embed those without a vector, and install them with a judge."""
        revision = await self._db(self._store.revision)
        examples = await self._db(self._store.active)
        vectors, embedded = await self._vectors(examples, -1)
        if judge is None or judge.centre.shape != vectors.shape[1:]:
            judge = await self._model(
                votes_only, examples, vectors, self._balance, revision.latest, self._bench.index.takes_centre,
                self._trust,
            )  # fmt: skip
        judge = replace(judge, trust=self._trust)
        await self._model(self._bench.install, examples, vectors, judge)
        self._revision = revision
        self._log.info(
            "index.loaded", examples=len(examples), embedded=embedded, model=self.name, judge=judge.version
        )  # fmt: skip

    async def _follow(self) -> None:
        """Take over what was added, relabelled or withdrawn since the last look."""
        known, revision = self._revision, await self._db(self._store.revision)
        if known is None or revision == known:
            return
        changed, withdrawn = await self._db(self._store.changed, known.latest)
        moved = len(changed) + len(withdrawn)
        if revision.deleted != known.deleted or moved > max(self._bench.count() * FULL_RELOAD, STALE_AT_LEAST):
            judge = self._bench.judge
            await self._fill(judge if judge and judge.heads else None)
            return
        if self._outdated(revision):
            await self._fill(None)
            return
        vectors, _ = await self._vectors(changed, known.latest)
        await self._model(self._bench.update, changed, vectors, withdrawn)
        self._revision = revision
        self._log.info("index.updated", changed=len(changed), withdrawn=len(withdrawn), examples=self._bench.count())

    def _outdated(self, revision: Revision) -> bool:
        """Whether a judge without second opinions, which is quickly made, knows too little of what was labelled."""
        judge = self._bench.judge
        if judge is None or judge.heads is not None:
            return False
        known = int(judge.version.rpartition("@")[2] or 0)
        return revision.latest - known >= max(STALE_AT_LEAST, STALE * self._bench.count())

    async def _vectors(self, examples: Sequence[Example], since: int) -> tuple[Vectors, int]:
        """Vectors of examples, and how many had to be made; those are kept."""
        kept = await self._db(self._store.vectors, self.name, since)
        missing = [e for e in examples if e.id not in kept]
        if missing:
            fresh = await self._model(self._bench.embedder.embed, [e.text for e in missing])
            made = {e.id: v.astype("<f4").tobytes() for e, v in zip(missing, fresh, strict=True)}
            await self._db(self._store.save_vectors, self.name, made)
            kept |= made
        return matrix(examples, kept), len(missing)

    async def refit(self) -> bool:
        """Fit second opinions in the background when the examples have changed enough, and take them over.

        Returns:
            Whether there is a new judge.
        """
        if self._maker is None or self._revision is None:
            return False
        judge, latest = self._bench.judge, self._revision.latest
        if judge is not None and judge.heads is not None and self._fitted_at < 0:
            self._fitted_at = int(judge.version.rpartition("@")[2] or 0)
        if self._fitted_at >= 0 and latest - self._fitted_at < max(STALE_AT_LEAST, STALE * self._bench.count()):
            return False
        made = await self._maker.make(self.name) if await self._model(self._bench.has_enough) else None
        self._fitted_at = latest
        if made is None:
            return False
        async with self._preparing:
            await self._fill(made)
        self._log.info("judge.fitted", judge=made.version)
        return True

    async def votes(self, texts: Sequence[str]) -> list[Vote | None]:
        """Vote on texts; None for all of them when the model or the index stays down."""
        if not texts:
            return []
        loop = asyncio.get_running_loop()
        until = loop.time() + (0.0 if self._given_up else self._wait)
        while True:
            try:
                await self.prepare()
                found = await self._model(self._bench.votes, texts)
                metrics.embedded.inc(len(texts))
            except (TransientError, ConfigError) as error:
                self.failing = str(error)
                metrics.failures.labels("model").inc()
                self._log.error("model.failed", error=str(error))
                if isinstance(error, ConfigError) or loop.time() >= until:
                    self._given_up = True
                    return [None] * len(texts)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._given_up, self.failing = False, ""
            return list(found)


def votes_only(
    examples: Sequence[Example], vectors: Vectors, balance: float, latest: int, centring: bool, trust: float = 1.0
) -> Judge:
    """A judge without second opinions; takes a fraction of a second.

    Args:
        examples: n examples.
        vectors: shape (n, d), float32, L2-normalised rows.
        balance: power of a category's size by which its share is divided, 0 to 1.
        latest: number of the latest change, for the version.
        centring: see `triage.judge.fit`.
        trust: weight of examples whose label nobody gave, over 0 to 1.
    """
    sources = [e.source for e in examples]
    made = fit(
        vectors, [e.category for e in examples], balance=balance, version=f"votes@{latest}", own=measure_in(sources),
        centring=centring, trust=trust_in(sources, trust),
    )  # fmt: skip
    return replace(made, trust=trust)


def matrix(examples: Sequence[Example], kept: Mapping[int, bytes]) -> Vectors:
    """Kept vectors as one matrix: shape (n, d), float32, a row an example, in their order."""
    rows = [np.frombuffer(kept[e.id], dtype="<f4") for e in examples]
    return np.stack(rows).astype(np.float32) if rows else np.zeros((0, 0), dtype=np.float32)
