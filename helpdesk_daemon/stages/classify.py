"""Texts to votes: model, index and examples behind one call that survives their failures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from helpdesk_daemon import metrics
from helpdesk_daemon.errors import ConfigError, TransientError
from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.log import get
from helpdesk_daemon.ports import Embedder, Example, ExampleStore, VectorIndex
from helpdesk_daemon.triage.vote import K, Vectors, Vote, vote

RETRY_SECONDS = 2.0


class Classifier:
    """Votes on batches of texts.

    Args:
        embedder: the model.
        index: finds neighbours; filled from `store` before the first vote.
        store: the labelled examples.
        model: the model's thread; the index is used on it, too.
        db: the database's thread.
        wait: seconds that mail waits for a model that fails before it goes to triage unclassified.
    """

    def __init__(
        self,
        embedder: Embedder,
        index: VectorIndex,
        store: ExampleStore,
        model: Lane,
        db: Lane,
        wait: float = 60.0,
    ) -> None:
        self._embedder, self._index, self._store = embedder, index, store
        self._model, self._db, self._wait = model, db, wait
        self._ready = False
        self._preparing = asyncio.Lock()
        self._given_up, self.failing = False, ""
        self._log = get("classify")

    @property
    def name(self) -> str:
        """The model's name, as decisions record it."""
        return self._embedder.name

    async def prepare(self) -> None:
        """Load the model and fill the index, embedding only examples whose vectors are not kept yet."""
        async with self._preparing:
            if not self._ready:
                try:
                    await self._fill()
                except Exception as error:
                    self.failing = str(error)
                    raise
                self.failing = ""

    async def _fill(self) -> None:
        await self._model(self._embedder.embed, ["warm up"])
        examples = await self._db(self._store.active)
        kept = await self._db(self._store.vectors, self.name)
        missing = [e for e in examples if e.id not in kept]
        if missing:
            fresh = await self._model(self._embedder.embed, [e.text for e in missing])
            made = {e.id: v.astype("<f4").tobytes() for e, v in zip(missing, fresh, strict=True)}
            await self._db(self._store.save_vectors, self.name, made)
            kept |= made
        vectors = matrix(examples, kept)
        await self._model(self._index.replace, examples, vectors)
        self._ready = True
        self._log.info("index.loaded", examples=len(examples), embedded=len(missing), model=self.name)

    async def votes(self, texts: Sequence[str]) -> list[Vote | None]:
        """Vote on texts; None for all of them when the model or the index stays down."""
        if not texts:
            return []
        loop = asyncio.get_running_loop()
        until = loop.time() + (0.0 if self._given_up else self._wait)
        while True:
            try:
                await self.prepare()
                with metrics.timed("model"):
                    found = await self._model(self._search, texts)
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

    def _search(self, texts: Sequence[str]) -> list[Vote]:
        return [vote(near) for near in self._index.search(self._embedder.embed(texts), K)]


def matrix(examples: Sequence[Example], kept: dict[int, bytes]) -> Vectors:
    """Kept vectors as one matrix: shape (n, d), float32, a row an example, in their order."""
    rows = [np.frombuffer(kept[e.id], dtype="<f4") for e in examples]
    return np.stack(rows).astype(np.float32) if rows else np.zeros((0, 0), dtype=np.float32)
