"""Exact nearest-neighbour search in memory: one matrix product for a whole batch."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from helpdesk_daemon.ports import Example
from helpdesk_daemon.triage.nearest import centred, nearest
from helpdesk_daemon.triage.vote import Neighbour, Vectors

NOTHING: Vectors = np.zeros((0, 0), dtype=np.float32)


class ExactIndex:
    """`VectorIndex` that compares with every example.

    It keeps rows as they are seen from the centre, how far each was from it, and its product with the centre: from
    these the cosine before centring follows without a second copy of all vectors.
    """

    takes_centre = True

    def __init__(self) -> None:
        self._examples: list[Example] = []
        self._rows = self._lengths = self._leans = NOTHING
        self._centre: Vectors = np.zeros(0, dtype=np.float32)

    def search(self, queries: Vectors, k: int) -> list[list[Neighbour]]:
        """See `VectorIndex.search`."""
        if not self._examples or not len(queries):
            return [[] for _ in range(len(queries))]
        asked, lengths = centred(queries, self._centre)
        found, similarities = nearest(asked, self._rows, k)
        # (x - c)(q - c) = xq - xc - qc + cc, and the left side is similarity times both lengths.
        offsets = queries @ self._centre - self._centre @ self._centre
        cosines = similarities * self._lengths[found] * lengths[:, None] + self._leans[found] + offsets[:, None]
        return [
            [
                Neighbour(e.id, e.category, similarity, e.source, e.ticket, e.text, cosine)
                for e, similarity, cosine in zip((self._examples[i] for i in near), close, cosine_row, strict=True)
            ]
            for near, close, cosine_row in zip(found.tolist(), similarities.tolist(), cosines.tolist(), strict=True)
        ]

    def replace(self, examples: Sequence[Example], vectors: Vectors, centre: Vectors | None = None) -> None:
        """See `VectorIndex.replace`."""
        if len(examples) != len(vectors):
            raise ValueError(f"{len(examples)} examples but {len(vectors)} vectors")
        self._centre = np.zeros(vectors.shape[1], dtype=np.float32) if centre is None else centre
        self._examples = list(examples)
        self._rows, self._lengths, self._leans = self._seen(vectors)

    def update(self, examples: Sequence[Example], vectors: Vectors, withdrawn: Collection[int]) -> None:
        """See `VectorIndex.update`."""
        if len(examples) != len(vectors):
            raise ValueError(f"{len(examples)} examples but {len(vectors)} vectors")
        if not self._examples and examples:
            self._centre = np.zeros(vectors.shape[1], dtype=np.float32)
            self._rows, self._lengths, self._leans = self._seen(vectors[:0])
        gone = {*withdrawn, *(e.id for e in examples)}
        kept = [i for i, e in enumerate(self._examples) if e.id not in gone]
        rows, lengths, leans = self._rows, self._lengths, self._leans
        if len(kept) < len(self._examples):
            rows, lengths, leans = rows[kept], lengths[kept], leans[kept]
        if examples:
            new = self._seen(vectors)
            rows, lengths, leans = (np.concatenate(p) for p in zip((rows, lengths, leans), new, strict=True))
        self._examples = [*(self._examples[i] for i in kept), *examples]
        self._rows, self._lengths, self._leans = rows, lengths, leans

    def _seen(self, vectors: Vectors) -> tuple[Vectors, Vectors, Vectors]:
        rows, lengths = centred(np.ascontiguousarray(vectors, dtype=np.float32), self._centre)
        return rows, lengths, vectors @ self._centre

    def count(self) -> int:
        """See `VectorIndex.count`."""
        return len(self._examples)
