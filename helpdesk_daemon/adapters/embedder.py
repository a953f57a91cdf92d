"""all-MiniLM-L6-v2 on OpenVINO: the daemon's embedder, which imports neither torch nor transformers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helpdesk_daemon.errors import ConfigError, TransientError
from helpdesk_daemon.triage.vote import Vectors

MODEL_NAME = "all-MiniLM-L6-v2"
MAX_TOKENS = 128  # no worse than 256 on real tickets, at half the cost
BATCH = 8  # measured: larger batches pad more and gain nothing on two cores


class OpenVinoEmbedder:
    """`Embedder` on an exported model folder (see `adapters.export`).

    The folder is read at the first call, so that commands that need no vectors stay fast.
    """

    def __init__(self, folder: Path, threads: int = 0) -> None:
        self._folder, self._threads = folder, threads
        self._tokenizer: Any = None
        self._request: Any = None
        self.name = MODEL_NAME

    def load(self) -> None:
        """Read model and tokenizer; about half a second.

        Raises:
            ConfigError: there is no exported model in the folder.
        """
        if self._request is not None:
            return
        described = self._folder / "model.json"
        if not described.is_file():
            raise ConfigError(str(self._folder), "", "no exported model here", "Run `helpdesk-daemon model export`")
        import openvino
        from tokenizers import Tokenizer

        self.name = json.loads(described.read_text())["name"]
        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.enable_truncation(MAX_TOKENS)
        tokenizer.enable_padding()
        core = openvino.Core()
        # bfloat16 halves the time and moves no vote (cosine .99999), but only some processors have it.
        fast = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if fast else "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        if self._threads:
            options["INFERENCE_NUM_THREADS"] = self._threads
        compiled = core.compile_model(core.read_model(self._folder / "model.xml"), "CPU", options)
        self._tokenizer, self._request = tokenizer, compiled.create_infer_request()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        self.load()
        vectors = np.zeros((len(texts), 384), dtype=np.float32)
        # Texts of like length share a batch, so that little is spent on padding.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            vectors[chosen] = self._infer([texts[i] for i in chosen])
        return vectors

    def _infer(self, texts: list[str]) -> Vectors:
        encoded = self._tokenizer.encode_batch(texts)
        ids = np.array([e.ids for e in encoded], dtype=np.int64)
        mask = np.array([e.attention_mask for e in encoded], dtype=np.int64)
        try:
            found = self._request.infer([ids, mask])
        except RuntimeError as error:  # the only kind OpenVINO raises
            raise TransientError(f"the model failed: {error}") from error
        vectors: Vectors = np.array(found[0], dtype=np.float32)
        return vectors
