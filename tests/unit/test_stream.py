"""Corrections make later tickets right; the words-only rival is measured by the same rules."""

from __future__ import annotations

import numpy as np

from helpdesk_daemon.adapters.tickets_csv import Tickets
from helpdesk_daemon.evaluation.rivals import linear_svm
from helpdesk_daemon.evaluation.stream import House, learning
from tests.integration.test_learning import WORDS, WordEmbedder


def drawn(count: int, seed: int, labels: dict[str, str]) -> Tickets:
    """Tickets of some words of their category, under the name that a house has for it."""
    dice = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        category = list(WORDS)[number % 3]
        rows.append(
            (f"{' '.join(dice.choice(WORDS[category].split(), 3))} please {dice.integers(1_000)}", labels[category])
        )
    return Tickets(tuple(text for text, _ in rows), tuple(label for _, label in rows))


SAME = {name: name for name in WORDS}
MOVED = {"Billing": "Account", "Technical": "Technical", "Account": "Account"}  # this house means something else


def test_corrections_teach_what_this_house_means() -> None:
    start, stream, test = drawn(90, 1, SAME), drawn(600, 2, MOVED), drawn(90, 3, MOVED)
    told: list[int] = []
    embedder = WordEmbedder()
    found = dict(learning(start, stream, test, embedder, (0, 20, 60), House(), told.append))  # type: ignore[arg-type]
    assert list(found) == [0, 20, 60]
    assert found[0]["sources"] == {"seed": 90}
    assert found[60]["sources"] == {"seed": 90, "correction": 60}
    assert found[0]["knn"]["accuracy"] < 0.75 < found[60]["knn"]["accuracy"]
    assert told == sorted(told)


def test_people_who_correct_little_and_tickets_that_are_closed() -> None:
    start, stream, test = drawn(90, 1, SAME), drawn(300, 2, SAME), drawn(30, 3, SAME)
    house = House(care=0.0, trust=0.2)
    assert dict(learning(start, stream, test, WordEmbedder(), (0, 1), house)).keys() == {0}  # type: ignore[arg-type]


def test_the_rival_learns_words_and_keeps_to_the_target() -> None:
    right, accepted = linear_svm(drawn(120, 1, SAME), drawn(60, 2, SAME), 0.8)
    assert right.mean() > 0.9
    assert accepted.shape == right.shape
    nothing = drawn(120, 1, SAME)
    shuffled = tuple(np.random.default_rng(1).permutation(nothing.labels).tolist())
    right, accepted = linear_svm(Tickets(nothing.texts, shuffled), drawn(60, 2, SAME), 0.99)
    assert accepted.mean() < 0.2
