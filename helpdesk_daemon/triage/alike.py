"""Tells texts that say the same as one before, by their embeddings."""

from __future__ import annotations

import numpy as np

from helpdesk_daemon.triage.nearest import Vectors

ALIKE = 0.95  # cosine from which on two tickets say the same


class Distinct:
    """Texts that were taken, each unlike all before it.

    Args:
        vectors: shape (n, d), float32, L2-normalised rows: what is there already, like or unlike.
        alike: cosine from which on two texts say the same.
    """

    def __init__(self, vectors: Vectors, alike: float = ALIKE) -> None:
        self._held, self._count, self._alike = np.ascontiguousarray(vectors), len(vectors), alike

    def take(self, vectors: Vectors) -> list[int]:
        """Take those rows that are unlike all that is held and unlike each other; of two that are alike, the first.

        Args:
            vectors: shape (m, d), float32, L2-normalised rows.

        Returns:
            Numbers of the rows that were taken, rising.
        """
        if not len(vectors):
            return []
        held = self._held[: self._count]
        new = np.ones(len(vectors), dtype=np.bool_)
        if len(held):
            new = (vectors @ held.T).max(axis=1) < self._alike
        among = vectors @ vectors.T >= self._alike
        taken: list[int] = []
        for number in np.flatnonzero(new).tolist():
            if not among[number, taken].any():
                taken.append(number)
        self._hold(vectors[taken])
        return taken

    def _hold(self, vectors: Vectors) -> None:
        end = self._count + len(vectors)
        if end > len(self._held):
            room = np.empty((max(2 * len(self._held), end), vectors.shape[1]), dtype=np.float32)
            room[: self._count] = self._held[: self._count]
            self._held = room
        self._held[self._count : end] = vectors
        self._count = end
