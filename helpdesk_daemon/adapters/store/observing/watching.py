"""What the daemon knows of its own decisions: the latest mails, states of what is watched, crowds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.mail.verdicts import CLOSING
from helpdesk_daemon.adapters.store.schema.tickets import tickets
from helpdesk_daemon.adapters.store.schema.watching import crowd_tickets, crowds, sightings, verdicts, watching
from helpdesk_daemon.ports import Audit, Clock
from helpdesk_daemon.ports.watching import Findings, News, State, Verdict
from helpdesk_daemon.triage.watching.gathering import Crowd, Recent

KEPT = 4_000  # mails that new ones are compared with
CURSOR = "cursor"
_put = upsert(watching)
_replace = _put.on_conflict_do_update(
    index_elements=["name"], set_={name: _put.excluded[name] for name in ("state", "alarmed_at", "at")}
)


class Watching:
    """`WatchingStore` on the database."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    def news(self, limit: int) -> News:
        """See `WatchingStore.news`."""
        with transaction(self._engine) as connection:
            states = {row.name: State(row.state, row.alarmed_at) for row in connection.execute(select(watching))}
            known = json.loads(states.pop(CURSOR).text) if CURSOR in states else [0, 0]
            new = select(sightings.c.id).where(sightings.c.id > known[0]).order_by(sightings.c.id).limit(limit)
            fresh = list(connection.execute(new).scalars())
            newest = fresh[-1] if fresh else known[0]
            rows = _latest(connection, newest) if fresh else []
            said = connection.execute(
                select(verdicts).where(verdicts.c.id > known[1]).order_by(verdicts.c.id).limit(limit)
            ).all()
            opened = sorted(connection.execute(select(crowds).where(crowds.c.ended_at.is_(None))), key=lambda r: r.id)
        return News(
            [_verdict(row) for row in said], states, _recent(rows) if rows else None, [row.ticket for row in rows],
            [row.category for row in rows], len(fresh), [_crowd(row) for row in opened], newest,
            (newest, said[-1].id if said else known[1]),
        )  # fmt: skip

    def keep(self, news: News, findings: Findings) -> None:
        """See `WatchingStore.keep`."""
        now = self._clock.now()
        states = {**findings.states, CURSOR: State(json.dumps(news.cursor))}
        with transaction(self._engine) as connection:
            connection.execute(_replace, [
                {"name": name, "state": state.text, "alarmed_at": state.alarmed_at, "at": now}
                for name, state in states.items()
            ])  # fmt: skip
            for crowd, joined in findings.crowds:
                _grow(connection, crowd, joined, now)
            _end(connection, findings.over, now)
            connection.execute(delete(sightings).where(sightings.c.id <= news.newest - KEPT))


def _latest(connection: Connection, newest: int) -> Sequence[Any]:
    """The mails up to a number, oldest first, with who wrote them."""
    columns = sightings.c.ticket, sightings.c.at, sightings.c.category, sightings.c.scope, sightings.c.vector
    wanted = (
        select(*columns, tickets.c.requester_email)
        .join(tickets, tickets.c.id == sightings.c.ticket)
        .where(sightings.c.id > newest - KEPT, sightings.c.id <= newest)
        .order_by(sightings.c.id)
    )
    return connection.execute(wanted).all()


def _recent(rows: Sequence[Any]) -> Recent:
    """Rows as arrays; vectors of another model than the latest mail's are like nothing."""
    size = len(rows[-1].vector)
    empty = np.zeros(size // 2, dtype="<f2").tobytes()
    raw = b"".join(row.vector if len(row.vector) == size else empty for row in rows)
    people = {email: number for number, email in enumerate(dict.fromkeys(row.requester_email for row in rows))}
    return Recent(
        np.array([row.at.timestamp() for row in rows]),
        np.array([people[row.requester_email] for row in rows], dtype=np.int64),
        np.array([row.scope for row in rows]),
        np.frombuffer(raw, dtype="<f2").reshape(len(rows), -1).astype(np.float32),
    )


def _verdict(row: Any) -> Verdict:
    closing = row.said_by == CLOSING
    return Verdict(row.department, row.confidence, row.right, closing, row.needs_review, row.by_rule)


def _crowd(row: Any) -> Crowd:
    centre = np.frombuffer(row.centre, dtype="<f2").astype(np.float32)
    return Crowd(row.id, row.kind, centre, row.began_at.timestamp(), row.last_at.timestamp(), row.last_sighting)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _grow(connection: Connection, crowd: Crowd, joined: Iterable[str], now: datetime) -> None:
    """Write a new crowd, or that others joined it; what begins stands in the audit log with its tickets."""
    number, names = crowd.id, list(joined)
    latest = {"last_at": _moment(crowd.last_at), "last_sighting": crowd.last}
    if number:
        connection.execute(update(crowds).where(crowds.c.id == number).values(latest))
    else:
        number = connection.execute(insert(crowds).values(
            kind=crowd.kind, began_at=_moment(crowd.first_at), centre=crowd.centre.astype("<f2").tobytes(), **latest
        )).lastrowid  # fmt: skip
        detail = {"crowd": number, "kind": crowd.kind, "tickets": names}
        audit.append(connection, [Audit("crowd.began", detail)], now)
    member = upsert(crowd_tickets).on_conflict_do_nothing()
    if names:
        connection.execute(member, [{"crowd": number, "ticket": ticket} for ticket in names])


def _end(connection: Connection, over: Sequence[int], now: datetime) -> None:
    """End crowds; what is left of the texts goes."""
    if not over:
        return
    connection.execute(update(crowds).where(crowds.c.id.in_(list(over))).values(ended_at=now, centre=None))
    counted = select(crowd_tickets.c.crowd, func.count()).where(crowd_tickets.c.crowd.in_(list(over)))
    counts = {row[0]: row[1] for row in connection.execute(counted.group_by(crowd_tickets.c.crowd))}
    audit.append(connection, [Audit("crowd.ended", {"crowd": n, "tickets": counts.get(n, 0)}) for n in over], now)
