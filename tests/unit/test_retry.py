"""When a deferred mail is tried again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk_daemon.outgoing.retry import FIRST, GIVE_UP, LONGEST, delay, seconds


@pytest.mark.parametrize(("attempts", "expected"), [(1, FIRST), (2, 2 * FIRST), (3, 4 * FIRST), (8, LONGEST)])
def test_waits_double_up_to_a_bound(attempts: int, expected: timedelta) -> None:
    assert delay(attempts, 0.5) == expected


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_every_wait_is_positive_and_bounded(attempts: int, jitter: float) -> None:
    assert FIRST * 0.75 <= delay(attempts, jitter) <= LONGEST * 1.25


@given(st.integers(1, 40))
def test_waits_never_shrink_with_attempts(attempts: int) -> None:
    assert delay(attempts, 0.5) <= delay(attempts + 1, 0.5)


def test_jitter_spreads() -> None:
    assert delay(1, 0) == FIRST * 0.75
    assert delay(1, 1) == FIRST * 1.25


def test_a_servers_wish_is_bounded() -> None:
    assert seconds(90) == timedelta(seconds=90)
    assert seconds(10**7) == LONGEST


def test_mail_is_tried_for_four_days() -> None:
    assert timedelta(days=4) <= GIVE_UP <= timedelta(days=5)
