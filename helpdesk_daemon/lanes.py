"""Lanes: named one-thread executors for blocking work, so that what is not thread-safe has one owner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Lane:
    """Runs blocking calls one after the other on a thread of its own."""

    def __init__(self, name: str) -> None:
        self.name, self._since = name, 0.0
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def __call__(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `work` on the lane's thread and wait for it without blocking the loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: self._run(lambda: work(*args, **kwargs)))

    def _run(self, work: Callable[[], R]) -> R:
        self._since = monotonic()
        try:
            return work()
        finally:
            self._since = 0.0

    def busy(self) -> float:
        """For how many seconds the call in hand has been running; 0 when there is none."""
        since = self._since
        return monotonic() - since if since else 0.0

    def close(self) -> None:
        """Let what runs end; take nothing more."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class Wake:
    """Lets one part tell another that there is work; several calls make one wake-up."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def __call__(self) -> None:
        """Say that there is work."""
        self._event.set()

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait for a call, or until the time is over.

        Returns:
            Whether there was a call.
        """
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return False
        self._event.clear()
        return True
