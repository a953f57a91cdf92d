"""Read the `[calendar.NAME]` tables of routing.toml: zone, opening hours, holidays."""

from __future__ import annotations

import calendar as months
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import date
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict

from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.tickets.calendar import AROUND_THE_CLOCK, DAY, Calendar, Span

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TIME = r"([01]?\d|2[0-4]):([0-5]\d)"
HOURS = re.compile(rf"\s*{TIME}\s*-\s*{TIME}\s*")
DAY_NAMES = re.compile(rf"({'|'.join(DAYS)})(?:-({'|'.join(DAYS)}))?")
YEARLY = re.compile(r"(\d\d)-(\d\d)")
YEARS = 6  # holidays are known for last year and the years after it


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str | date) else value


Shifts = Annotated[list[str], BeforeValidator(_as_list, json_schema_input_type=str | list[str])]
Days = Annotated[list[date | str], BeforeValidator(_as_list, json_schema_input_type=date | str | list[date | str])]


class CalendarTable(BaseModel):
    """`[calendar.NAME]`."""

    model_config = ConfigDict(extra="forbid")

    zone: str
    hours: dict[str, Shifts] | None = None
    holidays: Days = []
    country: str = ""
    region: str = ""


def read_calendar(path: str, name: str, table: CalendarTable, today: date) -> Calendar:
    """A table as a value.

    Args:
        path: of the file, for complaints.
        name: of the calendar.
        table: what it says.
        today: holidays are worked out for the years around it.

    Raises:
        ConfigError: the first thing that is wrong.
    """
    key = f"calendar.{name}"
    try:
        zone = ZoneInfo(table.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        mend = 'Write it like "Europe/Berlin"; abbreviations such as CET do not say where the clocks change'
        raise ConfigError(path, f"{key}.zone", f"unknown time zone {table.zone!r}", mend) from error
    week = AROUND_THE_CLOCK if table.hours is None else _week(path, f"{key}.hours", table.hours)
    years = range(today.year - 1, today.year - 1 + YEARS)
    named = _named(path, f"{key}.holidays", table.holidays, years)
    return Calendar(name, zone, week, frozenset({*named, *_of_country(path, key, table, years)}))


def _week(path: str, key: str, hours: dict[str, list[str]]) -> tuple[tuple[Span, ...], ...]:
    """Opening hours by weekday; a shift over midnight belongs to two of them."""
    open_: list[list[Span]] = [[] for _ in DAYS]
    for days, shifts in hours.items():
        for day in _weekdays(path, f"{key}.{days}", days):
            for shift in shifts:
                opens, closes = _shift(path, f"{key}.{days}", shift)
                if closes > opens:
                    open_[day].append((opens, closes))
                else:
                    open_[day].append((opens, DAY))
                    open_[(day + 1) % 7].append((0, closes))
    week = tuple(_apart(spans) for spans in open_)
    if not any(week):
        raise ConfigError(path, key, "nothing is ever open", 'Add hours, such as mon-fri = "09:00-17:00"')
    return week


def _weekdays(path: str, key: str, words: str) -> list[int]:
    found = DAY_NAMES.fullmatch(words.lower())
    if not found:
        raise ConfigError(path, key, f"{words!r} is no weekday", f"Known: {', '.join(DAYS)}, and spans like mon-fri")
    first = DAYS.index(found[1])
    last = DAYS.index(found[2] or found[1])
    return [day % 7 for day in range(first, last + 1 if last >= first else last + 8)]


def _shift(path: str, key: str, words: str) -> Span:
    found = HOURS.fullmatch(words)
    opens, closes = (int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])) if found else (DAY, 0)
    if opens >= DAY or closes > DAY or opens == closes:
        raise ConfigError(
            path, key, f"{words!r} are no hours", 'Write them like "09:00-17:00"; "22:00-06:00" is a night'
        )
    return opens, closes


def _apart(spans: list[Span]) -> tuple[Span, ...]:
    """In order, what overlaps or touches taken together."""
    found: list[Span] = []
    for opens, closes in sorted(span for span in spans if span[0] < span[1]):
        if found and opens <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], closes))
        else:
            found.append((opens, closes))
    return tuple(found)


def _named(path: str, key: str, words: list[date | str], years: Iterable[int]) -> Iterable[date]:
    """Dates, and days of every year written as `12-24`."""
    for word in words:
        with suppress(ValueError):
            yield word if isinstance(word, date) else date.fromisoformat(word)
            continue
        assert isinstance(word, str)
        found = YEARLY.fullmatch(word)
        month, day = (int(found[1]), int(found[2])) if found else (0, 0)
        if not (1 <= month <= 12 and 1 <= day <= months.monthrange(2024, month)[1]):
            raise ConfigError(path, key, f"{word!r} is no date", 'Write 2026-12-24, or "12-24" for every year')
        yield from (date(year, month, day) for year in years if day <= months.monthrange(year, month)[1])


def _of_country(path: str, key: str, table: CalendarTable, years: Iterable[int]) -> Iterable[date]:
    """Public holidays of a country, and of a region of it."""
    if not table.country:
        if table.region:
            raise ConfigError(path, f"{key}.region", "a region without a country", 'Add country = "DE" or the like')
        return ()
    import holidays

    known = holidays.list_supported_countries(include_aliases=False)
    country = table.country.upper()
    if country not in known:
        mend = 'Write its two letters, such as "DE" (ISO 3166); or leave it out and list the dates in holidays'
        raise ConfigError(path, f"{key}.country", f"no holidays are known of {table.country!r}", mend)
    if table.region and table.region not in known[country]:
        mend = f"Known: {', '.join(known[country])}" if known[country] else "Leave it out: none are known there"
        raise ConfigError(path, f"{key}.region", f"unknown region {table.region!r} of {country}", mend)
    return holidays.country_holidays(country, subdiv=table.region or None, years=years)
