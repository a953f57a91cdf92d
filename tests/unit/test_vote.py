"""The vote of the nearest examples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk_daemon.triage.vote import vote_shares


def shares(*near: tuple[int, float], categories: int = 4) -> list[float]:
    """Shares after a vote of (category, similarity) in any order."""
    ranked = sorted(near, key=lambda n: -n[1])
    labels = np.array([[label for label, _ in ranked]])
    return list(vote_shares([[s for _, s in ranked]], labels, categories)[0])


def test_one_voice_has_all() -> None:
    assert shares((2, 0.3)) == [0, 0, 1, 0]


def test_weights_fall_with_similarity() -> None:
    share = 1 / (1 + math.exp(-1))
    assert shares((0, 0.9), (1, 0.8)) == pytest.approx([share, 1 - share, 0, 0])


def test_many_close_ones_outvote_the_nearest() -> None:
    found = shares((0, 0.90), *((1, 0.88) for _ in range(5)))
    assert found[1] > found[0]


def test_one_near_outvotes_many_far_ones() -> None:
    found = shares((0, 0.9), *((1, 0.3) for _ in range(19)))
    assert found[0] > found[1]


def test_a_place_that_nobody_fills_has_no_voice() -> None:
    found = vote_shares([[0.9, -math.inf]], np.array([[1, 0]]), 2)
    assert found.tolist() == [[0.0, 1.0]]


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-1, 1)), min_size=1, max_size=30))
def test_shares_are_a_distribution_over_those_who_vote(near: list[tuple[int, float]]) -> None:
    found = shares(*near)
    assert sum(found) == pytest.approx(1.0)
    assert {i for i, share in enumerate(found) if share > 0} == {label for label, _ in near}
