"""Mails read at once are bounded in bytes as well as in number: a few dozen of the largest would fill the memory."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

MOST_BYTES = 32_000_000


def front(sizes: Iterable[int]) -> int:
    """How many mails from the front have `MOST_BYTES` together; one at least.

    Args:
        sizes: of each mail, in bytes.
    """
    return max(sum(total <= MOST_BYTES for total in accumulate(sizes)), 1)
