"""Mails on tickets, as planning a reply needs them: copies that share a Message-ID, and whole conversations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, select

from helpdesk_daemon.adapters.store.mail.arrivals import unpack
from helpdesk_daemon.adapters.store.schema.mail import arrivals
from helpdesk_daemon.adapters.store.schema.tickets import messages, tickets
from helpdesk_daemon.ports import Stored


def _stored(row: Row[Any]) -> Stored:
    return Stored(row.ticket, row.direction, row.kind, row.message_id, row.sender, row.subject, row.text, row.new_text,
                  row.at, row.files)  # fmt: skip


def copies(connection: Connection, message_ids: Iterable[str]) -> dict[str, list[Stored]]:
    """Mails on tickets by Message-ID, for identifiers that some carry."""
    found: dict[str, list[Stored]] = {}
    wanted = (
        select(messages)
        .join(tickets, tickets.c.id == messages.c.ticket)  # a mail whose ticket is gone is no reason to pass one by
        .where(messages.c.message_id.in_(list(message_ids)))
        .order_by(messages.c.id)
    )
    for row in connection.execute(wanted):
        found.setdefault(row.message_id, []).append(_stored(row))
    return found


def story(connection: Connection, ticket: str) -> list[tuple[Stored, bytes]]:
    """All mails on a ticket with their bytes, oldest first; no bytes where they are gone."""
    wanted = (
        select(messages, arrivals.c.raw)
        .outerjoin(arrivals, arrivals.c.id == messages.c.arrival)
        .where(messages.c.ticket == ticket)
        .order_by(messages.c.id)
    )
    return [(_stored(row), unpack(row.raw) if row.raw else b"") for row in connection.execute(wanted)]
