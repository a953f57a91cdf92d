"""Time, and the named moments of a crash test."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

# Named moments at which a crash test kills the process; does nothing in the daemon.
Reached = Callable[[str], None]


def pass_by(name: str) -> None:
    """The `Reached` of the running daemon."""


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present moment, UTC, aware."""
