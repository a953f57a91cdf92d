"""The dashboard as its templates want it: figures in words, charts, and a link to the tickets behind each number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from helpdesk_daemon.ports.dashboard import BANDS, SOON, Count, Group, Picture
from helpdesk_daemon.ports.watching import Accuracy
from helpdesk_daemon.web.charts import Bars, bars, shade

SPANS = {1: "Today", 7: "7 days", 30: "30 days"}
PARTS = ("stamp", "alerts", "tiles", "volume", "departments", "categories", "due", "promises", "confidence", "accuracy", "crowds", "week",
         "queue", "mailboxes")  # fmt: skip
LIST = "/admin/tickets/"
NEED_A_PERSON = ("failed", "ambiguous", "held")
ON_THE_WAY = ("pending", "sending", "deferred")
DAY = timedelta(days=1)
SOON_HOURS = round(SOON.total_seconds() / 3600)


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure at the top.

    Attributes:
        name: what it counts.
        value: the figure.
        href: what is behind it, empty where nothing is.
        note: one line below.
        tone: `bad` or `warm` where somebody should look, else empty.
    """

    name: str
    value: str
    href: str = ""
    note: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """An hour of the last days: how many tickets, how dark, its tickets."""

    count: int
    shade: int
    href: str
    words: str


def to_list(**filters: Any) -> str:
    """The list of tickets that a number counts.

    Args:
        filters: of the list; moments are written so that no two readings are possible, None and empty ones left out.
    """
    words = {
        name.rstrip("_"): value.strftime("%Y-%m-%dT%H:%MZ") if isinstance(value, datetime) else str(value)
        for name, value in filters.items()
        if value not in (None, "")
    }
    return f"{LIST}?{urlencode(words, safe=':')}" if words else LIST


def view(picture: Picture, accuracy: Accuracy) -> dict[str, Any]:
    """Everything the templates of the dashboard show."""
    span = {"from_": picture.since}
    return {
        "p": picture, "a": accuracy, "days": picture.days, "span": SPANS[picture.days], "spans": SPANS, "tiles": tiles(picture),
        "volume": volume(picture), "promises": promises(picture), "confidence": confidence(picture),
        "week": week(picture), "most_in_hour": max(max(day) for day in picture.week),
        "departments": [_group(group, "department", span) for group in picture.departments],
        "categories": [_group(group, "category", span) for group in picture.categories],
        "most": max((g.tickets for g in picture.departments), default=0),
        "most_of_category": max((g.tickets for g in picture.categories), default=0),
        "ended": [count for count in picture.counts if count.kept or count.missed], "bands": bands(picture),
        "stuck": [(state, picture.outbox[state]) for state in NEED_A_PERSON],
        "on_the_way": sum(picture.outbox[state] for state in ON_THE_WAY),
        "undecided": picture.arrivals["pending"] + picture.arrivals["claimed"],
        "to_list": to_list,
    }  # fmt: skip


def number(value: float) -> str:
    """A number as people read it: 12,345."""
    return f"{value:,.0f}"


def percent(part: int, whole: int) -> str:
    """A share, `–` of nothing; 100 % and 0 % only where it is all or nothing."""
    if not whole:
        return "–"
    share = 100 * part / whole
    shown = min(max(round(share, 1), 0.1), 99.9) if 0 < part < whole and not 0.5 <= share < 99.5 else round(share)
    return f"{shown:g} %"


def change(now: int, before: int) -> str:
    """How a count compares with the one before it, in words; empty when there was none."""
    if not before:
        return ""
    percents = round(100 * (now - before) / before)
    return "as many as" if not percents else f"{abs(percents):,} % {'more' if percents > 0 else 'fewer'} than"


def ago(at: datetime | None, now: datetime) -> str:
    """How long something has lasted: 5 s, 12 min, 3 h, 2 d."""
    if at is None:
        return ""
    seconds = max(0, int((now - at).total_seconds()))
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * unit or (unit == 60 and seconds >= unit):
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def left(at: datetime, now: datetime) -> str:
    """How long until a moment."""
    return ago(now - (at - now), now)


def tiles(p: Picture) -> list[Tile]:
    """The figures at the top."""
    total, review = sum(c.tickets for c in p.counts), sum(c.review for c in p.counts)
    kept, missed = sum(c.kept for c in p.counts), sum(c.missed for c in p.counts)
    soon, overdue = sum(g.soon for g in p.departments), sum(g.overdue for g in p.departments)
    before = "yesterday by this hour" if p.days == 1 else f"the {p.days} days before"
    compared = change(total, p.before[0])
    doubted, decided = sum(p.doubted), sum(p.sure) + sum(p.doubted)
    return [
        Tile("New tickets", number(total), to_list(from_=p.since), f"{compared or 'none'} {before}"),
        Tile("To review", number(p.reviewing), "/admin/review/", f"{percent(doubted, decided)} of decisions doubted",
             "warm" if p.reviewing else ""),
        Tile("Due soon", number(soon), to_list(sla="soon"), f"unanswered, within {SOON_HOURS} hours",
             "warm" if soon else ""),
        Tile("Overdue", number(overdue), to_list(sla="overdue"), "unanswered, past the promise",
             "bad" if overdue else ""),
        Tile("Answered in time", percent(kept, kept + missed), to_list(from_=p.since, sla="missed" if missed else "kept"),
             f"{number(missed)} late of {number(kept + missed)}" if kept + missed else "no promise ended yet"),
        Tile("Corrections", number(p.corrections), "/admin/audit/?event=ticket.corrected",
             f"{percent(p.corrections, decided)} of decisions" if decided else "by people"),
    ]  # fmt: skip


def _when(count: Count, hourly: bool) -> str:
    return count.since.strftime("%H:00 to ") + count.until.strftime("%H:00") if hourly else day_name(count.since)


def day_name(at: datetime) -> str:
    """A day as people read it: Thu 26 Nov."""
    return f"{at:%a} {at.day} {at:%b}"


def _plural(count: int, word: str = "ticket") -> str:
    return f"{number(count)} {word}{'' if count == 1 else 's'}"


def short_day(at: datetime) -> str:
    """A day of the last week: Thu 26."""
    return f"{at:%a} {at.day}"


def _ticks(counts: Sequence[Count]) -> list[str]:
    """Labels of some bars of an axis of time."""
    if len(counts) == 24:
        return [f"{c.since:%H}" if c.since.hour % 3 == 0 else "" for c in counts]
    last = len(counts) - 1
    return [
        short_day(c.since) if last < 7 else f"{c.since.day} {c.since:%b}" if (last - i) % 5 == 0 else ""
        for i, c in enumerate(counts)
    ]


def volume(p: Picture) -> Bars:
    """Tickets by hour or day, those to review on top."""
    return bars(("ticket", "review"), (
        ((c.tickets - c.review, c.review),
         f"{_when(c, p.days == 1)}: {_plural(c.tickets)}, {number(c.review)} to review",
         to_list(from_=c.since, to=c.until) if c.tickets else "", tick)
        for c, tick in zip(p.counts, _ticks(p.counts), strict=True)
    ))  # fmt: skip


def promises(p: Picture) -> Bars:
    """Promises by the day or hour of receipt, missed ones on top."""
    return bars(("kept", "missed"), (
        ((c.kept, c.missed), f"{_when(c, p.days == 1)}: {number(c.kept)} in time, {number(c.missed)} late",
         to_list(from_=c.since, to=c.until, sla="missed" if c.missed else "kept") if c.kept + c.missed else "", tick)
        for c, tick in zip(p.counts, _ticks(p.counts), strict=True)
    ))  # fmt: skip


def bands(p: Picture) -> list[tuple[str, int, int, str]]:
    """Bands of confidence: name, straight, doubted, link."""
    found = []
    for band, (sure, doubted) in enumerate(zip(p.sure, p.doubted, strict=True)):
        low, high = band * 100 // BANDS, (band + 1) * 100 // BANDS
        href = to_list(from_=p.since, confidence=f"{low}-{high}") if sure + doubted else ""
        found.append((f"{low} to {high} %", sure, doubted, href))
    return found


def confidence(p: Picture) -> Bars:
    """The daemon's decisions by confidence, doubted ones on top."""
    return bars(("ticket", "review"), (
        ((sure, doubted), f"{name}: {number(sure)} straight, {number(doubted)} doubted", href,
         f"{band * 100 // BANDS} %" if band % 5 == 0 else "")
        for band, (name, sure, doubted, href) in enumerate(bands(p))
    ))  # fmt: skip


def week(p: Picture) -> list[tuple[str, int, str, list[Cell]]]:
    """The last seven days: name, tickets, link, and a cell an hour."""
    most = max(max(day) for day in p.week)
    midnight = p.at.replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    for number_, hours in enumerate(p.week):
        day = midnight - (len(p.week) - 1 - number_) * DAY
        cells = []
        for hour, count in enumerate(hours):
            since = day + timedelta(hours=hour)
            until = since + timedelta(hours=1)
            words = f"{day_name(day)}, {since:%H}:00 to {until:%H}:00: {_plural(count)}"
            cells.append(Cell(count, shade(count, most), to_list(from_=since, to=until) if count else "", words))
        found.append((short_day(day), sum(hours), to_list(from_=day, to=day + DAY), cells))
    return found


def _group(group: Group, kind: str, span: Mapping[str, datetime]) -> dict[str, Any]:
    """A department or category with the links of its numbers."""
    own = {kind: group.name or "none"}
    return {
        "name": group.name or "Not classified", "group": group, "all": to_list(**own, **span),
        "review": to_list(**own, **span, review="yes"), "missed": to_list(**own, **span, sla="missed"),
        "in_time": to_list(**own, **span, sla="kept"), "soon": to_list(**own, sla="soon"), "overdue": to_list(**own, sla="overdue"),
        "kept": percent(group.kept, group.kept + group.missed), "reviewed": percent(group.review, group.tickets),
    }  # fmt: skip


FILTERS = {"number": number, "day": day_name, "ago": ago, "left": left}
