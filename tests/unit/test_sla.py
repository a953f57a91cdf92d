"""When an answer is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk_daemon.tickets.sla import due_at

RECEIVED = datetime(2026, 5, 4, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "due"),
    [
        (4, datetime(2026, 5, 5, 2, 30, tzinfo=UTC)),
        (24, datetime(2026, 5, 5, 22, 30, tzinfo=UTC)),
        (0.5, datetime(2026, 5, 4, 23, 0, tzinfo=UTC)),
        (0, RECEIVED),
    ],
)
def test_hours_count_around_the_clock(hours: float, due: datetime) -> None:
    assert due_at(RECEIVED, hours) == due


@given(st.floats(0, 10_000))
def test_the_due_time_is_aware_and_never_before_receipt(hours: float) -> None:
    due = due_at(RECEIVED, hours)
    assert due.tzinfo is UTC
    assert timedelta() <= due - RECEIVED <= timedelta(hours=hours, seconds=1)
