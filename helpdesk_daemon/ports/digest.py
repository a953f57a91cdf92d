"""The daily digest: what it tells, and the door to the database that knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from helpdesk_daemon.outgoing.message import Outgoing
from helpdesk_daemon.triage.watching.estimates import Share

Span = tuple[date, datetime, datetime]  # a calendar day in the digest's zone, when it begins and when it ends


@dataclass(frozen=True, slots=True)
class DayCount:
    """Tickets of a calendar day in the digest's zone, and how many of them went to review."""

    day: date
    tickets: int
    review: int


@dataclass(frozen=True, slots=True)
class DepartmentCount:
    """Tickets that went to a department, and how many of them went to review."""

    department: str
    tickets: int
    review: int


@dataclass(frozen=True, slots=True)
class SlowTicket:
    """A ticket that took long, or still does.

    Attributes:
        id: tracking ID.
        subject: of the customer's first mail.
        department: whose it is.
        hours: from its arrival to the answer; to now where there is none.
        answered: whether there is one.
    """

    id: str
    subject: str
    department: str
    hours: float
    answered: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """What a digest tells of the time from `since` to `until`.

    Attributes:
        since: the end of the digest before.
        until: the moment it was made.
        settled: received mails by what became of them.
        waiting: received mails that are not decided.
        departments: new tickets, most first.
        days: the last whole days, oldest first, without holes.
        corrected: decisions that a person made anew.
        kept: tickets due in that time that were answered before.
        missed: tickets due in that time that were not.
        overdue: tickets that are overdue now.
        slowest: of those due in that time, slowest first.
        suppressed: addresses suppressed in that time, each with the reason.
        suppressed_in_all: how many are.
        incidents: titles of incidents that were opened in that time.
        unsent: outgoing mails that need a person, by state.
        accuracy: of routing, by what people judged within the last 90 days.
        head: number and hash of the audit log's last row; whoever keeps this mail can tell that the log was cut.
    """

    since: datetime
    until: datetime
    settled: Mapping[str, int]
    waiting: int
    departments: Sequence[DepartmentCount]
    days: Sequence[DayCount]
    corrected: int
    kept: int
    missed: int
    overdue: int
    slowest: Sequence[SlowTicket]
    suppressed: Sequence[tuple[str, str]]
    suppressed_in_all: int
    incidents: Sequence[str]
    unsent: Mapping[str, int]
    accuracy: Share
    head: tuple[int, str]

    @property
    def tickets(self) -> int:
        """New tickets."""
        return sum(row.tickets for row in self.departments)

    @property
    def review(self) -> int:
        """Of them, those that a person should look at."""
        return sum(row.review for row in self.departments)


class DigestStore(Protocol):
    """The digests that were made. Every method is one transaction; any may raise StoreError."""

    def last(self) -> tuple[date, datetime] | None:
        """The day of the last digest, and the end of the time it told of; None before the first.

        One from the future is passed over: a clock that was wrong once must not end the digests.
        """

    def figures(self, since: datetime, until: datetime, days: Sequence[Span]) -> Figures:
        """What a digest tells.

        Args:
            since: beginning of the time it tells of.
            until: its end.
            days: those of the chart, oldest first.
        """

    def keep(self, day: date, until: datetime, mails: Sequence[Outgoing]) -> bool:
        """Note that the digest of a day was made and put its mails into the outbox, or do nothing if it was before.

        Returns:
            Whether it is noted now.
        """
