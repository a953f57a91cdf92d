"""The reference embedder: sentence-transformers on torch. For measuring; the daemon does not use it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helpdesk_daemon.adapters.model.embedder import DIMENSION, LANGUAGES, MAX_TOKENS
from helpdesk_daemon.triage.vote import Vectors


class TorchEmbedder:
    """`Embedder` on the original weights; needs the extra `[export]`."""

    def __init__(self, weights: Path) -> None:
        from sentence_transformers import SentenceTransformer

        self._model: Any = SentenceTransformer(str(weights), device="cpu")
        self._model.max_seq_length = MAX_TOKENS
        self.name, self.languages = "all-MiniLM-L6-v2 (torch)", LANGUAGES

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        found = self._model.encode(list(texts), batch_size=32, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(found, dtype=np.float32).reshape(len(texts), DIMENSION)
