"""Retention: raw mail, bodies, attachments and audit lines go when they are old, a few rows a transaction.

What is still to be decided, sent or filed never goes, however old: the mail comes first. Each step finds its rows by
an index that holds only rows with something to forget, so a look costs nothing once all is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Engine, Table, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.mail.arrivals import pack, unpack
from helpdesk_daemon.adapters.store.schema.labels import examples
from helpdesk_daemon.adapters.store.schema.log import retention
from helpdesk_daemon.adapters.store.schema.mail import arrivals, outbox
from helpdesk_daemon.adapters.store.schema.tickets import messages
from helpdesk_daemon.adapters.store.schema.watching import sightings
from helpdesk_daemon.mail.lighten import lighten
from helpdesk_daemon.ports import Audit, Clock
from helpdesk_daemon.triage.vote import UNSAID

# States with something appended: the planner would else walk all rows of a state, which is most of the table.
SETTLED = (arrivals.c.state + "").in_(("ticket", "reply", "ignored"))  # quarantined mail may still be retried
LEFT = (outbox.c.state + "") == "sent", outbox.c.copy_state != "wanted"


class Retention:
    """`RetentionStore` on the database."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    def forget(self, what: str, before: datetime, limit: int) -> int:
        """See `RetentionStore.forget`."""
        with transaction(self._engine) as connection:
            return STEPS[what](connection, before, limit)

    def note(self, forgotten: Mapping[str, int]) -> None:
        """See `RetentionStore.note`."""
        with transaction(self._engine) as connection:
            audit.append(connection, [Audit("retention.applied", dict(forgotten))], self._clock.now())


def _raw(connection: Connection, before: datetime, limit: int) -> int:
    """Received mails as they came, and sent ones."""
    received, sent = arrivals.c.fetched_at, outbox.c.created_at
    return _empty(connection, received, before, limit, (arrivals.c.raw.is_not(None), SETTLED), raw=None) or _empty(
        connection, sent, before, limit, (outbox.c.mime.is_not(None), *LEFT), mime=None
    )


def _bodies(connection: Connection, before: datetime, limit: int) -> int:
    """The texts of mails on tickets, and what vectors tell of them; sender, subject and time stay."""
    done = _empty(connection, messages.c.at, before, limit, (messages.c.text != "",), text="", new_text="")
    return done or _sightings(connection, before, limit)


def _sightings(connection: Connection, before: datetime, limit: int) -> int:
    old = select(sightings.c.id).where(sightings.c.at < before).order_by(sightings.c.at).limit(limit)
    return connection.execute(delete(sightings).where(sightings.c.id.in_(old.scalar_subquery()))).rowcount


def _forget_bodies(connection: Connection, before: datetime, limit: int) -> int:
    """Texts of mails, and with them those that nobody labelled but that were learnt from closed tickets."""
    mine = examples.c.source == UNSAID, examples.c.created_at < before
    wanted = select(examples.c.id).where(*mine).order_by(examples.c.created_at).limit(limit)
    if ids := list(connection.execute(wanted).scalars()):
        connection.execute(delete(examples).where(examples.c.id.in_(ids)))
    return len(ids) or _bodies(connection, before, limit)


def _empty(
    connection: Connection, at: Column[Any], before: datetime, limit: int, where: Sequence[ColumnElement[bool]],
    **values: Any,
) -> int:  # fmt: skip
    """Empty columns of rows that are older than a moment, oldest first, which is the order of the index."""
    table = at.table
    wanted = select(table.c.id).where(at < before, *where).order_by(at).limit(limit)
    if ids := list(connection.execute(wanted).scalars()):
        connection.execute(update(table).where(table.c.id.in_(ids)).values(values))
    return len(ids)


def _attachments(connection: Connection, before: datetime, limit: int) -> int:
    """Attachments within received and sent mails, whose bytes are written anew without them."""
    done = _lighten(connection, "received", arrivals, arrivals.c.fetched_at, arrivals.c.raw, before, limit, SETTLED)
    return done or _lighten(connection, "sent", outbox, outbox.c.created_at, outbox.c.mime, before, limit, *LEFT)


def _lighten(
    connection: Connection, what: str, table: Table, at: Column[Any], blob: Column[Any], before: datetime, limit: int,
    *where: ColumnElement[bool],
) -> int:  # fmt: skip
    """Go on from the moment that the last step came to; mails of one moment go together."""
    reached = connection.execute(select(retention.c.done_before).where(retention.c.what == what)).scalar()
    here = [at < before, blob.is_not(None), *([at > reached] if reached else [])]
    moments = list(connection.execute(select(at).where(*here).order_by(at).limit(limit)).scalars())
    if not moments:
        return 0
    rows = connection.execute(select(table.c.id, blob.label("blob")).where(*here, at <= moments[-1], *where)).all()
    for row in rows:
        stored = unpack(row.blob) if table is arrivals else row.blob
        smaller = lighten(stored)
        if smaller != stored:
            value = pack(smaller) if table is arrivals else smaller
            connection.execute(update(table).where(table.c.id == row.id).values({blob.name: value}))
    position = {"done_before": moments[-1]}
    connection.execute(
        insert(retention).values(what=what, **position).on_conflict_do_update(index_elements=["what"], set_=position)
    )
    return len(moments)


STEPS: Mapping[str, Callable[[Connection, datetime, int], int]] = {
    "attachments": _attachments, "raw": _raw, "bodies": _forget_bodies, "audit": audit.cut_before,
}  # fmt: skip
