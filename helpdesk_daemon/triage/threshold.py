"""From which confidence on the daemon may act alone, chosen from held-out examples."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from helpdesk_daemon.triage.nearest import Floats, Numbers

Z = 1.2815515655446004  # one-sided 90 %
FEWEST = 30  # held-out examples that must lie above a threshold
NO_CHANCE = 0.001  # labels that chance explains better than this carry no signal


def wilson_lower(right: Floats, count: Floats) -> Floats:
    """One-sided 90 % lower bound of a proportion (Wilson 1927).

    Args:
        right: successes.
        count: trials, at least 1.
    """
    share = right / count
    middle = share + Z * Z / (2 * count)
    spread = Z * np.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
    found: Floats = (middle - spread) / (1 + Z * Z / count)
    return found


@dataclass(frozen=True, eq=False)
class Curve:
    """What would have been accepted, and was right, at each threshold.

    Attributes:
        confidences: of held-out examples that nothing but the threshold holds back, falling.
        right: whether each was right.
    """

    confidences: tuple[float, ...]
    right: tuple[bool, ...]

    def threshold(self, target: float) -> float | None:
        """The smallest confidence above which at least `target` are right, for all we know; None when there is none.

        Args:
            target: share that should be right, 0 to 1.
        """
        return _threshold(self, target)

    def earned(self, confidence: float) -> float:
        """The target up to which a confidence is enough: `confidence >= threshold(target)` where `target` is below it.

        Args:
            confidence: of a vote, 0 to 1.

        Returns:
            0 to 1; 0 where no target is met.
        """
        confidences, best = _earnings(self)
        return best[bisect_right(confidences, confidence)]


@lru_cache(maxsize=64)
def _threshold(curve: Curve, target: float) -> float | None:
    confidences, bounds = _steps(curve)
    good = np.flatnonzero(bounds > target)
    return float(confidences[good[-1]]) if len(good) else None


@lru_cache(maxsize=16)
def _earnings(curve: Curve) -> tuple[list[float], list[float]]:
    """Confidences, rising, and the highest bound met before the first and up to each; plain numbers, for bisection."""
    confidences, bounds = _steps(curve)
    return confidences[::-1].tolist(), [0.0, *np.maximum.accumulate(bounds[::-1]).tolist()]


@lru_cache(maxsize=16)
def _steps(curve: Curve) -> tuple[Floats, Floats]:
    """Confidences at which a threshold can lie, falling, and how many are surely right from each on."""
    confidences = np.array(curve.confidences, dtype=np.float64)
    if len(confidences) < FEWEST:
        return np.zeros(0), np.zeros(0)
    bounds = wilson_lower(np.cumsum(curve.right).astype(np.float64), np.arange(1.0, len(confidences) + 1))
    # Equals stand or fall together: only where the next one is smaller can a threshold lie.
    ends = np.r_[confidences[1:] < confidences[:-1], True] & (np.arange(len(confidences)) >= FEWEST - 1)
    return confidences[ends], bounds[ends]


def curve_of(confidences: Floats, right: npt.NDArray[np.bool_]) -> Curve:
    """A curve of held-out examples in any order."""
    order = np.argsort(-confidences, kind="stable")
    return Curve(tuple(confidences[order].tolist()), tuple(right[order].tolist()))


def chance_agrees(guesses: Numbers, labels: Numbers) -> float:
    """How often guesses that know nothing would agree with the labels at least as often as these do.

    The agreement expected of independent guesses with the same shares is that of Cohen's kappa (1960); the test is
    one-sided and normal.

    Args:
        guesses: shape (n,), int64.
        labels: shape (n,), int64.

    Returns:
        The p-value, 0 to 1; 1 where there is nothing to go by.
    """
    count = len(labels)
    if not count:
        return 1.0
    size = int(max(guesses.max(), labels.max())) + 1
    p, q = np.bincount(guesses, minlength=size) / count, np.bincount(labels, minlength=size) / count
    expected = float(p @ q)
    # Fleiss, Cohen and Everitt 1969: the variance of kappa where the true kappa is 0.
    variance = (expected + expected**2 - float((p * q * (p + q)).sum())) / count
    if variance <= 1e-12:
        return 1.0
    z = (float((guesses == labels).mean()) - expected) / math.sqrt(variance)
    return 0.5 * math.erfc(z / math.sqrt(2))
