"""Second opinions beside the vote: models of the meaning (the embedding) and of the words (TF-IDF)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from helpdesk_daemon.triage.nearest import Floats, Vectors

FOLDS = 10  # opinions out of fold are nearly those of the head itself; how it was chosen stands in docs/decisions.md
GAMMA = 1.0  # of the kernel; measured to beat a linear head by 2 to 4 points on real tickets
TOKEN = re.compile(r"\b\w\w+\b")


def ngrams(text: str) -> list[str]:
    """Words of two characters and more, in lower case, and pairs of them."""
    words = TOKEN.findall(text.lower())
    return words + [f"{a} {b}" for a, b in pairwise(words)]


@dataclass(frozen=True, slots=True, eq=False)
class MeaningHead:
    """Logistic regression on Gaussian kernels between the embedding and landmarks among the examples.

    Attributes:
        landmarks: shape (m, d), float32, L2-normalised rows.
        weights: shape (m, c), float32.
        bias: shape (c,), float32.
    """

    landmarks: Vectors
    weights: Vectors
    bias: Vectors

    def opinions(self, vectors: Vectors) -> Floats:
        """Probabilities, shape (n, c), for L2-normalised vectors of shape (n, d)."""
        kernels = np.exp(2 * GAMMA * (vectors @ self.landmarks.T - 1))  # |a - b|^2 = 2 - 2ab on the unit sphere
        logits = (kernels @ self.weights + self.bias).astype(np.float64)
        shares: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        return shares


@dataclass(frozen=True, slots=True, eq=False)
class WordsHead:
    """One logistic regression a category on the TF-IDF of words and pairs of words (sublinear, L2-normalised).

    Attributes:
        vocabulary: n-gram to its row.
        idf: shape (m,), float32.
        weights: shape (m, c), float32.
        bias: shape (c,), float32.
    """

    vocabulary: Mapping[str, int]
    idf: Vectors
    weights: Vectors
    bias: Vectors

    def opinions(self, texts: Sequence[str]) -> Floats:
        """Probabilities, shape (n, c), for n texts."""
        logits = np.stack([self._logits(text) for text in texts]) if texts else np.zeros((0, len(self.bias)))
        shares: Floats = 1.0 / (1.0 + np.exp(-np.clip(logits, -30, 30)))
        shares /= shares.sum(axis=1, keepdims=True)
        return shares

    def _logits(self, text: str) -> Floats:
        counted = Counter(row for gram in ngrams(text) if (row := self.vocabulary.get(gram)) is not None)
        rows = np.fromiter(counted, dtype=np.int64, count=len(counted))
        values = (1.0 + np.log(np.fromiter(counted.values(), dtype=np.float64, count=len(counted)))) * self.idf[rows]
        length = float(np.linalg.norm(values)) or 1.0
        logits: Floats = values / length @ self.weights[rows] + self.bias
        return logits


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """Both heads over the same categories, in their order."""

    categories: tuple[str, ...]
    meaning: MeaningHead
    words: WordsHead

    def opinions(self, texts: Sequence[str], vectors: Vectors) -> dict[str, Floats]:
        """By name of the opinion: probabilities, shape (n, c).

        Args:
            texts: n judged texts.
            vectors: their embeddings, shape (n, d), float32.
        """
        return {"meaning": self.meaning.opinions(vectors), "words": self.words.opinions(texts)}
