"""When a deferred mail is tried again."""

from __future__ import annotations

from datetime import timedelta

FIRST = timedelta(seconds=30)
LONGEST = timedelta(hours=1)
GIVE_UP = timedelta(days=4)  # RFC 5321 section 4.5.4.1: at least four to five days


def delay(attempts: int, jitter: float) -> timedelta:
    """Time to wait after a failed attempt: doubling, bounded, spread.

    Args:
        attempts: tries so far, at least 1.
        jitter: a random number from 0 to 1; spreads waits over 75 to 125 %, so that a backlog does not
            come back as one wave.
    """
    step: timedelta = min(FIRST * (1 << min(attempts - 1, 12)), LONGEST)
    return step * (0.75 + 0.5 * jitter)


def seconds(value: float) -> timedelta:
    """A server's own wish, bounded by our longest wait."""
    return min(timedelta(seconds=value), LONGEST)
