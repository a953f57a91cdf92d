"""Opinions pooled, confidence calibrated, thresholds and scope from held-out examples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk_daemon.triage.confidence import fit_calibrator
from helpdesk_daemon.triage.decide import doubt_of
from helpdesk_daemon.triage.heads import Heads, MeaningHead, WordsHead, ngrams
from helpdesk_daemon.triage.judge import Judge, fit, measure_in
from helpdesk_daemon.triage.nearest import Vectors, centre_of, centred, nearest
from helpdesk_daemon.triage.pool import fit_weights, pooled
from helpdesk_daemon.triage.threshold import Curve, _steps, chance_agrees, curve_of, wilson_lower
from helpdesk_daemon.triage.vote import Neighbour, Standing, Vote

RNG = np.random.default_rng(3)


def unit(rows: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Vectors:
    found: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return found


def clouds(count: int, spread: float, seed: int = 0) -> tuple[Vectors, list[str]]:
    """Examples of three categories around three directions that have much in common."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, 3, count)
    rows = 1.0 + np.eye(3, 16)[numbers] * 2 + rng.normal(size=(count, 16)) * spread
    return unit(rows), [f"category {n}" for n in numbers]


def test_the_centre_is_what_all_share_and_few_have_none() -> None:
    vectors, _ = clouds(200, 0.3)
    centre = centre_of(vectors)
    assert centre == pytest.approx(vectors.mean(axis=0), abs=1e-6)
    assert not centre_of(vectors[:99]).any()
    moved, lengths = centred(vectors, centre)
    assert np.linalg.norm(moved, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert moved * lengths[:, None] + centre == pytest.approx(vectors, abs=1e-5)


@given(st.integers(1, 30), st.integers(60, 3000), st.integers(0, 1000))
def test_nearest_is_what_sorting_finds(k: int, rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    held = rng.integers(-3, 4, (rows, 4)).astype(np.float32)  # many ties
    asked = rng.integers(-3, 4, (3, 4)).astype(np.float32)
    found, products = nearest(asked, held, k)
    for query, near, close in zip(asked, found, products, strict=True):
        expected = np.argsort(-(held @ query), kind="stable")[:k]
        assert near.tolist() == expected.tolist()
        assert close.tolist() == (held @ query)[expected].tolist()


def test_nearest_leaves_the_example_itself_out() -> None:
    vectors, _ = clouds(300, 0.3)
    found, _ = nearest(vectors, vectors, 20, np.arange(300))
    assert not (found == np.arange(300)[:, None]).any()


def test_an_opinion_that_knows_outweighs_one_that_guesses() -> None:
    labels = RNG.integers(0, 3, 400)
    knows = np.full((400, 3), 0.1)
    knows[np.arange(400), labels] = 0.8
    guesses = RNG.dirichlet(np.ones(3), 400)
    weights = fit_weights(np.stack([guesses, knows]), labels)
    assert weights[1] > 10 * weights[0] >= 0
    assert (pooled(np.stack([guesses, knows]), weights).argmax(axis=1) == labels).mean() > 0.99


def test_an_opinion_that_misleads_is_not_heard() -> None:
    labels = RNG.integers(0, 2, 400)
    wrong = np.full((400, 2), 0.3)
    wrong[np.arange(400), 1 - labels] = 0.7
    assert fit_weights(np.stack([1 - wrong, wrong]), labels)[1] == 0


def test_pooled_shares_are_a_distribution_and_tilt_moves_them() -> None:
    opinions = RNG.dirichlet(np.ones(4), (2, 50))
    level = pooled(opinions, np.array([0.5, 0.7]))
    assert level.sum(axis=1) == pytest.approx(1.0)
    assert (pooled(opinions, np.array([0.5, 0.7]), np.array([2.0, 0, 0, 0]))[:, 0] > level[:, 0]).all()


def test_confidence_comes_true() -> None:
    logits = RNG.normal(size=4000) * 2
    right = RNG.random(4000) < 1 / (1 + np.exp(-(0.5 * logits - 0.3)))
    said = fit_calibrator(np.column_stack([logits, RNG.normal(size=4000)]), right)(np.array([[0.0, 0.0], [3.0, 0.0]]))
    assert said == pytest.approx([1 / (1 + np.exp(0.3)), 1 / (1 + np.exp(-1.2))], abs=0.04)


def test_few_labels_teach_a_temperature_only_and_stay_finite() -> None:
    signs = np.column_stack([np.full(50, 4.0), RNG.normal(size=50)])
    found = fit_calibrator(signs, np.ones(50, dtype=np.bool_))
    assert found.weights[1] == 0
    assert 0.98 < found(signs)[0] <= 0.999
    assert fit_calibrator(signs[:0], np.ones(0, dtype=np.bool_))(signs)[0] == pytest.approx(1 / (1 + np.exp(-4.0)))


def test_wilson_bound_matches_a_hand_computation() -> None:
    assert wilson_lower(np.array([30.0]), np.array([30.0]))[0] == pytest.approx(30 / (30 + 1.2815515655**2), abs=1e-6)


def test_the_threshold_is_the_smallest_that_keeps_the_target() -> None:
    confidences = np.linspace(0.999, 0.001, 999)
    right = confidences > 0.5
    threshold = curve_of(confidences, right).threshold(0.9)
    assert threshold is not None
    accepted = confidences >= threshold
    assert 0.4 < threshold < 0.5
    assert right[accepted].mean() > 0.9
    assert curve_of(confidences, right).threshold(0.99) > threshold  # type: ignore[operator]


def test_no_threshold_where_too_few_or_none_are_right() -> None:
    assert Curve((0.9,) * 29, (True,) * 29).threshold(0.5) is None
    assert Curve((0.9,) * 300, (True, False) * 150).threshold(0.6) is None
    assert Curve((0.9,) * 300, (True,) * 300).threshold(0.9) == 0.9


def test_equal_confidences_stand_or_fall_together() -> None:
    assert Curve((0.9,) * 60, (True,) * 40 + (False,) * 20).threshold(0.9) is None


def test_chance_explains_random_guesses_and_no_good_ones() -> None:
    labels = RNG.integers(0, 5, 1000)
    assert chance_agrees(RNG.integers(0, 5, 1000), labels) > 0.001
    assert chance_agrees(labels, labels) < 1e-9
    assert chance_agrees(np.zeros(1000, dtype=np.int64), labels) > 0.4


def judged(judge: Judge, vectors: Vectors, labels: list[str], asked: Vectors) -> list[Vote]:
    rows, _ = centred(vectors, judge.centre)
    queries, _ = centred(asked, judge.centre)
    found, similarities = nearest(queries, rows, 20)
    near = [
        [
            Neighbour(int(i), labels[i], float(s), "import", "", "", float(q @ vectors[i]))
            for i, s in zip(a, b, strict=True)
        ]
        for a, b, q in zip(found, similarities, asked, strict=True)
    ]
    return judge.votes(["x"] * len(asked), asked, near, {name: labels.count(name) for name in set(labels)})


def test_a_judge_of_clear_examples_is_right_sure_and_knows_strangers() -> None:
    vectors, labels = clouds(600, 0.25)
    judge = fit(vectors, labels, version="v1")
    asked, truth = clouds(100, 0.25, seed=9)
    votes = judged(judge, vectors, labels, asked)
    assert np.mean([v.category == t for v, t in zip(votes, truth, strict=True)]) > 0.97
    assert np.mean([not doubt_of(v, 0.9) for v in votes]) > 0.85
    assert votes[0].standing is not None
    assert votes[0].standing.version == "v1"
    strangers = judged(judge, vectors, labels, unit(-1 + RNG.normal(size=(20, 16)) * 0.3))
    assert all("like no example" in doubt_of(v, 0.9) for v in strangers)


def test_labels_without_sense_let_nothing_pass() -> None:
    vectors, labels = clouds(600, 0.25)
    judge = fit(vectors, [f"category {n}" for n in RNG.integers(0, 3, 600)])
    assert not judge.standing.signal
    votes = judged(judge, vectors, labels, vectors[:50])
    assert all(doubt_of(v, 0.05) for v in votes)


def test_only_what_was_labelled_here_is_held_out_once_there_is_enough() -> None:
    vectors, labels = clouds(800, 0.25)
    shipped = [f"category {n}" for n in RNG.integers(0, 3, 400)]
    own = np.arange(800) >= 400
    judge = fit(vectors, [*shipped, *labels[400:]], own=own)
    assert len(judge.standing.curve.right) <= 400
    some = fit(vectors, [*shipped, *labels[400:]], own=np.arange(800) >= 700)
    assert len(some.standing.curve.right) <= 100, "the threshold is that of this house's own labels"
    assert len(fit(vectors, labels, own=np.arange(800) >= 760).standing.curve.right) > 700, "40 are too few"


def test_corrections_alone_are_no_measure() -> None:
    assert not measure_in(["seed"] * 300 + ["correction"] * 300).any()
    assert measure_in(["seed"] * 3 + ["correction"] * 2 + ["confirmation"] * 50).tolist() == [False] * 3 + [True] * 52
    assert not measure_in(["import"] * 49).any()
    assert not measure_in(["correction"] * 51 + ["confirmation"] * 50).any(), "more was wrong than anybody found right"


def stubborn() -> Heads:
    """Heads that take every text for the first category."""
    bias = np.array([5, 0, 0], dtype=np.float32)
    return Heads(
        ("category 0", "category 1", "category 2"),
        MeaningHead(np.zeros((1, 16), np.float32), np.zeros((1, 3), np.float32), bias),
        WordsHead({"x": 0}, np.ones(1, np.float32), np.zeros((1, 3), np.float32), bias - 2),
    )


def test_the_label_of_the_same_text_decides_against_all_models() -> None:
    vectors, labels = clouds(600, 0.25)
    sure = np.eye(3)[[int(name[-1]) for name in labels]] * 0.94 + 0.02
    judge = fit(vectors, labels, stubborn(), {"meaning": sure, "words": sure})
    judge = replace(judge, weights=np.array([0.2, 1.0, 1.0]))
    number = labels.index("category 1")
    nearly = unit(vectors[number : number + 1] + 0.12 * np.random.default_rng(1).normal(size=(1, 16)))
    assert 0.8 < (nearly @ vectors.T).max() < 0.98
    assert judged(judge, vectors, labels, nearly)[0].category == "category 0"
    same = judged(judge, vectors, labels, vectors[number : number + 1])[0]
    assert same.category == "category 1"
    assert same.same
    assert doubt_of(same, 0.999) == ""
    assert [(v.name, v.category) for v in same.views] == [
        ("neighbours", "category 1"), ("meaning", "category 0"), ("words", "category 0"),
    ]  # fmt: skip


def test_a_category_that_no_model_knows_yet_can_win() -> None:
    vectors, labels = clouds(600, 0.25)
    judge = fit(vectors, labels)
    new = unit(RNG.normal(size=(1, 16)))
    vote = judged(judge, np.vstack([vectors, new]), [*labels, "category 9"], new)[0]
    assert (vote.category, vote.support, doubt_of(vote, 0.9)) == ("category 9", 1, "")
    near = unit(new + 0.1 * np.random.default_rng(1).normal(size=(1, 16)))
    vote = judged(judge, np.vstack([vectors, new]), [*labels, "category 9"], near)[0]
    assert vote.category == "category 9"
    assert doubt_of(vote, 0.9)


def test_balance_helps_the_smaller_category() -> None:
    rng = np.random.default_rng(4)
    numbers = (np.arange(1200) % 10 == 0).astype(int)
    vectors = unit(1 + np.eye(2, 16)[numbers] + rng.normal(size=(1200, 16)) * 0.6)
    labels = [f"c{n}" for n in numbers[:1000]]
    votes = [judged(fit(vectors[:1000], labels, balance=b), vectors[:1000], labels, vectors[1000:]) for b in (0.0, 1.0)]
    recall = [sum(v.category == "c1" for v in part) for part in votes]
    assert recall[1] > recall[0]


def vote(confidence: float, support: int = 100, scope: float = 0.8, standing: Standing | None = None) -> Vote:
    clear = Standing("v", Curve((0.9,) * 300 + (0.1,) * 300, (True,) * 300 + (False,) * 300), 0.3)
    return Vote("A", confidence, (("A", 1.0),), (), (), scope, support, standing or clear)


def test_doubts_are_said_in_words() -> None:
    assert doubt_of(vote(0.95), 0.9) == ""
    assert doubt_of(vote(0.5), 0.9) == "confidence 0.50 is below 0.90, from which on 90% are right"
    assert "like no example" in doubt_of(vote(0.95, scope=0.2), 0.9)
    assert "only 19 examples of A" in doubt_of(vote(0.95, support=19), 0.9)
    assert "no confidence" in doubt_of(vote(0.95), 0.999)
    assert "guesses would be as good" in doubt_of(vote(0.95, standing=Standing(signal=False)), 0.9)


def test_words_are_weighed_as_the_fit_did() -> None:
    assert ngrams("Der Drucker, I a druckt!") == ["der", "drucker", "druckt", "der drucker", "drucker druckt"]
    head = WordsHead(
        {"pay": 0, "bug": 1}, np.ones(2, np.float32), 4 * np.eye(2, dtype=np.float32), np.zeros(2, np.float32)
    )
    found = head.opinions(["pay pay", "a bug", "nothing"])
    assert found[0, 0] > 0.6
    assert found[1, 1] > 0.6
    assert found[2] == pytest.approx([0.5, 0.5])


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=0, max_size=80), st.floats(0, 1))
def test_what_a_confidence_earns_is_the_best_bound_it_reaches(
    rows: list[tuple[float, bool]], confidence: float
) -> None:
    rows = sorted(rows, key=lambda row: -row[0])
    curve = Curve(tuple(row[0] for row in rows), tuple(row[1] for row in rows))
    confidences, bounds = _steps(curve)
    met = (b for c, b in zip(confidences, bounds, strict=True) if c <= confidence)
    assert curve.earned(confidence) == max(met, default=0.0)
