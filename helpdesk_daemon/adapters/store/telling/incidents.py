"""Incidents, and the mails about them, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Engine, delete, insert, select, update

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.bulk import insert_rows
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.mail.outbox import outbox_row
from helpdesk_daemon.adapters.store.schema.mail import outbox
from helpdesk_daemon.adapters.store.schema.telling import incidents
from helpdesk_daemon.outgoing.message import Outgoing
from helpdesk_daemon.ports import Audit, Clock, Incident


def incident_of(row: Any) -> Incident:
    """A row as a value."""
    return Incident(**row._mapping)


class Incidents:
    """`IncidentStore` on the database."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    def unfinished(self) -> list[Incident]:
        """See `IncidentStore.unfinished`."""
        with transaction(self._engine) as connection:
            wanted = (
                select(incidents)
                .where(incidents.c.recovered_at.is_(None))
                .order_by(incidents.c.name, incidents.c.subject)
            )
            return [incident_of(row) for row in connection.execute(wanted)]

    def settle(
        self, changed: Sequence[Incident], forgotten: Sequence[int], mails: Sequence[Outgoing], lines: Sequence[Audit]
    ) -> None:
        """See `IncidentStore.settle`."""
        now = self._clock.now()
        with transaction(self._engine) as connection:
            if forgotten:
                connection.execute(delete(incidents).where(incidents.c.id.in_(forgotten)))
            for incident in changed:
                values = {name: value for name, value in asdict(incident).items() if name != "id"}
                if incident.id:
                    connection.execute(update(incidents).where(incidents.c.id == incident.id).values(values))
                else:
                    connection.execute(insert(incidents).values(values))
            insert_rows(connection, outbox, [outbox_row(mail, None, now) for mail in mails])
            audit.append(connection, lines, now)

    def to_post(self, limit: int) -> list[Incident]:
        """See `IncidentStore.to_post`."""
        with transaction(self._engine) as connection:
            wanted = (
                select(incidents)
                .where(incidents.c.post_due_at.is_not(None), incidents.c.post_due_at <= self._clock.now())
                .order_by(incidents.c.post_due_at, incidents.c.id)
                .limit(limit)
            )
            return [incident_of(row) for row in connection.execute(wanted)]
