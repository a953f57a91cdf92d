"""What the stages have in common that look at the whole rather than at one mail after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod

from helpdesk_daemon.errors import StoreError
from helpdesk_daemon.lanes import Wake
from helpdesk_daemon.log import get


class Looking(ABC):
    """A stage that looks at its start, whenever woken, and every `pause` seconds (None: only when woken).

    Attributes:
        name: of the stage, in the log.
        wake: makes it look.
    """

    name: str
    pause: float | None = None

    def __init__(self) -> None:
        self.wake = Wake()
        self._log = get(self.name)
        self._stopping = False

    @abstractmethod
    async def _see(self) -> None:
        """Find out what is to be done, and do it."""

    async def look(self) -> None:
        """Look once.

        Raises:
            StoreError: the database cannot be used. Nothing else: what only looks must not stop the mail.
        """
        try:
            await self._see()
        except StoreError:
            raise
        except Exception as error:
            self._log.error(f"{self.name}.failed", error=repr(error))

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
