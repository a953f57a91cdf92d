"""The doors to the model and to the index of labelled examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from helpdesk_daemon.triage.vote import Neighbour, Vectors


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled text; see the columns of the examples table."""

    id: int
    text: str
    category: str
    source: str
    ticket: str = ""


class Embedder(Protocol):
    """Turns texts into vectors. Blocking: one thread owns it."""

    name: str

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts.

        Args:
            texts: n texts; what is beyond the model's window is cut.

        Returns:
            Shape (n, d), float32, L2-normalised rows.

        Raises:
            TransientError: the model cannot answer now.
        """


class VectorIndex(Protocol):
    """Finds the nearest labelled examples."""

    def search(self, queries: Vectors, k: int) -> list[list[Neighbour]]:
        """The k nearest examples of each query, nearest first.

        Args:
            queries: shape (n, d), float32, L2-normalised rows.
            k: how many, at least 1; fewer are returned when there are fewer.

        Raises:
            TransientError: the index cannot answer now.
        """

    def replace(self, examples: Sequence[Example], vectors: Vectors) -> None:
        """Hold exactly these examples; `vectors` has one L2-normalised float32 row an example."""

    def count(self) -> int:
        """How many examples it holds."""
