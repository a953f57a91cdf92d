"""What the stages have in common that look at the whole rather than at one mail after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod

from helpdesk_daemon.lanes import Wake


class Looking(ABC):
    """A stage that looks at its start, whenever woken, and every `pause` seconds (None: only when woken)."""

    pause: float | None = None

    def __init__(self) -> None:
        self.wake = Wake()
        self._stopping = False

    @abstractmethod
    async def look(self) -> object:
        """Look once, and do what is to be done."""

    async def run(self) -> None:
        """Look until `stop`.

        Raises:
            StoreError: the database cannot be used; nothing goes on without it.
        """
        while not self._stopping:
            await self.look()
            await self.wake.wait(self.pause)

    def stop(self) -> None:
        """End after the look in hand."""
        self._stopping = True
        self.wake()
