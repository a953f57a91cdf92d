"""The door to an index that is a copy kept elsewhere, for the one who keeps it in step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable


@runtime_checkable
class IndexCopy(Protocol):
    """A vector index whose examples lie on a server.

    Attributes:
        trouble: why the server is not asked at present; empty when it is.
        wake: called, from any thread, when there is something to sync.
    """

    trouble: str
    wake: Callable[[], None]

    def sync(self, *, stopped: Callable[[], bool]) -> object:
        """Make the copy hold what is held, and trust it again. Blocking, for a thread of its own.

        Args:
            stopped: asked now and then; when true, the rest is left for the next time.

        Raises:
            HelpdeskError: it cannot be trusted now.
        """

    def abort(self) -> None:
        """End, from another thread, the call that a sync waits in."""

    def close(self) -> None:
        """End the connections."""
