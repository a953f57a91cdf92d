"""Exact nearest neighbours: rows seen from their centre, and the best k of a matrix product."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]  # shape (n, d), L2-normalised rows
Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ENOUGH_FOR_A_CENTRE = 100  # the mean of fewer vectors says more about them than about the language they share
BLOCK = 64
CHUNK = 256  # queries a product: bounds the matrix of similarities


def centre_of(vectors: Vectors) -> Vectors:
    """The mean of example vectors, which the vote subtracts: what all mails of a helpdesk share tells nothing.

    Args:
        vectors: shape (n, d), float32, L2-normalised rows.

    Returns:
        Shape (d,), float32; zeros for fewer than 100 rows.
    """
    if len(vectors) < ENOUGH_FOR_A_CENTRE:
        return np.zeros(vectors.shape[1], dtype=np.float32)
    mean: Vectors = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def centred(vectors: Vectors, centre: Vectors) -> tuple[Vectors, Vectors]:
    """Subtract the centre and normalise again.

    Args:
        vectors: shape (n, d), float32, L2-normalised rows.
        centre: shape (d,), float32.

    Returns:
        Rows of shape (n, d), L2-normalised, and how long they were before, shape (n,); both float32. A row that is
        the centre stays zero.
    """
    if not centre.any():
        return vectors, np.ones(len(vectors), dtype=np.float32)
    moved = vectors - centre
    lengths: Vectors = np.linalg.norm(moved, axis=1).astype(np.float32)
    moved /= np.maximum(lengths, np.float32(1e-6))[:, None]
    return moved, lengths


def nearest(queries: Vectors, rows: Vectors, k: int, own: Numbers | None = None) -> tuple[Numbers, Vectors]:
    """The k rows with the greatest products for each query; of equal ones the first.

    Args:
        queries: shape (n, d), float32.
        rows: shape (m, d), float32.
        k: at least 1; fewer are found when there are fewer rows.
        own: shape (n,), int64: for each query the row that is the query itself and is left out; None for none.

    Returns:
        Row numbers, shape (n, k), int64, and products, shape (n, k), float32; best first.
    """
    k = min(k, len(rows) - (own is not None))
    found, products = np.zeros((len(queries), k), dtype=np.int64), np.zeros((len(queries), k), dtype=np.float32)
    if k < 1:
        return found, products
    for start in range(0, len(queries), CHUNK):
        similarities = queries[start : start + CHUNK] @ rows.T
        if own is not None:
            similarities[np.arange(len(similarities)), own[start : start + CHUNK]] = -np.inf
        for offset, (row, edge) in enumerate(zip(similarities, _edges(similarities, k), strict=True)):
            near = np.flatnonzero(row >= edge)
            best = near[np.argsort(-row[near], kind="stable")[:k]]
            found[start + offset], products[start + offset] = best, row[best]
    return found, products


def _edges(similarities: Vectors, k: int) -> Vectors:
    """A bound for each row that at least k of its values reach, and few more: found without sorting them all.

    Each of the k blocks with the greatest maxima holds a value at or over the smallest of these maxima.
    """
    width = similarities.shape[1]
    blocks = width // BLOCK
    if blocks <= k:
        edge: Vectors = np.partition(similarities, width - k, axis=1)[:, width - k]
        return edge
    # Blocks are strided, not adjacent: like examples lie together and would share one.
    maxima = similarities[:, : blocks * BLOCK].reshape(len(similarities), BLOCK, blocks).max(axis=1)
    bound: Vectors = np.partition(maxima, blocks - k, axis=1)[:, blocks - k]
    return bound
