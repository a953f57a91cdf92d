"""How many mails may leave now: the budget of outgoing mail, by the minute."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from helpdesk_daemon.outgoing.limits import Bucket, Rate, take, wait
from helpdesk_daemon.outgoing.message import UNHELD
from helpdesk_daemon.ports import Due

SCOPE = "smtp"


class Budget:
    """Lets mails through at a rate; alerts at once, whatever is left, though they count.

    It lives in memory: a restart begins it anew, with one burst.

    Args:
        rate: at which mails may leave; None for no bound.
    """

    def __init__(self, rate: Rate | None) -> None:
        self._rate = rate
        self._buckets: dict[str, Bucket] = {}

    def grant(self, rows: Sequence[Due], now: datetime) -> list[Due]:
        """Those of `rows` that may leave now, in their order; each takes a token."""
        rate = self._rate
        return list(rows) if rate is None else [row for row in rows if self._token(rate, now) or row.kind in UNHELD]

    def _token(self, rate: Rate, now: datetime) -> bool:
        after, empty = take(self._buckets, {SCOPE: rate}, now)
        self._buckets |= after
        return not empty

    def wait(self, now: datetime) -> float:
        """Seconds until the next mail may leave."""
        return wait(self._buckets, SCOPE, self._rate, now) if self._rate else 0.0
