"""What watching found that people should be told of now, with the words that tell it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, select

from helpdesk_daemon.adapters.store.observing.accuracy import DEPARTMENT, open_crowds
from helpdesk_daemon.adapters.store.schema.watching import watching
from helpdesk_daemon.triage.watching import chart, mix

NAMED = 8  # tickets in an alert
CHANGES = 3
# Conditions that say how mail and labels fare: a person should look, and nothing is broken.
ADVICE = frozenset(
    {"accuracy.fell", "calibration.drifted", "mail.shifted", "mail.unlike", "topic.new", "tickets.burst"}
)
Seen = tuple[str, dict[str, Any]]


def _alarmed(connection: Connection) -> list[Row[Any]]:
    """What alarms; there are as many rows as departments, and few more."""
    wanted = select(watching).where(watching.c.alarmed_at.is_not(None))
    return sorted(connection.execute(wanted), key=lambda row: row.name)


def charts(connection: Connection, department: bool) -> Iterator[Seen]:
    """Control charts that alarm: of departments, or of all confidences."""
    for row in _alarmed(connection):
        if row.name.startswith(DEPARTMENT) if department else row.name == "calibration":
            kept = chart.Chart(**json.loads(row.state))
            values = {"verdicts": kept.verdicts, "usual": round(100 * kept.wrong / max(kept.verdicts, 1))}
            yield row.name.removeprefix(DEPARTMENT) if department else "", values


def shifted(connection: Connection) -> Iterator[Seen]:
    """The mix of categories, where it changed."""
    for row in _alarmed(connection):
        if row.name == "mix":
            kept = mix.Mix(tuple(json.loads(row.state)["blocks"]))
            shift = mix.compare(kept)
            changes = [
                f"{name or 'others'} {100 * before:.0f} % before, {100 * now:.0f} % now"
                for name, before, now in (shift.changes if shift else ())
            ]
            yield "", {"changes": "; ".join(changes[:CHANGES]), "mails": mix.NOW * mix.BLOCK}


def unlike(connection: Connection) -> Iterator[Seen]:
    """Mail like no example, where there is more than usual."""
    for row in _alarmed(connection):
        if row.name == "unlike":
            yield "", {"tickets": ", ".join(json.loads(row.state)["tickets"])}


def crowding(connection: Connection, kind: str) -> Iterator[Seen]:
    """Open crowds of a kind."""
    for crowd in open_crowds(connection):
        if crowd.kind == kind:
            tickets = ", ".join(crowd.tickets[:NAMED]) + (", …" if crowd.count > NAMED else "")
            words = ", ".join(crowd.words) or "no word in common"
            yield str(crowd.id), {"count": crowd.count, "words": words, "tickets": tickets, "since": crowd.began_at}
