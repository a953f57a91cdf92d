"""Token buckets."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from helpdesk_daemon.outgoing.limits import Bucket, Rate, take
from tests.unit.making import NOW

RATE = Rate(burst=3, hourly=2)


def test_a_burst_is_allowed_and_no_more() -> None:
    buckets: dict[str, Bucket] = {}
    taken = []
    for _ in range(5):
        after, empty = take(buckets, {"a": RATE}, NOW)
        buckets |= after
        taken.append(empty)
    assert taken == ["", "", "", "a", "a"]


def test_tokens_flow_back() -> None:
    empty = {"a": Bucket(0, NOW)}
    assert take(empty, {"a": RATE}, NOW + timedelta(minutes=29))[1] == "a"
    assert take(empty, {"a": RATE}, NOW + timedelta(minutes=30))[1] == ""


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    after, _ = take({"a": Bucket(0, NOW)}, {"a": RATE}, NOW + timedelta(days=30))
    assert after["a"].tokens == 2


def test_a_clock_set_back_gives_nothing_and_takes_nothing() -> None:
    after, empty = take({"a": Bucket(1, NOW)}, {"a": RATE}, NOW - timedelta(hours=5))
    assert (after["a"].tokens, empty) == (0, "")


def test_with_one_scope_empty_nothing_is_taken() -> None:
    buckets = {"a": Bucket(3, NOW), "b": Bucket(0, NOW)}
    assert take(buckets, {"a": RATE, "b": RATE}, NOW) == ({}, "b")


def test_scopes_do_not_touch_each_other() -> None:
    after, empty = take({"a": Bucket(0, NOW)}, {"b": RATE}, NOW)
    assert (set(after), empty) == ({"b"}, "")


@given(st.lists(st.integers(0, 7_200), max_size=60), st.integers(1, 5), st.floats(0, 10))
def test_never_more_than_burst_and_flow(gaps: list[int], burst: int, hourly: float) -> None:
    buckets: dict[str, Bucket] = {}
    now, allowed = NOW, 0
    for gap in gaps:
        now += timedelta(seconds=gap)
        after, empty = take(buckets, {"a": Rate(burst, hourly)}, now)
        buckets |= after
        allowed += not empty
    assert allowed <= burst + sum(gaps) / 3600 * hourly + 1e-6
