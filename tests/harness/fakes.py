"""Doubles at the ports, for failures that real parts cannot be made to show."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from helpdesk_daemon.errors import TransientError
from helpdesk_daemon.triage.vote import Vectors

DIMENSION = 384


@lru_cache(4_096)  # every new database has the same 1,260 starter tickets
def _row(text: str) -> NDArray[np.float32]:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    row = np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32)
    unit: NDArray[np.float32] = row / np.linalg.norm(row)
    return unit


class HashEmbedder:
    """An embedder without meaning and without cost: equal texts, equal vectors. Can be switched off."""

    name = "hash"
    languages: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.down = False

    def embed(self, texts: Sequence[str]) -> Vectors:
        if self.down:
            raise TransientError("the model was switched off by a test")
        return np.stack([_row(text) for text in texts]) if texts else np.zeros((0, DIMENSION), dtype=np.float32)
