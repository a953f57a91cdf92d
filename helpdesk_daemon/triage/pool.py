"""Several opinions on the same texts made one, in log space, weighted by how well each foresaw held-out labels."""

from __future__ import annotations

import numpy as np

from helpdesk_daemon.triage.nearest import Floats, Numbers

FLOOR = 0.01  # an opinion never rules a category out: a vote of 20 knows nothing about the 21st
STEPS = 50
RIDGE = 1e-3  # a head


def pooled(opinions: Floats, weights: Floats, tilt: Floats | None = None) -> Floats:
    """Weighted geometric mean of opinions.

    Args:
        opinions: shape (v, n, c): v opinions on n texts over c categories, each summing to 1.
        weights: shape (v,), not negative.
        tilt: shape (c,), added to the logarithms; None for nothing.

    Returns:
        Shape (n, c), rows summing to 1.
    """
    return _softmax(np.tensordot(weights, _logs(opinions), axes=1) + (0.0 if tilt is None else tilt))


def _logs(opinions: Floats) -> Floats:
    logs: Floats = np.log(opinions + FLOOR / opinions.shape[2])
    return logs


def _softmax(logits: Floats) -> Floats:
    shares: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def fit_weights(opinions: Floats, labels: Numbers) -> Floats:
    """The weights under which the labels are likeliest, by Newton's method on the convex log loss.

    Args:
        opinions: shape (v, n, c), each made without knowing the label it is to foresee.
        labels: shape (n,), int64, numbers of categories.

    Returns:
        Shape (v,), not negative: an opinion that only harms has weight 0.
    """
    logs = _logs(opinions)
    kept = np.arange(len(opinions))
    while True:
        weights = np.zeros(len(opinions))
        weights[kept] = _newton(logs[kept], labels)
        if (weights >= 0).all() or len(kept) == 1:
            return np.maximum(weights, 0.0)
        kept = np.flatnonzero(weights > 0) if (weights > 0).any() else kept[:1]


def _newton(logs: Floats, labels: Numbers) -> Floats:
    count = len(labels)
    weights = np.full(len(logs), 1.0 / len(logs))
    right = logs[:, np.arange(count), labels]  # (v, n)
    for _ in range(STEPS):
        shares = _softmax(np.tensordot(weights, logs, axes=1))
        expected = np.einsum("nc,vnc->vn", shares, logs)
        gradient = (right - expected).mean(axis=1) - RIDGE * (weights - 1.0 / len(logs))
        spread = np.einsum("nc,vnc,wnc->vw", shares, logs, logs) / count - expected @ expected.T / count
        step = np.linalg.solve(spread + RIDGE * np.eye(len(logs)), gradient)
        weights = weights + step
        if np.abs(step).max() < 1e-6:
            break
    return weights
