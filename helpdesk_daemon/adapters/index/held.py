"""The examples as one value that two threads may look at, and how well a server finds them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

from helpdesk_daemon.adapters.index.endee import LENGTH_TOLERANCE, Endee
from helpdesk_daemon.errors import PermanentError
from helpdesk_daemon.ports import Example
from helpdesk_daemon.triage.vote import K, Vectors

SAMPLE = 64  # queries that recall is measured with
PROBES = 8  # searches a call, so that each call stays well within its time-out
TIE = 1e-5  # on the cosine scale: what is as near as the last of the true neighbours is as good
TOLERANCE = 1e-3  # on the cosine scale; float32 sums in another order differ by less than 1e-5


class Drifted(PermanentError):
    """The server does not hold what it was given."""


@dataclass(frozen=True, slots=True)
class Held:
    """The examples that vote; one value that never changes, as two threads look at it.

    Attributes:
        examples: n of them.
        vectors: shape (n, d), float32, L2-normalised rows.
        rows: row by example.
        digests: of each vector that a server takes, by example; one that is not of length one would rank wrongly.
    """

    examples: Sequence[Example] = ()
    vectors: Vectors = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    rows: Mapping[int, int] = field(default_factory=dict)
    digests: Mapping[int, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, examples: Sequence[Example], vectors: Vectors) -> Held:
        """Of examples and a row for each; the caller's list may change afterwards."""
        kept = np.ascontiguousarray(vectors, dtype=np.float32)
        fit = np.abs(np.linalg.norm(kept, axis=1) - 1.0) < LENGTH_TOLERANCE
        digests = {
            e.id: blake2b(row.tobytes(), digest_size=8).digest()
            for e, row, good in zip(examples, kept, fit, strict=True)
            if good
        }
        return cls(list(examples), kept, {e.id: row for row, e in enumerate(examples)}, digests)


def measured(server: Endee, held: Held, k: int = K) -> tuple[float, float] | None:
    """How much of the truth a server finds, and how fast.

    Asked with some of the examples' own vectors, as tickets look like them.

    Args:
        server: holds the examples.
        held: what it was given.
        k: neighbours a query.

    Returns:
        Share of the k truly nearest examples that it finds, 0 to 1, and seconds a query; None without examples.

    Raises:
        Drifted: it holds other vectors than it was given.
        HelpdeskError: it did not answer.
    """
    count = len(held.digests)
    if not count:
        return None
    k = min(k, count)
    fit = np.array([held.rows[example] for example in held.digests])
    asked = held.vectors[np.random.default_rng(count).permutation(fit)[:SAMPLE]]
    good, spent = 0, 0.0
    for start in range(0, len(asked), PROBES):
        queries = asked[start : start + PROBES]
        true = queries @ held.vectors.T
        edges = np.partition(true, -k, axis=1)[:, -k]
        began = time.monotonic()
        answers = server.search(queries, k)
        spent += time.monotonic() - began
        for row, edge, hits in zip(true, edges, answers, strict=True):
            found = {held.rows.get(int(hit.id), -1) if hit.id.isdigit() else -1: hit.similarity for hit in hits}
            if -1 in found or any(abs(row[n] - claim) > TOLERANCE for n, claim in found.items()):
                raise Drifted("Endee holds other vectors than it was given")
            good += sum(row[n] >= edge - TIE for n in found)
    return float(good) / (k * len(asked)), spent / len(asked)
