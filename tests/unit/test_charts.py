"""Bars, axes, shades, and figures in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk_daemon.web import words
from helpdesk_daemon.web.board import to_list
from helpdesk_daemon.web.charts import HEIGHT, SHADES, bars, shade, top_of

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@given(st.integers(0, 10**9))
def test_an_axis_has_room_and_a_whole_middle(most: int) -> None:
    top = top_of(most)
    assert top >= most
    assert top % 2 == 0
    assert top <= max(2, 2 * most)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=40))
def test_bars_stand_on_the_floor_and_within_the_drawing(values: list[tuple[int, int]]) -> None:
    drawn = bars(("ticket", "review"), ((each, "", "", "") for each in values))
    assert drawn.is_empty == (not any(map(sum, values)))
    for counts, bar in zip(values, drawn.bars, strict=True):
        assert [piece.kind for piece in bar.pieces] == [
            k for k, n in zip(("ticket", "review"), counts, strict=True) if n
        ]
        assert all(0 <= piece.y <= HEIGHT and piece.height >= 1 for piece in bar.pieces), "even one of many is seen"
        if bar.pieces:
            assert bar.pieces[0].y + bar.pieces[0].height == pytest.approx(HEIGHT, abs=0.02)


@given(st.integers(0, 1_000), st.integers(1, 1_000))
def test_shades_tell_nothing_from_something(count: int, most: int) -> None:
    dark = shade(min(count, most), most)
    assert (dark == 0) == (count == 0)
    assert dark <= SHADES
    assert shade(most, most) in (1, SHADES) or most < SHADES


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(0, 0, "–"), (0, 9, "0 %"), (9, 9, "100 %"), (1, 10_000, "0.1 %"), (9_999, 10_000, "99.9 %"), (1, 3, "33 %"),
     (2, 500, "0.4 %")],
)  # fmt: skip
def test_shares_do_not_round_to_all_or_nothing(part: int, whole: int, said: str) -> None:
    assert words.percent(part, whole) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (3_599, "59 min"), (3_600, "1 h"), (90_000, "1 d"), (10**6, "11 d")],
)
def test_lengths_of_time_are_one_unit(seconds: int, said: str) -> None:
    at = NOON - timedelta(seconds=seconds)
    assert words.ago(at, NOON) == said
    assert words.left(NOON, at) == said


def test_counts_are_compared() -> None:
    said = [words.change(now, 200) for now in (300, 150, 200, 0)]
    assert said == ["50 % more than", "25 % fewer than", "as many as", "100 % fewer than"]


def test_links_carry_their_filters_and_nothing_else() -> None:
    assert to_list() == "/admin/tickets/"
    assert to_list(department="R&D <b>", since=NOON, until=None, sla="") == (
        "/admin/tickets/?department=R%26D+%3Cb%3E&from=2026-11-26T12:00Z"
    )
