"""What the monthly report tells, and which months had theirs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, Engine, Integer, cast, func, insert, select
from sqlalchemy.exc import IntegrityError

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.bulk import insert_rows
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.mail.outbox import outbox_row
from helpdesk_daemon.adapters.store.mail.verdicts import CORRECTION
from helpdesk_daemon.adapters.store.observing.accuracy import accuracy_of
from helpdesk_daemon.adapters.store.schema.labels import examples
from helpdesk_daemon.adapters.store.schema.mail import outbox
from helpdesk_daemon.adapters.store.schema.telling import incidents
from helpdesk_daemon.adapters.store.schema.tickets import tickets
from helpdesk_daemon.adapters.store.schema.watching import reports, verdicts
from helpdesk_daemon.adapters.store.telling import health
from helpdesk_daemon.outgoing.message import Outgoing
from helpdesk_daemon.ports import Audit, Clock, Span
from helpdesk_daemon.ports.watching import Labels, Month, Week

NAMED = 20
PEOPLE = ("correction", "confirmation")  # sources of labels that have a person


class Reports:
    """`ReportStore` on the database."""

    def __init__(self, engine: Engine, clock: Clock, weight: float = 1.0) -> None:
        self._engine, self._clock, self._weight = engine, clock, weight

    def last(self) -> str | None:
        """See `ReportStore.last`."""
        with transaction(self._engine) as connection:
            return connection.execute(select(func.max(reports.c.month))).scalar()

    def month(self, name: str, since: datetime, until: datetime, weeks: Sequence[Span]) -> Month:
        """See `ReportStore.month`."""
        found = accuracy_of(self._engine, until, until - since, self._weight)
        with transaction(self._engine) as connection:
            told = select(incidents.c.title).where(incidents.c.opened_at >= since, incidents.c.opened_at < until)
            titles = list(connection.execute(told.order_by(incidents.c.id).limit(NAMED)).scalars())
            return Month(name, found, [_week(connection, span) for span in weeks], titles, _labels(connection, since))

    def keep(self, name: str, mails: Sequence[Outgoing]) -> bool:
        """See `ReportStore.keep`."""
        now = self._clock.now()
        try:
            with transaction(self._engine) as connection:
                connection.execute(insert(reports).values(month=name, at=now, mails=len(mails)))
                insert_rows(connection, outbox, [outbox_row(mail, None, now) for mail in mails])
                detail = {"month": name, "recipients": [mail.recipient for mail in mails]}
                audit.append(connection, [Audit("report.made", detail)] if mails else [], now)
        except IntegrityError:
            return False
        return True


def _week(connection: Connection, span: Span) -> Week:
    day, begin, end = span
    review = func.coalesce(func.sum(cast(tickets.c.needs_review, Integer)), 0)
    opened = select(func.count(), review).where(tickets.c.created_at >= begin, tickets.c.created_at < end)
    total, reviewed = connection.execute(opened).one()
    said = select(verdicts.c.said_by).where(verdicts.c.at >= begin, verdicts.c.at < end, ~verdicts.c.needs_review)
    judged = Counter(connection.execute(said).scalars())
    return Week(day, total, reviewed, judged.total(), judged[CORRECTION])


def _labels(connection: Connection, since: datetime) -> Labels:
    """All labels that vote, with where they come from; of those that were replaced, only how many."""
    rows = connection.execute(
        select(examples.c.source, examples.c.actor, examples.c.category, examples.c.vector, examples.c.model)
        .where(examples.c.active, examples.c.vector.is_not(None))
        .order_by(examples.c.id)
    ).all()
    model = rows[-1].model if rows else ""
    rows = [row for row in rows if row.model == model]
    vectors = [np.frombuffer(row.vector, dtype="<f4") for row in rows]
    replaced = Counter(
        _name(before["source"], before["actor"])
        for line in health.events(connection, "example.corrected", since)
        for before in line["before"]
        if before["active"] and before["category"] != line["category"]
    )
    return Labels(
        [_name(row.source, row.actor) for row in rows], [row.category for row in rows],
        np.stack(vectors).astype(np.float32) if vectors else np.zeros((0, 0), dtype=np.float32), replaced,
    )  # fmt: skip


def _name(source: str, actor: str) -> str:
    return actor if source in PEOPLE and actor else source
