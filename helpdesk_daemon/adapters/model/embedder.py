"""The model on OpenVINO: the daemon's embedder, which imports neither torch nor transformers."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from helpdesk_daemon.errors import ConfigError, TransientError
from helpdesk_daemon.triage.vote import Vectors

MODEL_NAME = "all-MiniLM-L6-v2"
MAX_TOKENS = 128  # no worse than 256 on real tickets, at half the cost
DIMENSION = 384
LANGUAGES: tuple[str, ...] = ("en",)
BATCH = 8  # measured: larger batches pad more and gain nothing on two cores


def refuse_telemetry() -> None:
    """Keep OpenVINO from reporting its use, which it does on import; it has a stub for a missing package."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


class OpenVinoEmbedder:
    """`Embedder` on an exported model folder (see `export`).

    The folder is read at the first call, so that commands that need no vectors stay fast.
    """

    def __init__(self, folder: Path, threads: int = 0) -> None:
        self._folder, self._threads = folder, threads
        self._tokenizer: Any = None
        self._queue: Any = None
        self.name, self.languages, self._prefix, self._dimension = MODEL_NAME, LANGUAGES, "", DIMENSION

    def load(self) -> None:
        """Read model and tokenizer; about half a second.

        Raises:
            ConfigError: there is no exported model in the folder.
        """
        if self._queue is not None:
            return
        described = self._folder / "model.json"
        if not described.is_file():
            raise ConfigError(str(self._folder), "", "no exported model here", "Run `helpdesk-daemon model export`")
        refuse_telemetry()
        import openvino
        from tokenizers import Tokenizer

        said = json.loads(described.read_text())
        self.name, self.languages = said["name"], tuple(said.get("languages", LANGUAGES))
        self._prefix, self._dimension = said.get("prefix", ""), said.get("dimension", DIMENSION)
        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.enable_truncation(MAX_TOKENS)
        tokenizer.enable_padding()
        core = openvino.Core()
        # bfloat16 halves the time and moves no vote (cosine .99999), but only some processors have it.
        fast = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        # One stream a thread: batches run side by side and none waits for a thread that the rest of the
        # daemon just pushed off its core.
        threads = self._threads or os.cpu_count() or 1
        options = {
            "INFERENCE_PRECISION_HINT": "bf16" if fast else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": threads,
        }
        compiled = core.compile_model(core.read_model(self._folder / "model.xml"), "CPU", options)
        # One request more than streams: it is made ready while they compute.
        self._tokenizer, self._queue = tokenizer, openvino.AsyncInferQueue(compiled, threads + 1)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        self.load()
        vectors = np.zeros((len(texts), self._dimension), dtype=np.float32)
        # Texts of like length share a batch, so that little is spent on padding; the short ones come last, as then
        # one thread waits for the other only briefly.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]), reverse=True)

        def keep(request: Any, chosen: list[int]) -> None:
            vectors[chosen] = request.get_output_tensor().data

        self._queue.set_callback(keep)
        try:
            for start in range(0, len(order), BATCH):
                chosen = order[start : start + BATCH]
                self._queue.start_async(self._tokens([texts[i] for i in chosen]), chosen)
            self._queue.wait_all()
        except RuntimeError as error:  # the only kind OpenVINO raises
            raise TransientError(f"the model failed: {error}") from error
        return vectors

    def _tokens(self, texts: list[str]) -> list[npt.NDArray[np.int64]]:
        encoded = self._tokenizer.encode_batch([self._prefix + text for text in texts])
        ids, mask = [e.ids for e in encoded], [e.attention_mask for e in encoded]
        return [np.array(ids, dtype=np.int64), np.array(mask, dtype=np.int64)]
