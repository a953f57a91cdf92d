"""What every vector index does; the exact one is the measure of all others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from helpdesk_daemon.adapters.index.exact import ExactIndex
from helpdesk_daemon.adapters.index.guarded import NOT_CHECKED
from helpdesk_daemon.ports import Example, VectorIndex
from helpdesk_daemon.triage.vote import Vectors
from tests.harness.endee import EndeeServer
from tests.harness.endee_index import genuine, synced

GENUINE = os.environ.get("HELPDESK_TEST_ENDEE_URL", "")
KINDS = ["exact", "endee v1", "endee v2", *(["genuine endee"] if GENUINE else [])]


@pytest.fixture(params=KINDS)
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorIndex]:
    if request.param == "exact":
        yield ExactIndex()
    elif request.param == "genuine endee":
        with genuine(tmp_path, GENUINE) as index:
            yield index
            assert index.trouble in ("", NOT_CHECKED), "all that was asked was answered by the server"
    else:
        with EndeeServer(int(request.param[-1])) as server, synced(tmp_path, server.url, server.token) as index:
            yield index
            assert index.trouble in ("", NOT_CHECKED), "all that was asked was answered by the server"


def test_the_answers_of_this_suite_come_from_the_server(tmp_path: Path) -> None:
    with EndeeServer() as server, synced(tmp_path, server.url, server.token) as index:
        fill(index, SPREAD)
        index.search(SPREAD, 3)
        assert index.answered == 5


def vectors(*rows: tuple[float, ...]) -> Vectors:
    found = np.array(rows, dtype=np.float32).reshape(len(rows), -1)
    lengths: Vectors = np.linalg.norm(found, axis=1, keepdims=True).astype(np.float32)
    unit: Vectors = found / lengths
    return unit


def examples(count: int, first: int = 1) -> list[Example]:
    return [Example(n, f"text {n}", f"category {n % 3}", "seed", "") for n in range(first, first + count)]


def fill(index: VectorIndex, found: Vectors, first: int = 1) -> None:
    index.replace(examples(len(found), first), found)


SPREAD = vectors((1, 0, 0), (0.9, 0.4, 0), (0, 1, 0), (-1, 0, 0), (0.5, 0.5, 0.7))


def test_the_nearest_comes_first(index: VectorIndex) -> None:
    fill(index, SPREAD)
    (found,) = index.search(vectors((1, 0.1, 0)), 5)
    assert [n.example for n in found] == [1, 2, 5, 3, 4]
    similarities = [n.similarity for n in found]
    assert similarities == sorted(similarities, reverse=True)
    assert similarities == pytest.approx([float(SPREAD[n.example - 1] @ vectors((1, 0.1, 0))[0]) for n in found])


def test_a_neighbour_says_what_the_example_said(index: VectorIndex) -> None:
    index.replace([Example(7, "the printer is on fire", "Technical", "correction", "HD-0AH7HMK7")], vectors((1, 0)))
    ((near,),) = index.search(vectors((1, 0)), 1)
    assert (near.example, near.text, near.category) == (7, "the printer is on fire", "Technical")
    assert (near.source, near.ticket) == ("correction", "HD-0AH7HMK7")
    assert near.similarity == pytest.approx(1.0)


def test_k_bounds_what_is_found(index: VectorIndex) -> None:
    fill(index, SPREAD)
    for k in (1, 2, 4, 5):
        assert len(index.search(vectors((0, 1, 0)), k)[0]) == k


def test_fewer_examples_than_k_are_all_found(index: VectorIndex) -> None:
    fill(index, SPREAD)
    assert [len(row) for row in index.search(SPREAD, 50)] == [5] * 5


def test_an_empty_index_finds_nothing_for_every_query(index: VectorIndex) -> None:
    assert index.search(SPREAD, 3) == [[], [], [], [], []]
    assert index.count() == 0


def test_no_queries_find_nothing(index: VectorIndex) -> None:
    none = np.zeros((0, 3), dtype=np.float32)
    assert index.search(none, 3) == []
    fill(index, SPREAD)
    assert index.search(none, 3) == []


def test_replace_holds_exactly_the_new_examples(index: VectorIndex) -> None:
    fill(index, SPREAD)
    assert index.count() == 5
    fill(index, vectors((0, 1), (1, 0)), first=90)
    assert index.count() == 2
    assert [n.example for n in index.search(vectors((1, 0)), 9)[0]] == [91, 90]
    index.replace([], np.zeros((0, 2), dtype=np.float32))
    assert index.count() == 0
    assert index.search(vectors((1, 0)), 9) == [[]]


def test_a_list_the_caller_empties_afterwards_changes_no_answer(index: VectorIndex) -> None:
    rows = examples(5)
    index.replace(rows, SPREAD)
    rows.clear()
    assert index.search(vectors((1, 0, 0)), 1)[0][0].example == 1
    assert index.count() == 5


def test_examples_without_their_vectors_are_refused_and_change_nothing(index: VectorIndex) -> None:
    fill(index, SPREAD)
    with pytest.raises(ValueError, match="3"):
        index.replace(examples(3), SPREAD)
    assert index.count() == 5


def test_of_equally_near_examples_the_first_wins_also_at_the_edge(index: VectorIndex) -> None:
    fill(index, vectors(*[(0, 1)] * 40, *[(1, 0)] * 40))
    for k in (1, 3, 20, 39):
        (found,) = index.search(vectors((1, 0)), k)
        assert [n.example for n in found] == list(range(41, 41 + k))


# Unit vectors whose products are exact in float32, so that order and ties can be compared to the bit.
EXACT = st.sampled_from(
    [tuple(float(s * (i == j)) for i in range(4)) for j in range(4) for s in (1, -1)]
    + [(0.5 * a, 0.5 * b, 0.5 * c, 0.5 * d) for a in (1, -1) for b in (1, -1) for c in (1, -1) for d in (1, -1)]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(EXACT, min_size=1, max_size=40), st.lists(EXACT, min_size=1, max_size=6), st.integers(1, 45))
def test_search_equals_a_naive_computation(
    held: list[tuple[float, ...]], asked: list[tuple[float, ...]], k: int
) -> None:
    index = ExactIndex()
    fill(index, vectors(*held))
    for query, found in zip(asked, index.search(vectors(*asked), k), strict=True):
        products = [(-sum(a * b for a, b in zip(query, row, strict=True)), n) for n, row in enumerate(held, 1)]
        assert [(-n.similarity, n.example) for n in found] == sorted(products)[:k]


unit = arrays.arrays(np.float64, (30, 8), elements=st.floats(-1, 1, width=32)).map(
    lambda a: (a + 1e-3 * np.eye(30, 8)) / np.linalg.norm(a + 1e-3 * np.eye(30, 8) + 1e-9, axis=1, keepdims=True)
)


@settings(max_examples=50, deadline=None)
@given(unit, st.integers(1, 30))
def test_similarities_of_any_vectors_are_the_greatest_ones(found: np.ndarray[tuple[int, int]], k: int) -> None:
    held: Vectors = found.astype(np.float32)
    index = ExactIndex()
    fill(index, held)
    for row, near in zip(held, index.search(held[:5], k), strict=False):
        expected = np.sort(held.astype(np.float64) @ row.astype(np.float64))[::-1][:k]
        assert np.allclose([n.similarity for n in near], expected, atol=1e-5)


def test_an_answer_does_not_depend_on_the_batch_it_was_asked_in(index: VectorIndex) -> None:
    rng = np.random.default_rng(7)
    held = rng.normal(size=(200, 384)).astype(np.float32)
    held /= np.linalg.norm(held, axis=1, keepdims=True)
    fill(index, held)
    together = index.search(held[:16], 20)
    for position in range(16):
        (alone,) = index.search(held[position : position + 1], 20)
        assert [n.example for n in alone] == [n.example for n in together[position]]


def test_update_adds_relabels_and_forgets(index: VectorIndex) -> None:
    fill(index, SPREAD)
    relabelled = Example(1, "text 1", "Billing", "correction", "HD-0AH7HMK7")
    index.update([relabelled, Example(9, "new", "Bug", "import")], vectors((1, 0, 0), (1, 0.1, 0)), [2, 77])
    assert index.count() == 5
    found = {n.example: n for n in index.search(vectors((1, 0, 0)), 9)[0]}
    assert set(found) == {1, 3, 4, 5, 9}
    assert (found[1].category, found[1].source) == ("Billing", "correction")
    index.update([], np.zeros((0, 3), dtype=np.float32), [1, 3, 4, 5, 9])
    assert (index.count(), index.search(SPREAD[:1], 3)) == (0, [[]])


def test_update_fills_an_index_that_never_held_anything(index: VectorIndex) -> None:
    index.update(examples(2), vectors((1, 0), (0, 1)), [])
    assert [n.example for n in index.search(vectors((0, 1)), 1)[0]] == [2]


def test_a_centre_is_subtracted_where_it_is_taken_and_the_cosine_stays_what_it_was(index: VectorIndex) -> None:
    rng = np.random.default_rng(5)
    held = vectors(*(1 + rng.normal(size=(300, 12))).tolist())
    asked = vectors(*(1 + rng.normal(size=(4, 12))).tolist())
    centre = held.mean(axis=0) if index.takes_centre else np.zeros(12, dtype=np.float32)
    index.replace(examples(200), held[:200], centre)
    index.update(examples(100, 201), held[200:], [])
    moved, asked_moved = held - centre, asked - centre
    expected = (asked_moved @ moved.T) / np.outer(np.linalg.norm(asked_moved, axis=1), np.linalg.norm(moved, axis=1))
    for row, query, near in zip(expected, asked, index.search(asked, 20), strict=True):
        assert [n.example for n in near] == (np.argsort(-row)[:20] + 1).tolist()
        assert [n.similarity for n in near] == pytest.approx(np.sort(row)[::-1][:20], abs=1e-5)
        assert [n.cosine for n in near] == pytest.approx([float(held[n.example - 1] @ query) for n in near], abs=1e-5)
