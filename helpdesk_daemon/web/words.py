"""Figures and moments in words, as the dashboard says them."""

from __future__ import annotations

from datetime import datetime

UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def number(value: float) -> str:
    """A number as people read it: 12,345."""
    return f"{value:,.0f}"


def plural(count: int, word: str = "ticket") -> str:
    """A number of something."""
    return f"{number(count)} {word}{'' if count == 1 else 's'}"


def percent(part: int, whole: int) -> str:
    """A share, `–` of nothing; 0 and 100 % only where it is nothing or all."""
    if not whole:
        return "–"
    share = 100 * part / whole
    if not 0 < part < whole or 0.5 <= share < 99.5:
        return f"{share:.0f} %"
    return f"{min(max(share, 0.1), 99.9):.1f} %"


def change(now: int, before: int) -> str:
    """How a count compares with one before it that was not 0."""
    percents = round(100 * (now - before) / before)
    return f"{abs(percents):,} % {'more' if percents > 0 else 'fewer'} than" if percents else "as many as"


def ago(at: datetime, now: datetime) -> str:
    """How long something has lasted, in one unit: 5 s, 12 min, 3 h, 2 d."""
    seconds = max(0, int((now - at).total_seconds()))
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= size), (1, "s"))
    return f"{seconds // size} {unit}"


def left(at: datetime, now: datetime) -> str:
    """How long until a moment."""
    return ago(now, at)


def day(at: datetime) -> str:
    """A day: Thu 26 Nov."""
    return f"{at:%a} {at.day} {at:%b}"


def short_day(at: datetime) -> str:
    """A day of the last week: Thu 26."""
    return f"{at:%a} {at.day}"


def hours(since: datetime, until: datetime) -> str:
    """An hour of a day: 08:00 to 09:00."""
    return f"{since:%H:%M} to {until:%H:%M}"


FILTERS = {"number": number, "plural": plural, "ago": ago, "left": left, "day": day}
