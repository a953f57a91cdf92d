"""How well routing goes, read for commands, the dashboard and the report; a look costs the same however long we run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Integer, Row, cast, func, select

from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.mail.verdicts import CLOSING, CONFIRMATION, CORRECTION
from helpdesk_daemon.adapters.store.schema.tickets import tickets
from helpdesk_daemon.adapters.store.schema.watching import crowd_tickets, crowds, sightings, verdicts, watching
from helpdesk_daemon.ports.watching import Accuracy, Crowd, Standing
from helpdesk_daemon.triage.watching.estimates import Judged, Share, accuracy, calibration_error, untouched, wilson
from helpdesk_daemon.triage.watching.words import common_words

MOST_VERDICTS = 10_000
MOST_VOTED = 2_000  # that tell whether confidence can be believed
MOST_TICKETS = 200  # of a crowd that are named
WINDOW = timedelta(days=90)
DEPARTMENT = "department:"
Rows = Sequence[Any]


def accuracy_of(engine: Engine, now: datetime, window: timedelta = WINDOW, weight: float = 1.0) -> Accuracy:
    """How well routing goes now.

    Args:
        engine: the database.
        now: the present moment.
        window: how far back verdicts of people count.
        weight: what a ticket that was closed untouched counts, 0 to 1.

    Raises:
        TransientError, StoreError: the database cannot be used.
    """
    with transaction(engine) as connection:
        judged, seen = _verdicts(connection, now - window), _sightings(connection)
        voted = _voted(connection, now - window)
        alarms = _alarms(connection)
        found = open_crowds(connection)
    routed = [row for row in judged if not row.needs_review]
    recent = [row for row in seen if not row.needs_review]
    weights = [weight if row.said_by == CLOSING else 1.0 for row in voted]
    confidences, right = [row.confidence for row in voted], [row.right for row in voted]
    mails, sure = sum(row.count for row in seen), sum(row.count for row in recent)
    return Accuracy(
        now - window, now, weight, _standing("", routed, recent, weight),
        _each(routed, recent, lambda row: row.department, weight, alarms),
        _each(routed, recent, lambda row: row.category, weight, {}),
        _standing("", [row for row in judged if row.needs_review], [row for row in seen if row.needs_review], weight),
        mails, wilson(mails - sure, mails), _tenths(seen), _mean(confidences, weights), _mean(right, weights),
        calibration_error(confidences, right, weights), alarms, found,
    )  # fmt: skip


def overall(connection: Connection, since: datetime, weight: float) -> Share:
    """The accuracy of all that was routed without a person, by verdicts since a moment."""
    judged = [row for row in _verdicts(connection, since) if not row.needs_review]
    return _standing("", judged, [], weight).accuracy


def _verdicts(connection: Connection, since: datetime) -> Rows:
    """The latest verdicts, those that are alike in one row with their count."""
    latest = select(verdicts).where(verdicts.c.at >= since).order_by(verdicts.c.at.desc()).limit(MOST_VERDICTS)
    each = latest.subquery()
    kinds = each.c.department, each.c.category, each.c.needs_review, each.c.said_by
    return list(connection.execute(select(*kinds, func.count().label("count")).group_by(*kinds)))


def _voted(connection: Connection, since: datetime) -> Rows:
    """The latest verdicts on what the classifier itself said, one in a row."""
    wanted = (
        select(verdicts.c.confidence, verdicts.c.right, verdicts.c.said_by)
        .where(verdicts.c.at >= since, verdicts.c.by_rule.is_(False))
        .order_by(verdicts.c.at.desc())
        .limit(MOST_VOTED)
    )
    return list(connection.execute(wanted))


def _sightings(connection: Connection) -> Rows:
    """The latest mails, as many as are kept, and what people said of them; those that are alike in one row."""
    tenth = func.min(cast(sightings.c.confidence * 10, Integer), 9).label("tenth")
    kinds = sightings.c.category, sightings.c.department, sightings.c.needs_review, verdicts.c.said_by, tenth
    both = sightings.outerjoin(verdicts, verdicts.c.ticket == sightings.c.ticket)
    return list(connection.execute(select(*kinds, func.count().label("count")).select_from(both).group_by(*kinds)))


def _alarms(connection: Connection) -> dict[str, datetime]:
    wanted = select(watching.c.name, watching.c.alarmed_at).where(watching.c.alarmed_at.is_not(None))
    return {row.name: row.alarmed_at for row in connection.execute(wanted.order_by(watching.c.name))}


def open_crowds(connection: Connection) -> list[Crowd]:
    """Crowds that go on, newest first, with their tickets."""
    found = connection.execute(select(crowds).where(crowds.c.ended_at.is_(None))).all()
    return [_crowd(connection, row) for row in sorted(found, key=lambda row: -row.id)]


def _crowd(connection: Connection, row: Row[Any]) -> Crowd:
    here = crowd_tickets.c.crowd == row.id
    count = connection.execute(select(func.count()).select_from(crowd_tickets).where(here)).scalar_one()
    wanted = (
        select(tickets.c.id, tickets.c.subject)
        .join(crowd_tickets, crowd_tickets.c.ticket == tickets.c.id)
        .where(here)
        .order_by(tickets.c.created_at, tickets.c.id)
        .limit(MOST_TICKETS)
    )
    members = connection.execute(wanted).all()
    words = common_words([member.subject for member in members])
    named = tuple(member.id for member in members)
    return Crowd(row.id, row.kind, row.began_at, row.last_at, row.ended_at, words, named, count)


def crowd_tickets_of(engine: Engine, crowd: int) -> list[str]:
    """Tracking IDs of all tickets of a crowd, oldest first."""
    wanted = select(tickets.c.id).join(crowd_tickets, crowd_tickets.c.ticket == tickets.c.id)
    with transaction(engine) as connection:
        found = wanted.where(crowd_tickets.c.crowd == crowd).order_by(tickets.c.created_at, tickets.c.id)
        return list(connection.execute(found).scalars())


def crowds_of(engine: Engine, ticket: str) -> list[Crowd]:
    """The crowds a ticket belongs to, also those that are over, newest first."""
    mine = select(crowd_tickets.c.crowd).where(crowd_tickets.c.ticket == ticket)
    wanted = select(crowds).where(crowds.c.id.in_(mine)).order_by(crowds.c.id.desc())
    with transaction(engine) as connection:
        return [_crowd(connection, row) for row in connection.execute(wanted).all()]


def _each(
    judged: Rows, seen: Rows, key: Callable[[Row[Any]], str], weight: float, alarms: dict[str, datetime]
) -> list[Standing]:
    """Standings by what a row belongs to, most judged first."""
    parts: dict[str, tuple[list[Row[Any]], list[Row[Any]]]] = defaultdict(lambda: ([], []))
    for row in judged:
        parts[key(row)][0].append(row)
    for row in seen:
        parts[key(row)][1].append(row)
    found = [
        _standing(name, said, passed, weight, alarms.get(f"{DEPARTMENT}{name}"))
        for name, (said, passed) in parts.items() if name
    ]  # fmt: skip
    return sorted(found, key=lambda standing: (-standing.accuracy.of, standing.name))


def _standing(name: str, judged: Rows, seen: Rows, weight: float, alarmed_at: datetime | None = None) -> Standing:
    said = Counter[str]()
    for row in judged:
        said[row.said_by] += row.count
    count = Judged(said[CORRECTION], said[CONFIRMATION], said[CLOSING])
    moved = sum(row.count for row in seen if row.said_by == CORRECTION)
    return Standing(
        name, accuracy(count, weight), untouched(moved, sum(row.count for row in seen)), count, alarmed_at
    )  # fmt: skip


def _mean(values: Sequence[float], weights: Sequence[float]) -> float | None:
    total = sum(weights)
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / total if total else None


def _tenths(seen: Rows) -> list[int]:
    counts = [0] * 10
    for row in seen:
        counts[row.tenth] += row.count
    return counts
