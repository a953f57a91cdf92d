"""Vectors of the shipped tickets, kept beside the exported model so that a first start need not make them."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from helpdesk_daemon.triage.vote import Vectors

NAME = "starter.npz"


@dataclass(frozen=True, slots=True)
class StarterVectors:
    """What a model made of texts.

    Attributes:
        model: its name.
        made: little-endian float32 bytes of one vector, by the SHA-256 of its text.
    """

    model: str = ""
    made: dict[bytes, bytes] = field(default_factory=dict)

    def of(self, text: str) -> bytes | None:
        """The vector of a text, as bytes; None when it was not among those kept."""
        return self.made.get(_digest(text))


def keep(folder: Path, model: str, texts: Sequence[str], vectors: Vectors) -> None:
    """Write the vectors of texts, shape (n, d), float32, into a model's folder."""
    scratch = folder / f".{NAME}"
    digests = np.frombuffer(b"".join(map(_digest, texts)), dtype=np.uint8).reshape(len(texts), -1)
    with scratch.open("wb") as file:
        np.savez(file, model=np.array(model), digests=digests, vectors=vectors.astype("<f4"))
    scratch.replace(folder / NAME)


def kept(folder: Path) -> StarterVectors:
    """What was kept in a model's folder; nothing where the file is missing or damaged, as it only saves time."""
    try:
        with (folder / NAME).open("rb") as file, np.load(file, allow_pickle=False) as held:
            digests, vectors = held["digests"], held["vectors"].astype("<f4")
            made = {d.tobytes(): v.tobytes() for d, v in zip(digests, vectors, strict=True)}
            return StarterVectors(str(held["model"]), made)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return StarterVectors()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
