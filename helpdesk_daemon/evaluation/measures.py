"""Figures on predictions: pure functions over arrays."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from helpdesk_daemon.triage.alike import Distinct
from helpdesk_daemon.triage.nearest import Floats, Numbers, Vectors

Flags = npt.NDArray[np.bool_]
BINS = 15
BLOCK = 1_024  # rows compared with each other at once
CHANCE = 0.01


def distinct(vectors: Vectors) -> list[int]:
    """Numbers of rows that are no near-duplicate of an earlier one that was kept.

    Args:
        vectors: shape (n, d), float32, L2-normalised rows.
    """
    seen = Distinct(vectors[:0])
    return [start + i for start in range(0, len(vectors), BLOCK) for i in seen.take(vectors[start : start + BLOCK])]


def macro_f1(truth: Numbers, guesses: Numbers) -> float:
    """Mean over the categories in `truth` of the harmonic mean of precision and recall."""
    found = []
    for category in np.unique(truth):
        right = int(((truth == category) & (guesses == category)).sum())
        found.append(2 * right / (int((truth == category).sum()) + int((guesses == category).sum())))
    return float(np.mean(found)) if found else 0.0


def equal_mass(confidences: Floats, right: Flags, bins: int = BINS) -> list[tuple[float, float, int]]:
    """Mean confidence, share of right ones and size of bins that hold as many predictions each."""
    order = np.argsort(confidences, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return [(float(confidences[p].mean()), float(right[p].mean()), len(p)) for p in parts]


def calibration_error(confidences: Floats, right: Flags) -> float:
    """Expected calibration error over 15 bins of equal mass (Naeini et al. 2015, with adaptive bins)."""
    parts = equal_mass(confidences, right)
    return sum(size * abs(said - was) for said, was, size in parts) / max(len(confidences), 1)


def auroc(positive: Floats, negative: Floats) -> float:
    """How often a positive scores over a negative; ties count half (Mann and Whitney 1947)."""
    values = np.concatenate((positive, negative))
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    above = ranks[: len(positive)].sum() - len(positive) * (len(positive) + 1) / 2
    return float(above / (len(positive) * len(negative)))


def beats(right: Flags, other: Flags) -> float:
    """How likely predictions no better than others win as many of the cases where one is right and one is wrong.

    Returns:
        p-value of McNemar's exact test (1947), one-sided.
    """
    wins, losses = int((right & ~other).sum()), int((~right & other).sum())
    count = wins + losses
    if not count:
        return 1.0
    logs = [
        math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1) - count * math.log(2)
        for k in range(wins, count + 1)
    ]
    return min(1.0, float(np.exp(np.logaddexp.reduce(logs))))


def coverage_curve(confidences: Floats, right: Flags, points: int = 100) -> list[tuple[float, float]]:
    """Coverage and precision when ever more of the surest predictions are accepted."""
    if not len(confidences):
        return []
    order = np.argsort(-confidences, kind="stable")
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    steps = np.unique(np.linspace(max(len(order) // points, 1), len(order), points).astype(int)) - 1
    return [((int(i) + 1) / len(order), float(precision[i])) for i in steps]
