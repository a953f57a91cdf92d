"""Sent mail of which a copy is still to be filed in a Sent folder."""

from __future__ import annotations

from sqlalchemy import Engine, select, update

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.mail.bounded import front
from helpdesk_daemon.adapters.store.schema.mail import outbox
from helpdesk_daemon.ports import Audit, Clock, Copy

_copies = select(
    outbox.c.id, outbox.c.ticket, outbox.c.message_id, outbox.c.mime, outbox.c.sent_at, outbox.c.copy_attempts
)


class CopiesToFile:
    """`CopyStore` on the database."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    def wanted(self, mailbox: str, after: int, limit: int) -> list[Copy]:
        """See `CopyStore.wanted`."""
        columns = outbox.c
        waiting = (
            select(columns.id, columns.size)
            .where(columns.copy_state == "wanted", columns.mailbox == mailbox, columns.id > after)
            .where(columns.mime.is_not(None))  # retention may have taken it
            .order_by(columns.id)
            .limit(limit)
        )
        with transaction(self._engine) as connection:
            found = connection.execute(waiting).all()
            ids = [row.id for row in found[: front(row.size for row in found)]]
            rows = connection.execute(_copies.where(columns.id.in_(ids)).order_by(columns.id))
            return [Copy(*row) for row in rows]

    def settle(self, copy: int, state: str, line: Audit) -> None:
        """See `CopyStore.settle`."""
        attempts = outbox.c.copy_attempts + (state == "wanted")
        with transaction(self._engine) as connection:
            connection.execute(
                update(outbox).where(outbox.c.id == copy).values(copy_state=state, copy_attempts=attempts)
            )
            audit.append(connection, [line], self._clock.now())
