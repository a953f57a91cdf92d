"""How far each source of labels can be believed: how often others, and the nearest examples, say otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from helpdesk_daemon.triage.judge import leave_one_out
from helpdesk_daemon.triage.nearest import Vectors, centre_of
from helpdesk_daemon.triage.watching.estimates import Share, wilson

SAMPLE = 2_000  # labels that are compared with their neighbours, at most
SEED = 7
FEWEST = 20  # labels before a source is called doubtful


@dataclass(frozen=True, slots=True)
class Source:
    """Where labels come from.

    Attributes:
        name: `seed`, `import`, or the person who corrected or closed.
        labels: how many of its labels vote.
        replaced: share of its labels that a person later replaced by another category.
        contradicted: share of those looked at whose nearest examples say otherwise.
        doubtful: it is contradicted more often than all labels together are, beyond chance. Its labels may be
            careless, or about what no other label is about.
    """

    name: str
    labels: int
    replaced: Share
    contradicted: Share
    doubtful: bool


def sources_of(
    names: Sequence[str], labels: Sequence[str], vectors: Vectors, replaced: Mapping[str, int]
) -> list[Source]:
    """Judge sources, most labels first.

    Every label is compared with the vote of its nearest examples without itself, as in confident learning (Northcutt,
    Jiang and Chuang 2021, JAIR 70). Also good labels are contradicted at times, so a source is held to all the others.

    Args:
        names: n sources of labels.
        labels: n categories.
        vectors: shape (n, d), float32, L2-normalised rows.
        replaced: how many labels of a source were replaced and so are not among these.
    """
    against, looked = _contradicted(labels, vectors)
    who = np.array(names, dtype=np.str_)
    overall = wilson(float(against[looked].sum()), float(looked.sum()))
    found = []
    for name in dict.fromkeys((*names, *replaced)):
        here = who == name
        own = looked & here
        share = wilson(float(against[own].sum()), float(own.sum()))
        count, gone = int(here.sum()), replaced.get(name, 0)
        doubtful = own.sum() >= FEWEST and share.low > (overall.value or 0.0)
        found.append(Source(name, count, wilson(gone, count + gone), share, bool(doubtful)))
    return sorted(found, key=lambda source: (-source.labels, source.name))


def _contradicted(labels: Sequence[str], vectors: Vectors) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Whether each label's neighbours say otherwise, and which were looked at; both shape (n,)."""
    against, looked = np.zeros(len(labels), dtype=np.bool_), np.zeros(len(labels), dtype=np.bool_)
    if len(labels) < 2:
        return against, looked
    names, numbers = np.unique(np.array(labels, dtype=np.str_), return_inverse=True)
    held = np.arange(len(labels))
    if len(held) > SAMPLE:
        held = np.sort(np.random.default_rng(SEED).choice(held, SAMPLE, replace=False))
    evidence = leave_one_out(vectors, numbers.astype(np.int64), centre_of(vectors), held, len(names), {})
    against[held] = evidence.opinions[0].argmax(axis=1) != numbers[held]
    looked[held] = True
    return against, looked
