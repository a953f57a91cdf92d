"""Exact nearest-neighbour search in memory: one matrix product for a whole batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

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
        edges = np.partition(similarities, -k, axis=1)[:, -k]
        return [self._neighbours(row, row >= edge, k) for row, edge in zip(similarities, edges, strict=True)]

    def _neighbours(self, similarities: Vectors, near: npt.NDArray[np.bool_], k: int) -> list[Neighbour]:
        """The best k of those at or over the edge; of equally near ones those that were given first."""
        ranked = sorted(np.flatnonzero(near).tolist(), key=lambda i: (-similarities[i], i))[:k]
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
