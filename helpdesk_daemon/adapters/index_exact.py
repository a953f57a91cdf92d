"""Exact nearest-neighbour search in memory: one matrix product for a whole batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpdesk_daemon.ports import Example
from helpdesk_daemon.triage.vote import Neighbour, Vectors


class ExactIndex:
    """`VectorIndex` that compares with every example."""

    def __init__(self) -> None:
        self._examples: list[Example] = []
        self._vectors: Vectors = np.zeros((0, 0), dtype=np.float32)

    def search(self, queries: Vectors, k: int) -> list[list[Neighbour]]:
        """See `VectorIndex.search`."""
        if not self._examples:
            return [[] for _ in range(len(queries))]
        similarities = queries @ self._vectors.T
        k = min(k, len(self._examples))
        nearest = np.argpartition(-similarities, k - 1, axis=1)[:, :k]
        return [self._neighbours(row, found) for row, found in zip(similarities, nearest, strict=True)]

    def _neighbours(self, similarities: Vectors, found: Sequence[int]) -> list[Neighbour]:
        ranked = sorted((int(i) for i in found), key=lambda i: (-similarities[i], i))
        return [
            Neighbour(e.id, e.category, float(similarities[i]), e.source, e.ticket, e.text)
            for i in ranked
            for e in (self._examples[i],)
        ]

    def replace(self, examples: Sequence[Example], vectors: Vectors) -> None:
        """See `VectorIndex.replace`."""
        if len(examples) != len(vectors):
            raise ValueError(f"{len(examples)} examples but {len(vectors)} vectors")
        self._examples, self._vectors = list(examples), np.ascontiguousarray(vectors, dtype=np.float32)

    def count(self) -> int:
        """See `VectorIndex.count`."""
        return len(self._examples)
