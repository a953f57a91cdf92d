"""Whether more mail than usual is like no example, however little it has in common.

A crowd is about one thing. What comes with a new product or in a new language may be about many, and most such mail
goes to triage without anybody being told why there is so much. So each mail is ranked among those before it by how
like it is to the examples, and the lowest `SHARE` are *unlike*. While nothing changes, that is a matter of chance
whatever mail is like, and a control chart can be kept of it (sequential ranks; Bhattacharya and Frierson 1981, Annals
of Statistics 9).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from helpdesk_daemon.triage.watching import chart
from helpdesk_daemon.triage.watching.gathering import Recent

SHARE = 0.02
LEAST = 500  # mails to rank among
LATELY = 600  # mails within which one person counts once
NAMED = 8
# Fewer than one quiet stream of 5,000 mails in a hundred alarms, and half of the topics that make up one mail in twelve
# are told within nine of their mails (`scripts/watch_limits.py`).
RULE = chart.Rule(odds=5.0, limit=10.0, least=0, own=False)


@dataclass(frozen=True, slots=True)
class Novelty:
    """How much mail is unlike; all that has to be kept.

    Attributes:
        chart: where its chart stands, an unlike mail for a mistake.
        tickets: tracking IDs of the latest that were unlike, newest last.
    """

    chart: chart.Chart = field(default_factory=chart.Chart)
    tickets: tuple[str, ...] = ()


def follow(
    before: Novelty, recent: Recent, first: int, tickets: Sequence[str], since: float = 0.0, told: Collection[int] = ()
) -> Novelty:
    """After new mails.

    Args:
        before: as it was.
        recent: the latest mails.
        first: row of the first that is new.
        tickets: tracking IDs of all rows.
        since: seconds; what was received earlier is passed over.
        told: rows that belong to a crowd, of which people are told.
    """
    after = before
    for row in range(max(first, LEAST), len(recent.at)):
        again = recent.people[row] in recent.people[max(row - LATELY, 0) : row]
        if again or row in told or recent.at[row] < since:
            continue
        unlike = bool(recent.scope[row] < np.quantile(recent.scope[:row], SHARE))
        named = (*after.tickets, tickets[row])[-NAMED:] if unlike else after.tickets
        after = replace(after, chart=chart.step(after.chart, RULE, 1.0 - SHARE, not unlike), tickets=named)
    return after
