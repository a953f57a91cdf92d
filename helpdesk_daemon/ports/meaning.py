"""The doors to the model and to the index of labelled examples."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from helpdesk_daemon.triage.judge import Judge
from helpdesk_daemon.triage.vote import Neighbour, Vectors

# The language of a text: ISO 639-1 code, empty when unknown. Never fails.
LanguageOf = Callable[[str], str]


def unknown(text: str) -> str:
    """The `LanguageOf` that knows none."""
    return ""


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled text; see the columns of the examples table."""

    id: int
    text: str
    category: str
    source: str
    ticket: str = ""


@dataclass(frozen=True, slots=True)
class Revision:
    """Where the examples stand: number of the latest change, and how many examples were deleted by then."""

    latest: int
    deleted: int


class Embedder(Protocol):
    """Turns texts into vectors. Blocking: one thread owns it.

    Attributes:
        name: of the model; vectors of different names are not compared.
        languages: ISO 639-1 codes of what it was made for; none for all.
    """

    name: str
    languages: tuple[str, ...]

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
    """Finds the nearest labelled examples.

    Attributes:
        takes_centre: it can compare examples as they are seen from their centre.
    """

    takes_centre: bool

    def search(self, queries: Vectors, k: int) -> list[list[Neighbour]]:
        """The k nearest examples of each query, nearest first.

        Args:
            queries: shape (n, d), float32, L2-normalised rows.
            k: how many, at least 1; fewer are returned when there are fewer.

        Raises:
            TransientError: the index cannot answer now.
        """

    def replace(self, examples: Sequence[Example], vectors: Vectors, centre: Vectors | None = None) -> None:
        """Hold exactly these examples.

        Args:
            examples: n examples.
            vectors: shape (n, d), float32, L2-normalised rows.
            centre: shape (d,), float32, subtracted from examples and queries before they are compared; None for
                nothing. Stays until the next `replace`.
        """

    def update(self, examples: Sequence[Example], vectors: Vectors, withdrawn: Collection[int]) -> None:
        """Add examples or hold them anew, and forget others.

        Args:
            examples: n examples; one of a number that is held takes its place.
            vectors: shape (n, d), float32, L2-normalised rows.
            withdrawn: numbers to forget; a number that is not held is passed over.
        """

    def count(self) -> int:
        """How many examples it holds."""


class JudgeMaker(Protocol):
    """Fits judges from the examples in the database and keeps the latest."""

    def load(self, model: str) -> Judge | None:
        """The judge kept for a model; None when there is none that can be read."""

    async def make(self, model: str) -> Judge | None:
        """Fit a judge with second opinions, beside everything else, and keep it.

        Returns:
            None when there are too few labels, or the fit failed, which is logged.
        """
