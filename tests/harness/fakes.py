"""Doubles at the ports, for failures that real parts cannot be made to show."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from helpdesk_daemon.errors import TransientError
from helpdesk_daemon.triage.vote import Vectors

DIMENSION = 384


class HashEmbedder:
    """An embedder without meaning and without cost: equal texts, equal vectors. Can be switched off."""

    name = "hash"
    languages: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.down = False

    def embed(self, texts: Sequence[str]) -> Vectors:
        if self.down:
            raise TransientError("the model was switched off by a test")
        rows = []
        for text in texts:
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
            row = np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32)
            rows.append(row / np.linalg.norm(row))
        return np.stack(rows) if rows else np.zeros((0, DIMENSION), dtype=np.float32)
