"""What the dashboard asks of the database: one picture of a span of days and of this moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any, Protocol

from helpdesk_daemon.ports.watching import Accuracy

BANDS = 20  # of confidence, equally wide
SOON = timedelta(hours=4)  # a promise that ends within these is about to break

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Count:
    """Tickets of an hour or a day.

    Attributes:
        since: its beginning, UTC.
        until: its end.
        tickets: received in it.
        review: of them, those that nobody has looked at who should.
        kept: of them, those answered in time.
        missed: of them, those not answered in time.
    """

    since: datetime
    until: datetime
    tickets: int = 0
    review: int = 0
    kept: int = 0
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """Tickets of a department or category in the span, and what of them is pressing now.

    Attributes:
        name: of the department or category.
        tickets: received in the span.
        review: of them, those to review.
        kept: of them, those answered in time.
        missed: of them, those not answered in time.
        soon: whenever received, unanswered and due within `SOON`.
        overdue: whenever received, unanswered and past their time.
    """

    name: str
    tickets: int = 0
    review: int = 0
    kept: int = 0
    missed: int = 0
    soon: int = 0
    overdue: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything the dashboard shows.

    Attributes:
        at: when it was taken, UTC.
        zone: in which people read it; of its days and hours, to the full hour of UTC.
        since: when the span begins.
        days: of the span, today included.
        counts: by hour where the span is one day, else by day, oldest first, none left out.
        before: tickets and those to review of as long a time right before.
        departments: most tickets first.
        categories: most tickets first; an empty name for those without.
        week: tickets by hour of the clock of the last seven days, 7 x 24, oldest day first.
        sure: the daemon's decisions of the span by band of confidence, those that went straight to a department.
        doubted: the same, those to be reviewed.
        reviewing: open tickets that wait for a person's look now, whenever received.
        next_due: the unanswered tickets that are due next, soonest first.
        corrections: by people, in the span.
        arrivals: `pending`, `claimed`, and `oldest`, when the oldest of them was fetched.
        outbox: mails by state, and `oldest_due`.
        breaker: `opened_at` and `reason` where it is open.
        mailboxes: how their polls end.
        incidents: conditions that last, newest first.
    """

    at: datetime
    zone: tzinfo
    since: datetime
    days: int
    counts: Sequence[Count]
    before: tuple[int, int]
    departments: Sequence[Group]
    categories: Sequence[Group]
    week: Sequence[Sequence[Count]]
    sure: Sequence[int]
    doubted: Sequence[int]
    reviewing: int
    next_due: Sequence[Row]
    corrections: int
    arrivals: Row
    outbox: Row
    breaker: Row | None
    mailboxes: Sequence[Row]
    incidents: Sequence[Row] = field(default_factory=list)


class DashboardReading(Protocol):
    """What the dashboard reads. None of it waits for the daemon; any may raise StoreError."""

    def mark(self) -> Any:
        """Something that differs once anything has happened that the dashboard shows; costs next to nothing."""

    def picture(self, now: datetime, days: int) -> Picture:
        """The picture of this moment and the last days."""

    def accuracy(self, now: datetime) -> Accuracy:
        """How well routing goes; dearer than a picture, and slow to change."""
