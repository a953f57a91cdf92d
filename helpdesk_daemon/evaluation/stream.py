"""A stream of tickets that people put right: how much better each correction makes the classifier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from helpdesk_daemon.adapters.index.exact import ExactIndex
from helpdesk_daemon.adapters.model.heads import fit_judge
from helpdesk_daemon.adapters.tickets_csv import Tickets
from helpdesk_daemon.evaluation.trial import Judged, figures
from helpdesk_daemon.ports import Embedder, Example
from helpdesk_daemon.stages.classify import Bench, votes_only
from helpdesk_daemon.triage.decide import doubt_of
from helpdesk_daemon.triage.judge import Judge, can_fit, measure_in
from helpdesk_daemon.triage.vote import UNSAID, trust_in

STEP = 25  # tickets voted on between two looks at what was learnt
SAMPLE = 2_000


@dataclass(frozen=True, slots=True)
class House:
    """How people treat the tickets.

    Attributes:
        target: share that should be right of what is sorted without a person, 0 to 1.
        care: share of the wrong ones that somebody corrects, 0 to 1.
        trust: weight of tickets closed under their category, 0 for none of them.
        sorts: whether people label right suggestions in triage, too, as they do who move such tickets by `#category`.
        seed: draws which wrong ones are corrected.
    """

    target: float = 0.8
    care: float = 1.0
    trust: float = 0.0
    sorts: bool = False
    seed: int = 1


def learning(
    start: Tickets, stream: Tickets, test: Tickets, embedder: Embedder, at: Sequence[int], house: House,
    note: Callable[[int], None] = lambda _: None,
) -> Iterator[tuple[int, dict[str, Any]]]:  # fmt: skip
    """Figures on later tickets, each time so many corrections were made.

    Args:
        start: examples that are there before.
        stream: tickets in the order in which they come.
        test: later tickets.
        embedder: the model.
        at: numbers of corrections, rising.
        house: how people treat tickets.
        note: told how many tickets of the stream are through.
    """
    dice = np.random.default_rng(house.seed)
    examples = [Example(n, t, c, "seed") for n, (t, c) in enumerate(zip(start.texts, start.labels, strict=True))]
    corrections, left = 0, list(at)
    bench, fitted = _bench(embedder, examples, house), 0
    for first in range(0, len(stream), STEP):
        while left and corrections >= left[0]:
            yield left.pop(0), _figures(embedder, examples, test, house)
        if not left:
            return
        texts = stream.texts[first : first + STEP]
        for text, label, vote in zip(texts, stream.labels[first : first + STEP], bench.votes(texts), strict=True):
            wrong, doubted = vote.category != label, bool(doubt_of(vote, house.target))
            if wrong and dice.random() < house.care and corrections < left[0]:
                examples.append(Example(len(examples), text, label, "correction"))
                corrections += 1
            elif house.trust and not doubted:
                examples.append(Example(len(examples), text, vote.category, UNSAID))
            elif house.sorts and doubted and not wrong:
                examples.append(Example(len(examples), text, label, "correction"))
        note(first + len(texts))
        if len(examples) - fitted >= STEP:
            bench, fitted = _bench(embedder, examples, house), len(examples)
    while left and corrections >= left[0]:
        yield left.pop(0), _figures(embedder, examples, test, house)


def _bench(embedder: Embedder, examples: Sequence[Example], house: House, heads: bool = False) -> Bench:
    vectors = embedder.embed([e.text for e in examples])
    trust = house.trust or 1.0
    made: Judge = votes_only(examples, vectors, 0.0, len(examples), True, trust)
    sources, labels = [e.source for e in examples], [e.category for e in examples]
    own = measure_in(sources)
    if heads and can_fit(labels, sources):
        made = fit_judge(
            [e.text for e in examples], vectors, labels, 0.0, SAMPLE, "heads", own, trust=trust_in(sources, trust)
        )
    bench = Bench(embedder, ExactIndex())
    bench.install(examples, vectors, replace(made, trust=trust))
    return bench


def _figures(embedder: Embedder, examples: Sequence[Example], test: Tickets, house: House) -> dict[str, Any]:
    found: dict[str, Any] = {"sources": dict(Counter(e.source for e in examples))}
    known = {e.category for e in examples}
    for mode in ("knn", "full"):
        votes = _bench(embedder, examples, house, mode == "full").votes(test.texts)
        judged = [
            Judged(text, label, vote, label in known, not doubt_of(vote, house.target), "")
            for text, label, vote in zip(test.texts, test.labels, votes, strict=True)
        ]
        counted = figures(judged, house.target)
        found[mode] = {k: counted[k] for k in ("accuracy", "coverage", "precision_at_coverage")}
    return found
