"""One trial: a judge is fitted on some labelled tickets and judges others, as the daemon would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpdesk_daemon.adapters.index.exact import ExactIndex
from helpdesk_daemon.adapters.model.heads import fit_judge
from helpdesk_daemon.adapters.tickets_csv import Tickets
from helpdesk_daemon.evaluation import measures
from helpdesk_daemon.ports import Embedder, Example
from helpdesk_daemon.stages.classify import Bench
from helpdesk_daemon.triage.decide import doubt_of
from helpdesk_daemon.triage.judge import can_fit, fit
from helpdesk_daemon.triage.vote import Vote

SAMPLE = 8_000
BATCH = 256
TEST_SHARE = 0.2
Split = tuple[list[int], list[int]]


@dataclass(frozen=True, slots=True)
class Judged:
    """One test ticket: its text, its label, the vote, and whether the label was among the examples."""

    text: str
    label: str
    vote: Vote
    known: bool
    accepted: bool
    majority: str

    @property
    def right(self) -> bool:
        """Whether the vote is the label."""
        return self.vote.category == self.label


def last_fifth(count: int) -> Split:
    """Train on what came first, test on the last fifth."""
    first = int(count * (1 - TEST_SHARE))
    return list(range(first)), list(range(first, count))


def folds(labels: tuple[str, ...], number: int, seed: int) -> Iterator[Split]:
    """Folds in which every category is spread evenly, shuffled by a seed."""
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(np.array(labels)[order], kind="stable")]
    fold = np.zeros(len(labels), dtype=np.int64)
    fold[order] = np.arange(len(labels)) % number
    for part in range(number):
        yield np.flatnonzero(fold != part).tolist(), np.flatnonzero(fold == part).tolist()


def judge(
    train: Tickets, test: Tickets, embedder: Embedder, full: bool, target: float, balance: float = 0.0
) -> list[Judged]:
    """Fit on some tickets and judge others.

    Args:
        train: labelled examples.
        test: tickets to judge.
        embedder: the model.
        full: with second opinions, where there are labels enough.
        target: share that should be right of what is accepted, 0 to 1.
        balance: see `triage.judge.fit`.
    """
    vectors, labels = embedder.embed(train.texts), list(train.labels)
    if full and can_fit(labels, ["import"] * len(labels)):
        made = fit_judge(train.texts, vectors, labels, balance, SAMPLE, "heads")
    else:
        made = fit(vectors, labels, balance=balance, sample=SAMPLE, version="votes")
    bench = Bench(embedder, ExactIndex())
    pairs = enumerate(zip(train.texts, labels, strict=True))
    bench.install([Example(i, text, label, "import") for i, (text, label) in pairs], vectors, made)
    known, majority = set(labels), Counter(labels).most_common(1)[0][0]
    return [
        Judged(text, label, vote, label in known, not doubt_of(vote, target), majority)
        for start in range(0, len(test), BATCH)
        for text, label, vote in zip(
            test.texts[start : start + BATCH], test.labels[start : start + BATCH],
            bench.votes(test.texts[start : start + BATCH]), strict=True,
        )
    ]  # fmt: skip


def try_out(
    tickets: Tickets, train: Tickets | None, embedder: Embedder, *, full: bool, target: float, seed: int = 0,
    number: int = 0, outside: str = "", note: Callable[[str], None] = lambda _: None,
) -> tuple[list[Judged], dict[str, Any]]:  # fmt: skip
    """Run a trial as `evaluate` is asked to.

    Args:
        tickets: the file.
        train: examples of their own; None takes them from the file, without near-duplicates.
        embedder: the model.
        full: with second opinions.
        target: share that should be right of what is accepted, 0 to 1.
        seed: shuffles folds.
        number: of folds, 0 for the last fifth.
        outside: label of tickets that belong to no category.
        note: told what is being done.

    Returns:
        Judged tickets, and the figures.
    """
    note("reading meanings")
    vectors = embedder.embed(tickets.texts)
    removed = 0
    if train is not None:
        splits = [(train, tickets)]
    else:
        kept = measures.distinct(vectors)
        removed = len(tickets) - len(kept)
        tickets = tickets.pick(kept)
        rows = folds(tickets.labels, number, seed) if number else iter([last_fifth(len(tickets))])
        splits = [(tickets.pick(a), tickets.pick(b)) for a, b in rows]
    judged: list[Judged] = []
    for part, (examples, tests) in enumerate(splits, 1):
        note(f"judging {len(tests)} tickets by {len(examples)} examples ({part} of {len(splits)})")
        examples = examples.pick([i for i, label in enumerate(examples.labels) if label != outside])
        if len(set(examples.labels)) < 2 or not len(tests):
            continue
        judged += judge(examples, tests, embedder, full, target)
    return judged, figures(judged, target) | {
        "examples": len(splits[0][0]), "duplicates_removed": removed, "mode": "full" if full else "knn", "seed": seed,
        "folds": number, "model": embedder.name,
    }  # fmt: skip


def figures(judged: list[Judged], target: float) -> dict[str, Any]:
    """The figures of a trial; all but those out of scope count tickets whose category the examples have."""
    inside, outside = [j for j in judged if j.known], [j for j in judged if not j.known]
    if not inside:
        return {
            "tests": 0, "accuracy": None, "macro_f1": None, "ece": None, "coverage": 0.0, "precision_at_coverage": None,
            "target": target, "out_of_scope_auroc": None, "signal": False,
        }  # fmt: skip
    right = np.array([j.right for j in inside])
    confidences = np.array([j.vote.confidence for j in inside])
    accepted = np.array([j.accepted for j in inside])
    names = {name: i for i, name in enumerate(sorted({n for j in inside for n in (j.label, j.vote.category)}))}
    majority = np.array([j.majority == j.label for j in inside])
    scopes = [np.array([j.vote.scope for j in part]) for part in (inside, outside)]
    return {
        "tests": len(inside),
        "accuracy": round(float(right.mean()), 4),
        "macro_f1": round(measures.macro_f1(
            np.array([names[j.label] for j in inside]), np.array([names[j.vote.category] for j in inside])), 4),
        "ece": round(measures.calibration_error(confidences, right), 4),
        "coverage": round(float(accepted.mean()), 4),
        "precision_at_coverage": round(float(right[accepted].mean()), 4) if accepted.any() else None,
        "target": target,
        "out_of_scope": len(outside),
        "out_of_scope_auroc": round(measures.auroc(*scopes), 4) if outside else None,
        "out_of_scope_accepted": round(float(np.mean([j.accepted for j in outside])), 4) if outside else None,
        "majority": round(float(majority.mean()), 4),
        "signal": measures.beats(right, majority) < measures.CHANCE,
    }  # fmt: skip
