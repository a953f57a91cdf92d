"""What a look at the installation makes of the incidents: a pure function, and the words people are told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from helpdesk_daemon.ports import Incident, Trouble

CALM = timedelta(minutes=5)  # how long a trouble stays gone before it counts as over
NAMED = 3  # titles in a subject


def judge(
    known: Sequence[Incident], seen: Sequence[Trouble], unmeasured: Collection[str], now: datetime
) -> list[Incident]:
    """The incidents after a look.

    A trouble becomes an incident when it has lasted as long as its condition asks, and is over when it stayed away for
    `CALM`, so that one that comes and goes tells people little.

    Args:
        known: those suspected or open before.
        seen: what is wrong now.
        unmeasured: names of conditions that could not be looked at; their incidents stay as they are.
        now: the moment of the look.

    Returns:
        Those suspected, open or just recovered; a suspicion that came to nothing is missing.
    """
    troubles = {(t.name, t.subject): t for t in seen}
    after = []
    for incident in known:
        trouble = troubles.pop((incident.name, incident.subject), None)
        if trouble is not None:
            after.append(_lasts(incident, trouble, now))
        elif incident.name in unmeasured:
            after.append(incident)
        elif incident.opened_at is not None:
            after.append(_gone(incident, now))
    fresh = (Incident(0, t.name, t.subject, t.title, t.problem, t.mend, now) for t in troubles.values())
    return after + [_lasts(incident, troubles[incident.name, incident.subject], now) for incident in fresh]


def _lasts(incident: Incident, trouble: Trouble, now: datetime) -> Incident:
    if incident.opened_at is not None:
        return replace(incident, gone_at=None)
    opened_at = now if now - incident.seen_at >= trouble.holds else None
    return replace(incident, title=trouble.title, problem=trouble.problem, mend=trouble.mend, opened_at=opened_at)


def _gone(incident: Incident, now: datetime) -> Incident:
    gone_at = incident.gone_at or now
    return replace(incident, gone_at=gone_at, recovered_at=now if now - gone_at >= CALM else None)


def headline(opened: Sequence[Incident], over: Sequence[Incident]) -> str:
    """The subject of the one mail that tells of everything a look found."""
    told, word = (opened, "Alert") if opened else (over, "Over")
    titles = "; ".join(incident.title for incident in told[:NAMED]) + ("; …" if len(told) > NAMED else "")
    return f"{word}: {titles}" if len(told) == 1 else f"{word}: {len(told)} problems: {titles}"


def payload(incident: Incident, host: str) -> dict[str, object]:
    """An incident as the webhook gets it; `text` is what chat programs show."""
    over = incident.recovered_at is not None
    text = f"Over: {incident.title}" if over else f"Alert: {incident.title}\n{incident.problem}\n{incident.mend}"
    return {
        "event": "recovered" if over else "opened", "id": incident.id, "name": incident.name,
        "subject": incident.subject, "title": incident.title, "problem": incident.problem, "mend": incident.mend,
        "opened_at": _iso(incident.opened_at), "recovered_at": _iso(incident.recovered_at), "host": host,
        "text": f"{text}\n({host})",
    }  # fmt: skip


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at else None
