"""The vote of the nearest examples."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk_daemon.triage.vote import vote
from tests.unit.making import neighbour


def test_nobody_votes() -> None:
    found = vote([])
    assert (found.category, found.confidence, found.shares, found.neighbours) == ("", 0.0, (), ())


def test_one_voice_is_sure() -> None:
    assert vote([neighbour("Billing", 0.3)]).confidence == 1.0


def test_weights_fall_with_similarity() -> None:
    found = vote([neighbour("A", 0.9), neighbour("B", 0.8)], temperature=0.1)
    share = 1 / (1 + math.exp(-1))
    assert found.category == "A"
    assert found.confidence == pytest.approx(share)
    assert dict(found.shares)["B"] == pytest.approx(1 - share)


def test_many_close_ones_outvote_the_nearest() -> None:
    found = vote([neighbour("A", 0.90), *(neighbour("B", 0.88, number=n) for n in range(5))])
    assert found.category == "B"


def test_one_near_outvotes_many_far_ones() -> None:
    assert vote([neighbour("A", 0.9), *(neighbour("B", 0.3, number=n) for n in range(19))]).category == "A"


def test_a_tie_goes_to_the_nearer() -> None:
    assert vote([neighbour("B", 0.5), neighbour("A", 0.5)]).category == "B"
    assert vote([neighbour("A", 0.5), neighbour("B", 0.5)]).category == "A"


def test_neighbours_are_nearest_first() -> None:
    found = vote([neighbour("A", 0.1), neighbour("B", 0.9), neighbour("A", 0.5)])
    assert [n.similarity for n in found.neighbours] == [0.9, 0.5, 0.1]


@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.floats(-1, 1)), min_size=1, max_size=30))
def test_shares_are_a_distribution_and_the_winner_leads(ranked: list[tuple[str, float]]) -> None:
    found = vote([neighbour(category, similarity) for category, similarity in ranked])
    shares = [share for _, share in found.shares]
    assert sum(shares) == pytest.approx(1.0)
    assert shares == sorted(shares, reverse=True)
    assert (found.category, found.confidence) == found.shares[0]
    assert {category for category, _ in found.shares} == {category for category, _ in ranked}
