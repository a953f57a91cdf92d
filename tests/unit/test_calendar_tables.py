"""Calendars as operators write them, and which one holds for a ticket."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from helpdesk_daemon.adapters.rules.calendars import CalendarTable, read_calendar
from helpdesk_daemon.adapters.rules.file import load_routing
from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.tickets.calendar import ALWAYS, AROUND_THE_CLOCK, DAY
from helpdesk_daemon.tickets.ticket import Priority
from helpdesk_daemon.tomlfile import check, load_toml
from helpdesk_daemon.triage.terms import calendar_of, terms
from helpdesk_daemon.wiring.places import shipped
from tests.unit.making import SUPPORT

TODAY = date(2026, 11, 26)
OFFICE = """
[calendar.office]
zone = "Europe/Berlin"
hours = { mon-thu = ["09:00-12:30", "13:00-17:00"], fri = "09:00-15:00", sat = "22:00-06:00" }
holidays = [2026-12-24, "12-31", "2027-01-02"]
country = "de"
region = "BY"
"""


def table(tmp_path: Path, text: str) -> CalendarTable:
    path = tmp_path / "calendar.toml"
    path.write_text(text)
    return check(path, CalendarTable, load_toml(path)["calendar"]["office"])


def routing_file(tmp_path: Path, text: str = "", **replaced: str) -> Path:
    """The shipped rules with more tables, and words in them replaced."""
    rules = shipped("rules/routing.toml").read_text()
    for old, new in replaced.items():
        rules = rules.replace(f"[{old}]\n", f"[{old}]\n{new}\n")
    path = tmp_path / "routing.toml"
    path.write_text(rules + text)
    return path


def test_a_table_becomes_a_calendar(tmp_path: Path) -> None:
    calendar = read_calendar("x", "office", table(tmp_path, OFFICE), TODAY)
    weekday = ((9 * 60, 12 * 60 + 30), (13 * 60, 17 * 60))
    assert calendar.week == (*(weekday,) * 4, ((9 * 60, 15 * 60),), ((22 * 60, DAY),), ((0, 6 * 60),))
    assert str(calendar.zone) == "Europe/Berlin"
    assert {date(2026, 12, 24), date(2025, 12, 31), date(2030, 12, 31), date(2027, 1, 2)} <= calendar.holidays
    assert {date(2026, 1, 6), date(2026, 12, 25), date(2027, 3, 26)} <= calendar.holidays  # Epiphany is Bavarian
    assert date(2026, 11, 26) not in calendar.holidays


def test_without_hours_it_is_open_around_the_clock(tmp_path: Path) -> None:
    calendar = read_calendar("x", "office", table(tmp_path, '[calendar.office]\nzone = "Asia/Tokyo"'), TODAY)
    assert calendar.week == AROUND_THE_CLOCK
    assert calendar.is_always_open


def test_shifts_that_overlap_are_one_and_a_week_may_begin_on_any_day(tmp_path: Path) -> None:
    hours = 'hours = { sat-mon = ["08:00-12:00", "11:00-14:00", "14:00-15:00"], sun = "00:00-24:00" }'
    calendar = read_calendar("x", "office", table(tmp_path, f'[calendar.office]\nzone = "UTC"\n{hours}'), TODAY)
    day = ((8 * 60, 15 * 60),)
    assert calendar.week == (day, (), (), (), (), day, ((0, DAY),))


@pytest.mark.parametrize(
    ("line", "key", "words"),
    [
        ('zone = "CEST"', "zone", "Europe/Berlin"),
        ('zone = "../etc/passwd"', "zone", "Europe/Berlin"),
        ('hours = { monday = "09:00-17:00" }', "hours.monday", "mon, tue"),
        ('hours = { mon = "9-17" }', "hours.mon", "09:00-17:00"),
        ('hours = { mon = "09:00-25:00" }', "hours.mon", "09:00-17:00"),
        ('hours = { mon = "24:00-06:00" }', "hours.mon", "09:00-17:00"),
        ('hours = { mon = "09:00-09:00" }', "hours.mon", "09:00-17:00"),
        ("hours = { }", "hours", "mon-fri"),
        ('holidays = ["02-30"]', "holidays", "2026-12-24"),
        ('holidays = ["christmas"]', "holidays", "2026-12-24"),
        ('country = "Narnia"', "country", "DE"),
        ('country = "DE"\nregion = "XX"', "region", "BY"),
        ('region = "BY"', "region", "country"),
    ],
)
def test_what_is_wrong_is_said_with_key_and_mend(tmp_path: Path, line: str, key: str, words: str) -> None:
    text = f"[calendar.office]\n{line}" if line.startswith("zone") else f'[calendar.office]\nzone = "UTC"\n{line}'
    with pytest.raises(ConfigError) as caught:
        read_calendar("routing.toml", "office", table(tmp_path, text), TODAY)
    assert caught.value.key == f"calendar.office.{key}"
    assert words in caught.value.mend


def test_a_category_says_more_than_its_department(tmp_path: Path) -> None:
    more = '[calendar.night]\nzone = "UTC"\nhours = { mon-sun = "22:00-06:00" }\n[priority.High]\nsla_hours = 1\n'
    path = routing_file(
        tmp_path, OFFICE + more,
        **{'department."Billing Team"': 'calendar = "office"\nescalation = "Boss@desk.example"\nresolution_hours = 40',
           "category.Billing": 'calendar = "night"'},
    )  # fmt: skip
    routing = load_routing(path)
    asked = terms(routing, "Billing", "Billing Team", False)
    assert asked.calendar
    assert (asked.calendar.name, asked.resolution_hours, asked.escalation) == ("night", 40, ("boss@desk.example",))
    assert routing.priorities == {Priority.HIGH: 1}
    # Sent to another department by a rule, or to be sorted by a person: the category's table does not hold.
    assert calendar_of(routing, "Technical", "Billing Team", False).name == "office"
    assert calendar_of(routing, "Billing", "General Support", True) is ALWAYS
    assert calendar_of(routing, "Billing", "a department that is gone", False) is ALWAYS


@pytest.mark.parametrize(
    ("place", "line", "key", "words"),
    [
        ("category.Billing", 'calendar = "ofice"', "category.Billing.calendar", "[calendar.ofice]"),
        ("triage", f'escalation = ["{SUPPORT}"]', "triage.escalation", "people read"),
        ("category.Billing", 'escalation = "Support+x@helpdesk.example"', "category.Billing.escalation", "people read"),
        ("department.Engineering", 'escalation = "nobody"', "department.Engineering.escalation.1", "pattern"),
        ("category.Billing", 'calendar = "rare"', "category.Billing.sla_hours", "only while the calendar is open"),
        ("category.Billing", "resolution_hours = 0", "category.Billing.resolution_hours", "greater than 0"),
    ],
)
def test_a_promise_that_cannot_be_kept_is_refused(tmp_path: Path, place: str, line: str, key: str, words: str) -> None:
    rare = '[calendar.rare]\nzone = "UTC"\nhours = { sun = "00:00-00:10" }\n'
    with pytest.raises(ConfigError) as caught:
        load_routing(routing_file(tmp_path, rare, **{place: line}), frozenset({SUPPORT}))
    assert caught.value.key == key
    assert words in caught.value.mend
