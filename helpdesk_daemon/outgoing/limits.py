"""Token buckets that bound what the daemon sends by itself, because headers that should prevent loops lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from helpdesk_daemon.mail.message import base_address


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


ONCE_A_DAY = Rate(1, 1 / 24)  # how often people are told of one and the same trouble
# Scopes of the whole installation.
ALL_ACKNOWLEDGEMENTS, ALL_MAIL, QUARANTINE = "all", "mail", "quarantine"


@dataclass(frozen=True, slots=True)
class Limits:
    """The rates of all scopes.

    Attributes:
        address: acknowledgements to one address; forwards of what a department's own address writes.
        ticket: notices on one ticket, of what was held or came back.
        total: acknowledgements in all; when it is used up, the circuit breaker opens.
        conversation: received mails of one ticket that lead to mails of ours; notices of quarantined mail.
        sender: forwards of new tickets of one requester.
        mail: mails of every kind in all; when it is used up, the circuit breaker opens.
    """

    address: Rate
    ticket: Rate
    total: Rate
    conversation: Rate = Rate(20, 20)
    sender: Rate = Rate(200, 200)
    mail: Rate = Rate(10_000, 10_000)


def address_scope(email: str) -> str:
    """What acknowledgements to an address count against, whatever detail it carries."""
    return f"address:{base_address(email)}"


def sender_scope(email: str) -> str:
    """What forwards of new tickets count against."""
    return f"sender:{base_address(email)}"


def notice_scope(ticket: str) -> str:
    """What notices about a ticket count against."""
    return f"ticket:{ticket}"


def conversation_scope(ticket: str) -> str:
    """What mails count against that a reply on a ticket leads to."""
    return f"conversation:{ticket}"


def told_scope(scope: str) -> str:
    """What telling people of a trouble counts against, at `ONCE_A_DAY`."""
    return f"told:{scope}"


def scopes_of(addresses: Iterable[str], tickets: Iterable[str]) -> list[str]:
    """Every scope that mail of some senders, on some tickets, may count against."""
    troubles = [sender_scope(a) for a in addresses]
    found = [ALL_ACKNOWLEDGEMENTS, ALL_MAIL, QUARANTINE, *(address_scope(a) for a in addresses)]
    for ticket in tickets:
        found.append(notice_scope(ticket))
        troubles.append(conversation_scope(ticket))
    return [*found, *troubles, *map(told_scope, troubles)]


def _filled(bucket: Bucket | None, rate: Rate, now: datetime) -> float:
    if bucket is None:
        return float(rate.burst)
    hours = max((now - bucket.at).total_seconds(), 0.0) / 3600
    return min(bucket.tokens + hours * rate.hourly, float(rate.burst))


def pace(per_minute: int) -> Rate | None:
    """At most so many mails in any minute, as a rate; None for no bound.

    The burst and what flows back within a minute make `per_minute` together.
    """
    if not per_minute:
        return None
    burst = max(per_minute // 10, 1)
    return Rate(burst, max(per_minute - burst, 0.5) * 60)


def wait(buckets: Mapping[str, Bucket], scope: str, rate: Rate, now: datetime) -> float:
    """Seconds until a scope has a token again."""
    return max(1 - _filled(buckets.get(scope), rate, now), 0.0) / rate.hourly * 3600


def take(
    buckets: Mapping[str, Bucket], scopes: Mapping[str, Rate], now: datetime, tokens: int = 1
) -> tuple[dict[str, Bucket], str]:
    """Take tokens from every scope, or from none.

    Args:
        buckets: the present state by scope; a missing one is full.
        scopes: the scopes this mail counts against, with their rates.
        now: the present moment, UTC.
        tokens: how many mails it is; more than a burst count as one burst.

    Returns:
        The changed buckets and the first scope that is empty; with an empty scope nothing changes.
    """
    after: dict[str, Bucket] = {}
    for scope, rate in scopes.items():
        left = _filled(buckets.get(scope), rate, now)
        wanted = min(tokens, rate.burst)
        if left < wanted:
            return {}, scope
        after[scope] = Bucket(left - wanted, now)
    return after, ""
