"""The digest: once a day, a mail to the operators about how it went."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.mail.message import Attachment
from helpdesk_daemon.outgoing import chart
from helpdesk_daemon.outgoing.message import Kind, Outgoing
from helpdesk_daemon.ports import Clock, DigestStore, Figures, Span
from helpdesk_daemon.stages.case import Desk
from helpdesk_daemon.stages.looking import Looking

DAYS = 14  # in the chart


@dataclass(frozen=True, slots=True)
class Plan:
    """When the digest is made, and who gets it.

    Attributes:
        at: local time of day, None for never.
        zone: of that time and of the days it counts.
        to: addresses.
    """

    at: time | None
    zone: ZoneInfo
    to: Sequence[str]

    def day(self, now: datetime) -> date:
        """The day whose digest is the last that should have been made by now."""
        today = now.astimezone(self.zone).date()
        return today if now >= self._moment(today) else today - timedelta(days=1)

    def days(self, now: datetime) -> list[Span]:
        """The days of the chart, the last of which is yesterday."""
        today = now.astimezone(self.zone).date()
        dates = [today - timedelta(days=back) for back in range(DAYS, -1, -1)]
        return [(day, self._at(day, time()), self._at(after, time())) for day, after in pairwise(dates)]

    def _moment(self, day: date) -> datetime:
        return self._at(day, self.at or time())

    def _at(self, day: date, at: time) -> datetime:
        """A local time as UTC; one that the clock skips counts as if it had not been put forward (PEP 495)."""
        return datetime.combine(day, at, self.zone).astimezone(UTC)


class Digest(Looking):
    """Makes the digest of a day once its hour has come, late rather than never, and never twice.

    Args:
        plan: when, and to whom.
        store: the figures, and which digests were made.
        desk: composes as whoever alerts come from.
        clock: tells the time.
        db: the database's thread.
        made: called when a mail was put into the outbox.
    """

    name = "digest"

    def __init__(
        self, plan: Plan, store: DigestStore, desk: Callable[[], Desk], clock: Clock, db: Lane,
        made: Callable[[], None],
    ) -> None:  # fmt: skip
        self._plan, self._store, self._desk, self._clock, self._db, self._made = plan, store, desk, clock, db, made
        self._host = socket.gethostname()
        super().__init__()

    async def _see(self) -> None:
        """Make the digest if it is due."""
        if self._plan.at is not None and self._plan.to and await self._db(self._make):
            self._made()

    def _make(self) -> bool:
        """Whether there is mail. The first look only notes where the first digest begins."""
        now = self._clock.now()
        day, last = self._plan.day(now), self._store.last()
        if last is not None and day <= last[0]:
            return False
        mails: list[Outgoing] = []
        if last is not None:
            figures = self._store.figures(last[1], now, self._plan.days(now))
            mails = [self._mail(figures, to) for to in self._plan.to]
        kept = self._store.keep(day, now, mails)
        if mails and kept:
            self._log.info("digest.made", day=day.isoformat(), recipients=len(mails))
        return bool(mails) and kept

    def _mail(self, figures: Figures, to: str) -> Outgoing:
        desk, zone = self._desk(), self._plan.zone
        bars = [chart.Bar(day.tickets, day.review) for day in figures.days]
        most = max((bar.whole for bar in bars), default=0)
        width, height = chart.size(len(bars))
        values = {
            "figures": figures, "since": figures.since.astimezone(zone), "until": figures.until.astimezone(zone),
            "lines": [(day, chart.line(bar, most)) for day, bar in zip(figures.days, bars, strict=True)],
            "most": most, "width": width // 2, "height": height // 2, "identity": desk.composer.identity,
            "host": self._host,
        }  # fmt: skip
        picture = Attachment("chart.png", "image/png", chart.png(bars), "chart@digest", inline=True)
        subject = f"Digest: {_count(figures.tickets, 'ticket')}, {figures.review} to review"
        if figures.missed:
            subject += f", {figures.missed} answered late or not at all"
        return desk.composer.notice(Kind.DIGEST, "digest", subject, to, values, figures.until, attachments=[picture])


def _count(number: int, one: str) -> str:
    return f"{number} {one}" + ("" if number == 1 else "s")
