"""What is known of how well routing goes: values for whoever shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

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
        alarms: what is watched and alarmed now, by name, and since when: `calibration`, `mix`, `department:NAME`.
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
