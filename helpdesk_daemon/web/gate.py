"""How much each caller may ask: token buckets in memory, the oldest forgotten when there are too many."""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address, ip_network

from helpdesk_daemon.outgoing.limits import Bucket, Rate, take
from helpdesk_daemon.ports import Clock

MOST = 20_000  # callers remembered


class Gate:
    """Lets a caller pass as long as its bucket holds a token."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def wait(self, scope: str, rate: Rate) -> int:
        """Take a token.

        Returns:
            0, or the seconds after which there is one again.
        """
        now = self._clock.now()
        after, empty = take(self._buckets, {scope: rate}, now)
        self._buckets |= after
        if scope in self._buckets:
            self._buckets.move_to_end(scope)
        if len(self._buckets) > MOST:
            self._buckets.popitem(last=False)
        return int(3600 / rate.hourly) + 1 if empty else 0


def minutely(count: int) -> Rate:
    """So many at once, and a minute."""
    return Rate(count, count * 60)


def hourly(count: int) -> Rate:
    """So many at once, and an hour."""
    return Rate(count, count)


def caller(host: str) -> str:
    """Who an address is for the limits: of IPv6 its /64, as one customer has that many addresses."""
    try:
        address = ip_address(host)
    except ValueError:
        return host[:60] or "unknown"
    return str(ip_network((int(address) >> 64 << 64, 64))) if isinstance(address, IPv6Address) else str(address)
