"""People's corrections become labelled examples, in the transaction that corrects the ticket; so does, where that is
wanted, the category under which a ticket was closed.
"""  # noqa: D205

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from helpdesk_daemon.adapters.store.learning.examples import digest_of
from helpdesk_daemon.adapters.store.schema.deciding import decisions
from helpdesk_daemon.adapters.store.schema.labels import examples
from helpdesk_daemon.ports import Audit, Label
from helpdesk_daemon.triage.vote import UNSAID

SOURCE = "correction"
DAEMON = "daemon"


def learn(connection: Connection, label: Label, now: datetime) -> Audit | None:
    """Keep an example.

    Returns:
        The line for the audit log; None where nothing was learnt.
    """
    return _corrected(connection, label, now) if label.said else _confirmed(connection, label, now)


def _confirmed(connection: Connection, label: Label, now: datetime) -> Audit | None:
    """Keep what nobody contradicted, where the classifier alone decided; it never replaces another label."""
    latest = select(decisions).where(decisions.c.ticket == label.ticket).order_by(decisions.c.id.desc()).limit(1)
    decided = connection.execute(latest).first()
    if decided is None or decided.actor != DAEMON or decided.needs_review or "category" in json.loads(decided.set_by):
        return None
    known = select(examples.c.id).where(examples.c.text == label.text).limit(1)
    if decided.category != label.category or connection.execute(known).first():
        return None
    kept = connection.execute(
        insert(examples).values(
            text=label.text, category=label.category, source=UNSAID, ticket=label.ticket, actor=label.actor,
            created_at=now, digest=digest_of(label.category, label.text),
        )
    ).lastrowid  # fmt: skip
    return Audit("example.confirmed", {"example": kept, "category": label.category}, label.ticket, label.actor)


def _corrected(connection: Connection, label: Label, now: datetime) -> Audit:
    """Keep an example; it wins over every other label of the same text.

    Returns:
        The line for the audit log, with what the labels were before.
    """
    same = select(examples).where(examples.c.text == label.text).order_by(examples.c.id)
    found = connection.execute(same).all()
    before = [
        {"example": row.id, "category": row.category, "source": row.source, "actor": row.actor, "ticket": row.ticket,
         "active": row.active}
        for row in found
    ]  # fmt: skip
    values = {
        "category": label.category, "source": SOURCE, "ticket": label.ticket, "actor": label.actor, "active": True,
        "withdrawal": 0, "batch": 0,
        "digest": digest_of(label.category, label.text),
    }  # fmt: skip
    # The one that says so already stays; else the oldest is rewritten, so that its vector stays with it.
    kept = next((row.id for row in found if row.category == label.category), found[0].id if found else None)
    others = [row.id for row in found if row.id != kept and row.active]
    if others:
        connection.execute(update(examples).where(examples.c.id.in_(others)).values(active=False))
    if kept is None:
        kept = connection.execute(insert(examples).values(text=label.text, created_at=now, **values)).lastrowid
    else:
        connection.execute(update(examples).where(examples.c.id == kept).values(values))
    detail = {"example": kept, "category": label.category, "before": before, "withdrawn": others}
    return Audit("example.corrected", detail, label.ticket, label.actor)
