"""The ledger of arrivals: what ingest keeps before a mailbox is touched."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, select, update
from sqlalchemy.dialects.sqlite import insert

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.bulk import chunks
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.schema.mail import arrivals, cursors, mailboxes
from helpdesk_daemon.ports import Audit, Clock, Cursor, Fetched, Quota

FAST = 1  # zlib level: mail compresses well enough at once, and ingest must not wait for more

_keep = (
    insert(arrivals)
    .on_conflict_do_nothing()
    .returning(arrivals.c.id, arrivals.c.uid, arrivals.c.size, arrivals.c.message_id, sort_by_parameter_order=False)
)


def pack(raw: bytes) -> bytes:
    """Bytes as they lie in the database."""
    return zlib.compress(raw, FAST)


def unpack(stored: bytes) -> bytes:
    """Bytes as they were given to `pack`."""
    return zlib.decompress(stored)


def keep(
    connection: Connection, mailbox: str, folder: str, uidvalidity: int, mails: Sequence[tuple[Fetched, str, str]],
    now: datetime,
) -> int:  # fmt: skip
    """Put mails with their digests and Message-IDs into the ledger, and say so in the audit log.

    Returns:
        How many were new to it.
    """
    where = {"mailbox": mailbox, "folder": folder, "uidvalidity": uidvalidity}
    rows: list[dict[str, Any]] = [
        where
        | {
            "uid": mail.uid,
            "received_at": min(mail.received_at, now),
            "fetched_at": now,
            "size": len(mail.raw),
            "truncated": mail.truncated,
            "message_id": message_id,
            "digest": digest,
            "raw": pack(mail.raw),
        }
        for mail, digest, message_id in mails
    ]
    new = connection.execute(_keep, rows).all() if rows else []
    lines = [
        Audit("message.arrived", {"arrival": r.id, **where, "uid": r.uid, "size": r.size, "message_id": r.message_id})
        for r in sorted(new, key=lambda r: r.id)
    ]
    audit.append(connection, lines, now)
    return len(new)


class Arrivals:
    """`ArrivalStore` on the database."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    def cursor(self, mailbox: str, folder: str) -> Cursor | None:
        """See `ArrivalStore.cursor`."""
        with transaction(self._engine) as connection:
            row = connection.execute(
                select(cursors).where(cursors.c.mailbox == mailbox, cursors.c.folder == folder)
            ).first()
        return Cursor(row.uidvalidity, row.position, row.started_at, row.backlog, row.since) if row else None

    def unknown(self, mailbox: str, folder: str, uidvalidity: int, uids: Sequence[str]) -> list[str]:
        """See `ArrivalStore.unknown`."""
        found: set[str] = set()
        with transaction(self._engine) as connection:
            for chunk in chunks(uids):
                found.update(
                    connection.execute(
                        select(arrivals.c.uid).where(
                            arrivals.c.mailbox == mailbox,
                            arrivals.c.folder == folder,
                            arrivals.c.uidvalidity == uidvalidity,
                            arrivals.c.uid.in_(chunk),
                        )
                    ).scalars()
                )
        return [uid for uid in uids if uid not in found]

    def record(self, mailbox: str, folder: str, cursor: Cursor, mails: Sequence[tuple[Fetched, str, str]]) -> int:
        """See `ArrivalStore.record`."""
        now = self._clock.now()
        position = {
            "uidvalidity": cursor.uidvalidity,
            "position": cursor.position,
            "started_at": cursor.started_at,
            "backlog": cursor.backlog,
            "since": cursor.since,
        }
        with transaction(self._engine) as connection:
            new = keep(connection, mailbox, folder, cursor.uidvalidity, mails, now)
            connection.execute(
                insert(cursors)
                .values(mailbox=mailbox, folder=folder, **position)
                .on_conflict_do_update(index_elements=["mailbox", "folder"], set_=position)
            )
        return new

    def untouched(self, mailbox: str, folder: str, uidvalidity: int, limit: int) -> list[str]:
        """See `ArrivalStore.untouched`."""
        with transaction(self._engine) as connection:
            return list(
                connection.execute(
                    select(arrivals.c.uid)
                    .where(
                        arrivals.c.touched_at.is_(None),
                        arrivals.c.mailbox == mailbox,
                        arrivals.c.folder == folder,
                        arrivals.c.uidvalidity == uidvalidity,
                    )
                    .order_by(arrivals.c.id)
                    .limit(limit)
                ).scalars()
            )

    def touched(self, mailbox: str, folder: str, uidvalidity: int, uids: Sequence[str]) -> None:
        """See `ArrivalStore.touched`."""
        now = self._clock.now()
        with transaction(self._engine) as connection:
            for chunk in chunks(uids):
                connection.execute(
                    update(arrivals)
                    .where(
                        arrivals.c.mailbox == mailbox,
                        arrivals.c.folder == folder,
                        arrivals.c.uidvalidity == uidvalidity,
                        arrivals.c.uid.in_(chunk),
                    )
                    .values(touched_at=now)
                )

    def note_poll(self, mailbox: str, folder: str, error: str = "", refused: bool = False) -> None:
        """See `ArrivalStore.note_poll`."""
        now = self._clock.now()
        values: dict[str, object] = {"polled_at": now, "last_error": error, "failing_since": None, "refused": False}
        with transaction(self._engine) as connection:
            if error:
                here = mailboxes.c.mailbox == mailbox, mailboxes.c.folder == folder
                before = connection.execute(select(mailboxes).where(*here)).first()
                values["failing_since"] = (before and before.failing_since) or now
                # A poll that gets no further than the network says nothing of the sign-in that was refused before.
                values["refused"] = refused or bool(before and before.refused)
            else:
                values["succeeded_at"] = now
            connection.execute(
                insert(mailboxes)
                .values(mailbox=mailbox, folder=folder, **values)
                .on_conflict_do_update(index_elements=["mailbox", "folder"], set_=values)
            )

    def note_quota(self, mailbox: str, folder: str, quota: Quota | None) -> None:
        """See `ArrivalStore.note_quota`."""
        used, limit = (quota.used, quota.limit) if quota else (None, None)
        with transaction(self._engine) as connection:
            connection.execute(
                update(mailboxes)
                .where(mailboxes.c.mailbox == mailbox, mailboxes.c.folder == folder)
                .values(quota_used=used, quota_limit=limit)
            )
