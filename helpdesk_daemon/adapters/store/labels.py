"""People's corrections become labelled examples, in the transaction that corrects the ticket."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from helpdesk_daemon.adapters.store.examples import digest_of
from helpdesk_daemon.adapters.store.schema import examples
from helpdesk_daemon.ports import Audit, Label

SOURCE = "correction"


def learn(connection: Connection, label: Label, now: datetime) -> Audit:
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
