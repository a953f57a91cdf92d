"""Beside the stages: keeps the copy of the examples on a server in step, off the path of mail."""

from __future__ import annotations

import asyncio
import contextlib
import time

from helpdesk_daemon.errors import HelpdeskError, StoreError
from helpdesk_daemon.lanes import Lane, Wake
from helpdesk_daemon.log import get
from helpdesk_daemon.ports import IndexCopy

FIRST_PAUSE = 2.0  # seconds after a sync that failed or did not last; doubled each time, up to the schedule


class KeepIndex:
    """Syncs whenever the index asks for it, and by schedule.

    Args:
        index: what is kept in step.
        lane: its thread, as a sync may take minutes.
        seconds: between syncs that nobody asked for.
    """

    def __init__(self, index: IndexCopy, lane: Lane, seconds: float) -> None:
        self._index, self._lane, self._seconds = index, lane, seconds
        self._failures = self._relapses = 0
        self._stopping = False
        self._wake, self._stop = Wake(), Wake()
        self._log = get("index")

    async def run(self) -> None:
        """Keep it in step until `stop`.

        Raises:
            StoreError: the database cannot be used; nothing goes on without it.
        """
        loop = asyncio.get_running_loop()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it all there is to wake
                loop.call_soon_threadsafe(self._wake)

        self._index.wake = wake
        await self._wake.wait(self._seconds)  # until the examples are loaded
        while not self._stopping:
            await self.once()
            if not self._failures:
                await self._until_wanted()
            if (tried := self._failures or self._relapses - 1) > 0:
                await self._stop.wait(min(self._seconds, FIRST_PAUSE * 2.0 ** min(tried - 1, 16)))

    async def once(self, seconds: float | None = None) -> None:
        """Sync once.

        Args:
            seconds: after which the rest is left for the next time; 0 only checks, and changes nothing.
        """
        until = None if seconds is None else time.monotonic() + seconds
        try:
            await self._lane(
                self._index.sync, stopped=lambda: self._stopping or (until is not None and time.monotonic() >= until)
            )
        except StoreError:
            raise
        except Exception as error:  # a bug here must not stop the mail
            self._failures += 1
            if not isinstance(error, HelpdeskError):
                self._log.error("index.sync_broke", error=repr(error), exc_info=True)
            if not self._stopping and seconds != 0:
                self._log.warning("index.sync_failed", error=str(error), attempts=self._failures)
            return
        self._failures = 0

    async def _until_wanted(self) -> None:
        """Wait for the index or the schedule, and count how often it was found good and soon failed again."""
        woken = await self._wake.wait(self._seconds)
        self._relapses = self._relapses + 1 if woken and self._index.trouble else 0

    def stop(self) -> None:
        """End after the call in hand, and end that too."""
        self._stopping = True
        self._wake()
        self._stop()
        self._index.abort()

    async def close(self) -> None:
        """End the connections, after the call in hand."""
        self._index.abort()
        await self._lane(self._index.close)
