"""An embedder that remembers: vectors by the digest of their text, in a file of its own."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from helpdesk_daemon.ports import Embedder
from helpdesk_daemon.triage.vote import Vectors

STEP = 128  # texts between commits: an interrupted run goes on where it was


class RememberingEmbedder:
    """`Embedder` before another one.

    Args:
        embedder: makes what is not remembered.
        file: SQLite database, made when it is missing.
        progress: called with the number of texts done, after each step.
    """

    def __init__(self, embedder: Embedder, file: Path, progress: Callable[[int], None] = lambda _: None) -> None:
        self._embedder, self._file, self.progress = embedder, file, progress
        file.parent.mkdir(parents=True, exist_ok=True)
        self.name, self.languages = embedder.name, embedder.languages

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        keys = [hashlib.sha256(f"{self.name}\0{text}".encode("utf-8", "replace")).digest() for text in texts]
        with closing(sqlite3.connect(self._file, timeout=30)) as connection:
            connection.execute("create table if not exists vectors (digest blob primary key, vector blob not null)")
            found = self._look(connection, keys)
            missing = list(dict.fromkeys(i for i, key in enumerate(keys) if key not in found))
            self.progress(len(texts) - len(missing))
            for start in range(0, len(missing), STEP):
                part = missing[start : start + STEP]
                made = self._embedder.embed([texts[i] for i in part])
                rows = [(keys[i], vector.astype("<f4").tobytes()) for i, vector in zip(part, made, strict=True)]
                connection.executemany("insert or ignore into vectors values (?, ?)", rows)
                connection.commit()
                found |= dict(rows)
                self.progress(len(part))
        if not keys:
            return self._embedder.embed([])
        return np.stack([np.frombuffer(found[key], dtype="<f4") for key in keys]).astype(np.float32)

    def _look(self, connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        for start in range(0, len(keys), 500):
            part = keys[start : start + 500]
            marks = ",".join("?" * len(part))
            found |= dict(connection.execute(f"select digest, vector from vectors where digest in ({marks})", part))  # noqa: S608
        return found
