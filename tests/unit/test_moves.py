"""What orders make of a promise: other hours, in the calendar of whoever has the ticket then."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from helpdesk_daemon.adapters.rules.file import load_routing
from helpdesk_daemon.stages import moves
from helpdesk_daemon.tickets.ticket import Priority, State, Ticket
from helpdesk_daemon.triage.rules import Routing
from tests.unit.making import message, ticket
from tests.unit.test_calendar_tables import routing_file

FRIDAY = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)  # half an hour before it closes
OFFICE = """
[calendar.office]
zone = "Europe/Berlin"
hours = { mon-fri = "09:00-17:00" }
[priority.High]
sla_hours = 1
"""


@pytest.fixture
def routing(tmp_path: Path) -> Routing:
    return load_routing(routing_file(tmp_path, OFFICE, **{"department.Engineering": 'calendar = "office"'}))


def opened(**changes: object) -> Ticket:
    given = {"state": State.OPEN, "created_at": FRIDAY, "department": "Billing Team", "category": "Billing"} | changes
    return replace(ticket(), **given)  # type: ignore[arg-type]


def test_another_category_is_due_in_its_departments_calendar(routing: Routing) -> None:
    moved = moves.correct(moves.begin(opened(), "ann"), "Bug", message(), routing)
    assert moved.change.due_at == datetime(2026, 11, 23, 15, 30, tzinfo=UTC)  # 8 hours: half an hour and Monday
    assert moved.change.zone == "Europe/Berlin"


@pytest.mark.parametrize(
    ("department", "category", "due"),
    [
        ("Billing Team", "Billing", datetime(2026, 11, 20, 16, 30, tzinfo=UTC)),
        ("Engineering", "Bug", datetime(2026, 11, 23, 8, 30, tzinfo=UTC)),
    ],
)
def test_another_priority_brings_the_hours_that_the_rules_give_it(
    routing: Routing, department: str, category: str, due: datetime
) -> None:
    before = opened(department=department, category=category, priority=Priority.LOW)
    change = moves.prioritise(moves.begin(before, "ann"), Priority.HIGH, routing).change
    assert (change.sla_hours, change.due_at) == (1, due)


def test_without_such_hours_the_promise_stays(routing: Routing) -> None:
    before = opened(priority=Priority.HIGH)
    change = moves.prioritise(moves.begin(before, "ann"), Priority.LOW, routing).change
    assert (change.priority, change.sla_hours, change.due_at) == (Priority.LOW, None, None)
