"""How likely a category is right, learnt from what was right on held-out examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from helpdesk_daemon.triage.nearest import Floats

FEW = 200  # below so many held-out labels only one number is learnt: the temperature
RIDGE = 1.0
STEPS = 30
SURE = 0.999  # nothing that was learnt from examples is certain


@dataclass(frozen=True, slots=True, eq=False)
class Calibrator:
    """A logistic model of "the category is right".

    Attributes:
        means: shape (f,): of the signs on the examples it was fitted on.
        scales: shape (f,): their standard deviations.
        weights: shape (f,): on the standardised signs.
        bias: added.
    """

    means: Floats
    scales: Floats
    weights: Floats
    bias: float

    def __call__(self, signs: Floats) -> Floats:
        """Probability of being right, shape (n,), from signs of shape (n, f)."""
        logits = (signs - self.means) / self.scales @ self.weights + self.bias
        found: Floats = np.minimum(1.0 / (1.0 + np.exp(-np.clip(logits, -30, 30))), SURE)
        return found


def fit_calibrator(signs: Floats, right: npt.NDArray[np.bool_]) -> Calibrator:
    """Fit by Newton's method, with a ridge that keeps it finite where all are right.

    Args:
        signs: shape (n, f), of held-out examples; the first is the log odds of the pooled share.
        right: shape (n,): whether the category was right.
    """
    count, kinds = signs.shape
    if count < FEW:
        return _temperature(signs, right)
    means, scales = signs.mean(axis=0), np.maximum(signs.std(axis=0), 1e-6)
    design = np.column_stack(((signs - means) / scales, np.ones(count)))
    ridge = RIDGE * np.r_[np.ones(kinds), 0.0]
    found = _newton(design, right, np.zeros(kinds + 1), ridge)
    return Calibrator(means, scales, found[:-1], float(found[-1]))


def _temperature(signs: Floats, right: npt.NDArray[np.bool_]) -> Calibrator:
    """Only the log odds of the share count, divided by one temperature; 1 where nothing is known."""
    kinds = signs.shape[1]
    weights = np.zeros(kinds)
    weights[0] = 1.0
    if len(signs):
        # The ridge pulls towards 1, as hard as ten examples would.
        weights[0] = max(_newton(signs[:, :1], right, np.ones(1), np.full(1, 10.0), np.ones(1))[0], 0.05)
    return Calibrator(np.zeros(kinds), np.ones(kinds), weights, 0.0)


def _newton(
    design: Floats, right: npt.NDArray[np.bool_], start: Floats, ridge: Floats, towards: Floats | None = None
) -> Floats:
    """Weights of a logistic regression, pulled towards a point by a ridge."""
    weights, towards = start, np.zeros_like(start) if towards is None else towards
    for _ in range(STEPS):
        chance = 1.0 / (1.0 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (right - chance) - ridge * (weights - towards)
        spread = (design * (chance * (1 - chance))[:, None]).T @ design + np.diag(ridge + 1e-6)
        step = np.linalg.solve(spread, gradient)
        weights = weights + step
        if np.abs(step).max() < 1e-6:
            break
    return weights
