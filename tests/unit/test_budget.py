"""The budget of outgoing mail by the minute."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from helpdesk_daemon.outgoing.limits import pace
from helpdesk_daemon.outgoing.message import Kind
from helpdesk_daemon.ports import Due
from helpdesk_daemon.stages.budget import Budget
from tests.unit.making import NOW


def row(number: int, kind: Kind = Kind.FORWARD) -> Due:
    return Due(number, kind, "", "", "a@x.example", f"<{number}@x>", b"", 0, NOW)


def test_without_a_bound_all_leave() -> None:
    rows = [row(n) for n in range(500)]
    budget = Budget(pace(0))
    assert budget.grant(rows, NOW) == rows
    assert budget.wait(NOW) == 0


def test_a_burst_leaves_and_the_rest_waits_its_turn() -> None:
    budget = Budget(pace(60))
    assert [r.id for r in budget.grant([row(n) for n in range(20)], NOW)] == [0, 1, 2, 3, 4, 5]
    seconds = budget.wait(NOW)
    assert 0 < seconds < 2
    assert budget.grant([row(7)], NOW + timedelta(seconds=seconds * 0.9)) == []
    assert budget.grant([row(7)], NOW + timedelta(seconds=seconds + 0.01)) == [row(7)]


def test_an_alert_never_waits_but_counts() -> None:
    budget = Budget(pace(10))
    assert budget.grant([row(1), row(2), row(3, Kind.ALERT)], NOW) == [row(1), row(3, Kind.ALERT)]
    budget = Budget(pace(10))
    assert budget.grant([row(1, Kind.ALERT), row(2)], NOW) == [row(1, Kind.ALERT)]


@given(st.integers(1, 300), st.lists(st.floats(0, 20), max_size=40))
def test_no_minute_sees_more_than_allowed(per_minute: int, gaps: list[float]) -> None:
    budget, now, sent = Budget(pace(per_minute)), NOW, []
    for gap in gaps:
        now += timedelta(seconds=gap)
        sent += [now] * len(budget.grant([row(n) for n in range(50)], now))
    for start in sent:
        assert sum(start <= at < start + timedelta(minutes=1) for at in sent) <= max(per_minute, 2)
