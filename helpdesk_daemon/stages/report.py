"""The monthly report: a mail to the operators about how well routing went."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta

from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.mail.message import Attachment
from helpdesk_daemon.outgoing import chart
from helpdesk_daemon.outgoing.compose import Composer
from helpdesk_daemon.outgoing.message import Kind, Outgoing
from helpdesk_daemon.ports import Clock, Span
from helpdesk_daemon.ports.watching import Month, ReportStore
from helpdesk_daemon.stages.case import Desk
from helpdesk_daemon.stages.digest import Plan
from helpdesk_daemon.stages.looking import Looking
from helpdesk_daemon.triage.watching.trust import sources_of

VOLUME, JUDGED = "volume@report", "judged@report"


def month_before(day: date) -> date:
    """The first day of the month before a day's."""
    return (day.replace(day=1) - timedelta(days=1)).replace(day=1)


def span_of(first: date, plan: Plan) -> tuple[datetime, datetime, list[Span]]:
    """When a month begins and ends, and its weeks, the last of which may be shorter."""
    after = (first + timedelta(days=32)).replace(day=1)
    starts = [first + timedelta(days=7 * n) for n in range(5) if first + timedelta(days=7 * n) < after]
    edges = [*starts, after]
    moments = [datetime.combine(day, time(), plan.zone).astimezone(UTC) for day in edges]
    weeks = list(zip(starts, moments, moments[1:], strict=False))
    return moments[0], moments[-1], weeks


def pictures(month: Month) -> list[Attachment]:
    """The charts: tickets by week with those to review, and judged tickets with those that were corrected."""
    volume = [chart.Bar(week.tickets, week.review) for week in month.weeks]
    judged = [chart.Bar(week.judged, week.corrected) for week in month.weeks]
    return [
        Attachment("tickets.png", "image/png", chart.png(volume), VOLUME, inline=True),
        Attachment("judged.png", "image/png", chart.png(judged), JUDGED, inline=True),
    ]


def values_of(month: Month, composer: Composer, host: str) -> dict[str, object]:
    """What the templates of a report show."""
    width, height = chart.size(len(month.weeks))
    labels = month.labels
    sources = sources_of(labels.sources, labels.categories, labels.vectors, labels.replaced)
    most = max(week.tickets for week in month.weeks), max(week.judged for week in month.weeks)
    lines = [
        (week, chart.line(chart.Bar(week.tickets, week.review), most[0]),
         chart.line(chart.Bar(week.judged, week.corrected), most[1]))
        for week in month.weeks
    ]  # fmt: skip
    return {
        "month": month, "known": month.accuracy, "lines": lines, "most": most, "sources": sources,
        "width": width // 2, "height": height // 2, "identity": composer.identity, "host": host,
    }  # fmt: skip


class Report(Looking):
    """Makes the report of a month once the next has begun, late rather than never, and never twice.

    Args:
        plan: the digest's, whose hour and recipients it shares.
        monthly: whether there are reports.
        store: what they tell.
        desk: composes as whoever alerts come from.
        clock: tells the time.
        db: the database's thread.
        work: a thread for the comparing and composing.
        made: called when a mail was put into the outbox.
    """

    name = "report"

    def __init__(
        self, plan: Plan, monthly: bool, store: ReportStore, desk: Callable[[], Desk], clock: Clock, db: Lane,
        work: Lane, made: Callable[[], None],
    ) -> None:  # fmt: skip
        self._plan, self._monthly, self._store, self._desk = plan, monthly, store, desk
        self._clock, self._db, self._work, self._made = clock, db, work, made
        self._host = socket.gethostname()
        super().__init__()

    async def _see(self) -> None:
        """Make the report if it is due."""
        if self._monthly and self._plan.at is not None and self._plan.to and await self._make():
            self._made()

    async def _make(self) -> bool:
        """Whether there is mail. The first look only notes that this installation is new."""
        first = month_before(self._plan.day(self._clock.now()))
        name, last = f"{first:%Y-%m}", await self._db(self._store.last)
        if last is not None and name <= last:
            return False
        mails: Sequence[Outgoing] = []
        if last is not None:
            month = await self._db(self._store.month, name, *span_of(first, self._plan))
            mails = await self._work(self._mails, month)
        kept = await self._db(self._store.keep, name, mails)
        if mails and kept:
            self._log.info("report.made", month=name, recipients=len(mails))
        return bool(mails) and kept

    def _mails(self, month: Month) -> list[Outgoing]:
        composer, now = self._desk().composer, self._clock.now()
        values = values_of(month, composer, self._host)
        share = month.accuracy.overall.accuracy.value
        subject = f"Report {month.name}: " + ("nothing was judged" if share is None else f"{share:.0%} routed right")
        return [
            composer.notice(Kind.DIGEST, "report", subject, to, values, now, attachments=pictures(month))
            for to in self._plan.to
        ]
