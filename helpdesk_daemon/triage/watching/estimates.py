"""Shares of what was judged, with the interval in which the true share lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

Z = 1.959964  # two-sided 95 %
LEAST = 20  # cases in a bin


@dataclass(frozen=True, slots=True)
class Share:
    """A share and its 95 % interval.

    Attributes:
        value: 0 to 1; None where nothing was judged.
        low: lower end, 0 where nothing was judged.
        high: upper end, 1 where nothing was judged.
        of: how many were judged; less than their number where some count less.
    """

    value: float | None
    low: float
    high: float
    of: float


def wilson(hits: float, of: float, z: float = Z) -> Share:
    """The share `hits / of` with Wilson's score interval.

    It keeps its level for small numbers and near 0 and 1, where the textbook interval does not (Wilson 1927, JASA 22;
    Brown, Cai and DasGupta 2001, Statistical Science 16, who recommend it).

    Args:
        hits: at most `of`; need not be a whole number.
        of: how many were looked at.
        z: quantile of the normal distribution that the level asks for.
    """
    if of <= 0:
        return Share(None, 0.0, 1.0, 0.0)
    share = hits / of
    middle = share + z * z / (2 * of)
    reach = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    return Share(share, max((middle - reach) / scale, 0.0), min((middle + reach) / scale, 1.0), of)


@dataclass(frozen=True, slots=True)
class Judged:
    """Tickets that people judged, by what their judgement was.

    Attributes:
        corrected: another category was given.
        confirmed: the same category was given.
        closed: a person closed the ticket and left its category as it was.
    """

    corrected: int = 0
    confirmed: int = 0
    closed: int = 0


def accuracy(judged: Judged, weight: float = 1.0) -> Share:
    """The share of routing decisions that was right, of those that people judged.

    The estimator is (confirmed + weight * closed) / (corrected + confirmed + weight * closed). Corrections alone would
    bias it downward without bound, as only mistakes are corrected: a ticket that a person closed without moving it
    counts as right, with a weight between 0 and 1 for how much such silence is believed. It is biased upward as far as
    people close what was misrouted without saying so. `untouched` gives the other bound.

    Weights make fewer cases of many: the interval is Wilson's for Kish's effective number (sum w)^2 / sum w^2
    (Kish 1965, Survey Sampling, 11.7).
    """
    spoken, silent = judged.corrected + judged.confirmed, weight * judged.closed
    total = spoken + silent
    squares = spoken + weight * silent
    if total <= 0:
        return wilson(0.0, 0.0)
    effective = total * total / squares
    return wilson((judged.confirmed + silent) / total * effective, effective)


def untouched(corrected: int, routed: int) -> Share:
    """The share of all that was routed which nobody corrected: an upper bound of the accuracy.

    Args:
        corrected: of them, how many people moved.
        routed: all that were routed, judged or not.
    """
    return wilson(routed - corrected, routed)


def calibration_error(said: Sequence[float], right: Sequence[bool], weights: Sequence[float], bins: int = 10) -> float:
    """Expected calibration error over bins of like weight: mean distance of what was said and what was right.

    Bins of equal mass, as bins of equal width leave most of them empty (Nguyen and O'Connor 2015). It is never
    negative and grows as cases become fewer; with 10 bins over 500 cases a perfect forecaster shows about 0.05.

    Args:
        said: n confidences, 0 to 1.
        right: n verdicts.
        weights: n weights of the verdicts, not negative.
        bins: how many at most; a bin holds at least 20 cases, where there are as many.
    """
    total = sum(weights)
    if not total:
        return 0.0
    gap, mass, off = 0.0, 0.0, 0.0
    edge = total / max(min(bins, int(total // LEAST)), 1)
    for confidence, verdict, weight in sorted(zip(said, right, weights, strict=True), key=itemgetter(0)):
        off += weight * (confidence - verdict)
        mass += weight
        if mass >= edge - 1e-9:
            gap, mass, off = gap + abs(off), 0.0, 0.0
    return (gap + abs(off)) / total
