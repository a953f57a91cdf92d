"""How well routing goes: values for whoever shows them, and the door of the stage that watches it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from helpdesk_daemon.outgoing.message import Outgoing
from helpdesk_daemon.ports.digest import Span
from helpdesk_daemon.triage.vote import Vectors
from helpdesk_daemon.triage.watching import gathering
from helpdesk_daemon.triage.watching.estimates import Judged, Share


@dataclass(frozen=True, slots=True)
class Standing:
    """How well one department or category fares.

    Attributes:
        name: of the department, or the category.
        accuracy: share of its routed tickets that was right, of those that people judged; see `estimates.accuracy`.
        untouched: share that nobody corrected, of all recent ones: the accuracy is hardly greater.
        judged: how people judged.
        alarmed_at: since when it gets worse; None where it does not.
    """

    name: str
    accuracy: Share
    untouched: Share
    judged: Judged
    alarmed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Crowd:
    """Tickets that resemble each other: a burst about one incident, or a topic that no example knows.

    Attributes:
        id: number.
        kind: `burst` or `topic`.
        began_at: its first mail.
        last_at: its latest mail.
        ended_at: when it was over; None while it is open.
        words: of several subjects, most frequent first.
        tickets: tracking IDs, oldest first, at most 200.
        count: how many there are in all.
    """

    id: int
    kind: str
    began_at: datetime
    last_at: datetime
    ended_at: datetime | None
    words: tuple[str, ...]
    tickets: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How well routing goes.

    Attributes:
        since: verdicts of people count from then on; the newest 10,000 at most.
        until: now.
        weight: what a ticket that was closed untouched counts, 0 to 1.
        overall: of everything that was routed without a person.
        departments: by department, most judged first.
        categories: by category, likewise.
        suggested: of what went to triage with a suggestion.
        recent: how many of the latest mails the following figures are about.
        review: share of them that went to triage.
        confidences: of them, how many by tenth of confidence: 0 to 0.1, to 0.2, ... to 1.0.
        said: mean confidence of judged decisions; None where there are none.
        was: share of them that was right, weighed alike.
        error: expected calibration error of them, 0 to 1.
        alarms: what is watched and alarmed now, by name, and since when: `calibration`, `mix`, `unlike`,
            `department:NAME`.
        crowds: open ones, newest first.
    """

    since: datetime
    until: datetime
    weight: float
    overall: Standing
    departments: Sequence[Standing]
    categories: Sequence[Standing]
    suggested: Standing
    recent: int
    review: Share
    confidences: Sequence[int]
    said: float | None
    was: float | None
    error: float
    alarms: Mapping[str, datetime]
    crowds: Sequence[Crowd]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person said of one of the daemon's decisions."""

    department: str
    confidence: float
    right: bool
    closing: bool
    needs_review: bool
    by_rule: bool


@dataclass(frozen=True, slots=True)
class State:
    """What is kept of one thing that is watched: a JSON text, and since when it alarms."""

    text: str
    alarmed_at: datetime | None = None


@dataclass(frozen=True, slots=True, eq=False)
class News:
    """What came since the last look.

    Attributes:
        verdicts: new ones, oldest first.
        states: of everything that is watched, by name.
        recent: the latest mails with those that are new at their end; None where none is new.
        tickets: their tracking IDs.
        categories: their categories.
        fresh: how many of them are new.
        crowds: the open ones.
        newest: number of the latest mail.
        cursor: numbers of the latest mail and the latest verdict that were looked at after this.
    """

    verdicts: Sequence[Verdict]
    states: Mapping[str, State]
    recent: gathering.Recent | None
    tickets: Sequence[str]
    categories: Sequence[str]
    fresh: int
    crowds: Sequence[gathering.Crowd]
    newest: int
    cursor: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """What a look led to.

    Attributes:
        states: those that changed, by name.
        crowds: those that are new or were joined, each with the tracking IDs that joined.
        over: numbers of crowds that ended.
    """

    states: Mapping[str, State]
    crowds: Sequence[tuple[gathering.Crowd, Sequence[str]]]
    over: Sequence[int]


class WatchingStore(Protocol):
    """What is watched. Every method is one transaction; any may raise StoreError."""

    def news(self, limit: int) -> News:
        """What came since the last look, at most `limit` mails and as many verdicts."""

    def keep(self, news: News, findings: Findings) -> None:
        """Write down what a look led to, and that it was done."""


@dataclass(frozen=True, slots=True)
class Week:
    """Seven days from `day` on: new tickets, those that went to review, routed ones that were judged, and corrected."""

    day: date
    tickets: int
    review: int
    judged: int
    corrected: int


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """All labels that vote.

    Attributes:
        sources: where each comes from: `seed`, `import`, or a person.
        categories: its category.
        vectors: shape (n, d), float32, L2-normalised rows.
        replaced: by source, how many of its labels were replaced by another category since the month began.
    """

    sources: Sequence[str]
    categories: Sequence[str]
    vectors: Vectors
    replaced: Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Month:
    """What a report tells.

    Attributes:
        name: such as `2026-11`.
        accuracy: by the verdicts of the month.
        weeks: oldest first.
        incidents: titles of what people were alerted of.
        labels: what later mail is sorted by.
    """

    name: str
    accuracy: Accuracy
    weeks: Sequence[Week]
    incidents: Sequence[str]
    labels: Labels


class ReportStore(Protocol):
    """The reports that were made. Every method may raise StoreError."""

    def last(self) -> str | None:
        """The latest month whose report was made; None before the first."""

    def month(self, name: str, since: datetime, until: datetime, weeks: Sequence[Span]) -> Month:
        """What a month's report tells."""

    def keep(self, name: str, mails: Sequence[Outgoing]) -> bool:
        """Note that a month's report was made and put its mails into the outbox; False if it was before."""
