"""Token buckets that bound automatic mail, because headers that should prevent loops lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Bucket:
    """Tokens left at a moment."""

    tokens: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Rate:
    """How many automatic mails one scope allows.

    Attributes:
        burst: at once, tokens.
        hourly: what flows back, tokens an hour.
    """

    burst: int
    hourly: float


@dataclass(frozen=True, slots=True)
class Limits:
    """The rates of all scopes.

    Attributes:
        address: to one address.
        ticket: on one ticket.
        total: of this installation; when it is used up, the circuit breaker opens.
    """

    address: Rate
    ticket: Rate
    total: Rate


def _filled(bucket: Bucket | None, rate: Rate, now: datetime) -> float:
    if bucket is None:
        return float(rate.burst)
    hours = max((now - bucket.at).total_seconds(), 0.0) / 3600
    return min(bucket.tokens + hours * rate.hourly, float(rate.burst))


def take(buckets: Mapping[str, Bucket], scopes: Mapping[str, Rate], now: datetime) -> tuple[dict[str, Bucket], str]:
    """Take one token from every scope, or from none.

    Args:
        buckets: the present state by scope; a missing one is full.
        scopes: the scopes this mail counts against, with their rates.
        now: the present moment, UTC.

    Returns:
        The changed buckets and the first scope that is empty; with an empty scope nothing changes.
    """
    after: dict[str, Bucket] = {}
    for scope, rate in scopes.items():
        left = _filled(buckets.get(scope), rate, now)
        if left < 1:
            return {}, scope
        after[scope] = Bucket(left - 1, now)
    return after, ""
