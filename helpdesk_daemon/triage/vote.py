"""Similarity-weighted vote of the k nearest labelled examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from helpdesk_daemon.triage.nearest import Floats, Numbers, Vectors
from helpdesk_daemon.triage.threshold import Curve

__all__ = ["TEMPERATURE", "UNSAID", "K", "Neighbour", "Standing", "Vectors", "View", "Vote", "trust_in", "vote_shares"]

TEMPERATURE = 0.1  # on cosine; measured on real tickets to beat linear and uniform weights everywhere
K = 20
AT_ONCE = 64  # mails voted on together: their texts of like length share model batches, and the answer is still prompt
UNSAID = "confirmation"  # source of labels that nobody gave: a ticket was closed under them


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One example that took part in a vote.

    Attributes:
        example: its number in the examples table.
        category: its label.
        similarity: cosine to the mail, both seen from the centre of all examples, -1 to 1.
        source: where its label comes from: seed, import, correction or confirmation.
        ticket: tracking ID it was learnt from, empty for seeds and imports.
        text: its words; shown to others only when it is a seed.
        cosine: to the mail, -1 to 1; tells how alike they are at all.
    """

    example: int
    category: str
    similarity: float
    source: str
    ticket: str
    text: str
    cosine: float = 0.0


@dataclass(frozen=True, slots=True)
class View:
    """What one opinion says: `neighbours`, `meaning` or `words`; its category, and that one's share, 0 to 1."""

    name: str
    category: str
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """What the judge of a vote knows of its own reliability.

    Attributes:
        version: of the judge.
        curve: its successes on held-out examples.
        scope_floor: mean cosine to the five nearest under which a mail is like no example.
        signal: whether labels and texts of the examples have anything to do with each other.
    """

    version: str = ""
    curve: Curve = field(default_factory=lambda: Curve((), ()))
    scope_floor: float = -1.0
    signal: bool = True


@dataclass(frozen=True, slots=True)
class Vote:
    """What the classifier says about one mail.

    Attributes:
        category: the winner, empty when nobody voted.
        confidence: that it is right, 0 to 1.
        shares: all categories' shares, best first.
        neighbours: the nearest examples, nearest first.
        views: what each opinion says by itself.
        scope: mean cosine to the five nearest examples, -1 to 1.
        support: how many examples the category has.
        standing: of the judge, None where none was fitted.
        same: an example has the same text, and its label is not disputed.
        foreign: language that neither the model nor the nearest examples know; empty for none.
        vector: the mail's embedding, shape (d,), float32, L2-normalised; None where nobody kept it.
    """

    category: str
    confidence: float
    shares: tuple[tuple[str, float], ...]
    neighbours: tuple[Neighbour, ...]
    views: tuple[View, ...] = ()
    scope: float = 1.0
    support: int = 0
    standing: Standing | None = None
    same: bool = False
    foreign: str = ""
    vector: Vectors | None = field(default=None, compare=False, repr=False)


def vote_shares(
    similarities: Sequence[Sequence[float]] | Vectors, labels: Numbers, categories: int, trust: Floats | None = None
) -> Floats:
    """Weigh each neighbour by exp((s - s_max) / 0.1) and sum by category.

    Args:
        similarities: shape (n, k), best first; -inf for a place that nobody fills.
        labels: shape (n, k), int64, numbers of categories.
        categories: how many there are.
        trust: shape (n, k): by which each weight is multiplied, over 0; None for 1.

    Returns:
        Shape (n, c), rows summing to 1.
    """
    closeness = np.asarray(similarities, dtype=np.float64)
    weights = np.exp((closeness - closeness[:, :1]) / TEMPERATURE)
    if trust is not None:
        weights *= trust
    shares = np.zeros((len(closeness), categories))
    np.add.at(shares, (np.arange(len(closeness))[:, None], labels), weights)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def trust_in(sources: Sequence[str], unsaid: float) -> Floats:
    """The weight of each example in votes, shape (n,), by where its label comes from.

    Args:
        sources: of n examples.
        unsaid: of labels that nobody gave, over 0 to 1.
    """
    return np.array([unsaid if source == UNSAID else 1.0 for source in sources], dtype=np.float64)
