"""When an answer is due."""

from __future__ import annotations

from datetime import datetime, timedelta


def due_at(received: datetime, hours: float) -> datetime:
    """The time promised for the first answer.

    Args:
        received: receipt by our server, UTC.
        hours: the promise, in hours around the clock.

    Returns:
        The due time, UTC.
    """
    return received + timedelta(hours=hours)
