"""The dashboard as its templates want it: figures in words, charts, and a link to the tickets behind each number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import partial
from typing import Any
from urllib.parse import urlencode

from helpdesk_daemon.ports.dashboard import BANDS, SOON, Count, Group, Picture
from helpdesk_daemon.ports.watching import Accuracy, Standing
from helpdesk_daemon.ports.web import UNSORTED
from helpdesk_daemon.web import words
from helpdesk_daemon.web.charts import Bars, bars, shade

SPANS = {1: "Today", 7: "7 days", 30: "30 days"}
PARTS = (
    "stamp", "alerts", "tiles", "volume", "due", "departments", "categories", "promises", "confidence", "accuracy",
    "crowds", "week", "queue", "mailboxes",
)  # fmt: skip
LIST, REVIEW, CORRECTIONS = "/admin/tickets/", "/admin/review/", "/admin/audit/?event=ticket.corrected"
NEED_A_PERSON = ("failed", "ambiguous", "held")
ON_THE_WAY = ("pending", "sending", "deferred")
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure at the top.

    Attributes:
        name: what it counts.
        value: the figure.
        href: what is behind it.
        note: one line below.
        tone: `bad` or `warm` where somebody should look, else empty.
    """

    name: str
    value: str
    href: str
    note: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """An hour of the last days: how many tickets, how dark, where they are, and all that in words."""

    count: int
    shade: int
    href: str
    words: str


@dataclass(frozen=True, slots=True)
class Interval:
    """A share and the ends of its interval, in per cent of the axis."""

    low: float
    value: float
    high: float


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the last seven, with its hours."""

    name: str
    count: int
    href: str
    cells: Sequence[Cell]


def to_list(**filters: Any) -> str:
    """The list of the tickets that a number counts.

    Args:
        filters: of the list, `since` and `until` for its `from` and `to`; what is None or empty is left out.
    """
    names = {"since": "from", "until": "to"}
    query = {
        names.get(name, name): f"{value:%Y-%m-%dT%H:%MZ}" if isinstance(value, datetime) else value
        for name, value in filters.items()
        if value not in (None, "")
    }
    return f"{LIST}?{urlencode(query, safe=':')}" if query else LIST


def view(picture: Picture, accuracy: Accuracy) -> dict[str, Any]:
    """Everything the templates of the dashboard show."""
    p, most = picture, max(hour.tickets for hours in picture.week for hour in hours)
    return {
        "p": p, "a": accuracy, "standings": standings(accuracy), "least": least_shown(accuracy),
        "days": p.days, "spans": SPANS, "to_list": to_list, "name_of": partial(name_of, p.zone),
        "zone": f"{p.at.astimezone(p.zone):%Z}", "tiles": tiles(p),
        "volume": volume(p), "promises": promises(p), "ended": [c for c in p.counts if c.kept or c.missed],
        "bands": bands(p), "confidence": confidence(p), "week": week(p, most), "most_in_hour": most,
        "departments": [_links(group, {"department": group.name}, p.since) for group in p.departments],
        "categories": [_links(group, {"category": group.name or UNSORTED}, p.since) for group in p.categories],
        "most_of_department": max((group.tickets for group in p.departments), default=0),
        "most_of_category": max((group.tickets for group in p.categories), default=0),
        "undecided": p.arrivals["pending"] + p.arrivals["claimed"],
        "on_the_way": sum(p.outbox[state] for state in ON_THE_WAY),
        "stuck": [(state, p.outbox[state]) for state in NEED_A_PERSON],
    }  # fmt: skip


def tiles(p: Picture) -> list[Tile]:
    """The figures at the top."""
    kept, missed = sum(c.kept for c in p.counts), sum(c.missed for c in p.counts)
    soon, overdue = sum(g.soon for g in p.departments), sum(g.overdue for g in p.departments)
    doubted, decided = sum(p.doubted), sum(p.sure) + sum(p.doubted)
    in_time = (
        f"in time; {words.number(missed)} of {words.number(kept + missed)} late" if kept + missed else "none is due yet"
    )
    return [
        Tile("New tickets", words.number(sum(c.tickets for c in p.counts)), to_list(since=p.since), _compared(p)),
        Tile("To review", words.number(p.reviewing), REVIEW,
             f"{words.percent(doubted, decided)} of decisions doubted" if decided else "nothing was decided",
             "warm" if p.reviewing else ""),
        Tile("Due soon", words.number(soon), to_list(sla="soon"),
             f"unanswered, within {SOON // HOUR} hours", "warm" if soon else ""),
        Tile("Overdue", words.number(overdue), to_list(sla="overdue"),
             "unanswered, past the promise", "bad" if overdue else ""),
        Tile("First answers", words.percent(kept, kept + missed),
             to_list(since=p.since, sla="missed" if missed else "kept"), in_time),
        Tile("Corrections", words.number(p.corrections), CORRECTIONS,
             f"{words.percent(p.corrections, decided)} of decisions" if decided else "by people"),
    ]  # fmt: skip


def _compared(p: Picture) -> str:
    tickets, before = sum(c.tickets for c in p.counts), p.before[0]
    when = "yesterday by this hour" if p.days == 1 else f"the {p.days} days before"
    return f"{words.change(tickets, before)} {when}" if before else f"none {'' if p.days == 1 else 'in '}{when}"


def name_of(zone: tzinfo, c: Count) -> str:
    """The hour or day of a count."""
    return words.hours(*_local(zone, c)) if c.until - c.since <= 2 * HOUR else words.day(_middle(zone, c))


def _local(zone: tzinfo, c: Count) -> tuple[datetime, datetime]:
    return c.since.astimezone(zone), c.until.astimezone(zone)


def _middle(zone: tzinfo, c: Count) -> datetime:
    """A moment that is within the day whatever the zone: days begin at a full hour of UTC."""
    return (c.since + (c.until - c.since) / 2).astimezone(zone)


def _ticks(p: Picture) -> list[str]:
    """Labels of an axis of time: every third hour, every day of a week, else every fifth day back from today."""
    if p.days == 1:
        clock = [c.since.astimezone(p.zone) for c in p.counts]
        return [f"{at:%H}" if at.hour % 3 == 0 else "" for at in clock]
    days = [_middle(p.zone, c) for c in p.counts]
    if p.days <= 7:
        return [words.short_day(day) for day in days]
    return [f"{day.day} {day:%b}" if (p.days - number) % 5 == 0 else "" for number, day in enumerate(days, 1)]


def volume(p: Picture) -> Bars:
    """Tickets by hour or day, those to review on top."""
    return bars(("ticket", "review"), (
        ((c.tickets - c.review, c.review),
         f"{name_of(p.zone, c)}: {words.plural(c.tickets)}, {words.number(c.review)} to review",
         to_list(since=c.since, until=c.until) if c.tickets else "", tick)
        for c, tick in zip(p.counts, _ticks(p), strict=True)
    ))  # fmt: skip


def promises(p: Picture) -> Bars:
    """Promises of a first answer that ended, by hour or day of receipt, missed ones on top."""
    return bars(("kept", "missed"), (
        ((c.kept, c.missed), f"{name_of(p.zone, c)}: {words.number(c.kept)} in time, {words.number(c.missed)} late",
         to_list(since=c.since, until=c.until, sla="missed" if c.missed else "kept") if c.kept or c.missed else "",
         tick)
        for c, tick in zip(p.counts, _ticks(p), strict=True)
    ))  # fmt: skip


def bands(p: Picture) -> list[tuple[str, int, int, str]]:
    """Bands of confidence: name, decisions that went straight, doubted ones, link."""
    found = []
    for band, (sure, doubted) in enumerate(zip(p.sure, p.doubted, strict=True)):
        low, high = band * 100 // BANDS, (band + 1) * 100 // BANDS
        href = to_list(since=p.since, confidence=f"{low}-{high}") if sure or doubted else ""
        found.append((f"{low} to {high} %", sure, doubted, href))
    return found


def confidence(p: Picture) -> Bars:
    """The daemon's decisions by confidence, doubted ones on top."""
    return bars(("ticket", "review"), (
        ((sure, doubted), f"{name}: {words.number(sure)} straight, {words.number(doubted)} doubted", href,
         f"{number * 100 // BANDS} %" if number % 5 == 0 else "")
        for number, (name, sure, doubted, href) in enumerate(bands(p))
    ))  # fmt: skip


def _judged(accuracy: Accuracy) -> list[Standing]:
    return [each for each in (accuracy.overall, *accuracy.departments) if each.accuracy.of]


def least_shown(accuracy: Accuracy) -> int:
    """Per cent at which the axis of intervals begins: a round number below them all."""
    return int(min((each.accuracy.low for each in _judged(accuracy)), default=0.0) * 10) * 10


def standings(accuracy: Accuracy) -> list[tuple[Standing, int, Interval]]:
    """All tickets, then each department: how it stands, of how many judged tickets, and the interval on the axis."""
    least = least_shown(accuracy) / 100

    def place(share: float) -> float:
        return round(100 * (share - least) / (1 - least), 1)

    return [
        (each, each.judged.corrected + each.judged.confirmed + each.judged.closed,
         Interval(place(each.accuracy.low), place(each.accuracy.value or 0.0), place(each.accuracy.high)))
        for each in _judged(accuracy)
    ]  # fmt: skip


def week(p: Picture, most: int) -> list[Day]:
    """The last seven days by hour.

    Args:
        p: the picture.
        most: tickets of the fullest hour.
    """
    found = []
    for hours in p.week:
        name = words.short_day(_middle(p.zone, Count(hours[0].since, hours[-1].until)))
        whole = to_list(since=hours[0].since, until=hours[-1].until)
        found.append(Day(name, sum(c.tickets for c in hours), whole, [_cell(p.zone, c, most) for c in hours]))
    return found


def _cell(zone: tzinfo, c: Count, most: int) -> Cell:
    since, until = _local(zone, c)
    told = f"{words.day(since)}, {words.hours(since, until)}: {words.plural(c.tickets)}"
    return Cell(c.tickets, shade(c.tickets, most), to_list(since=c.since, until=c.until) if c.tickets else "", told)


def _links(group: Group, own: Mapping[str, str], since: datetime) -> dict[str, Any]:
    """A department or category with the links of its numbers."""
    of_span = {**own, "since": since}
    return {
        "name": group.name or "Not classified", "group": group,
        "in_time": words.percent(group.kept, group.kept + group.missed),
        "to": {
            "all": to_list(**of_span), "review": to_list(**of_span, review="yes"),
            "ended": to_list(**of_span, sla="missed" if group.missed else "kept"),
            "soon": to_list(**own, sla="soon"), "overdue": to_list(**own, sla="overdue"),
        },
    }  # fmt: skip
