"""One reader for all browsers that watch the dashboard: it looks while somebody watches, and sends what changed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from helpdesk_daemon.errors import HelpdeskError
from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.log import get
from helpdesk_daemon.ports import Clock
from helpdesk_daemon.ports.dashboard import DashboardReading, Picture
from helpdesk_daemon.ports.watching import Accuracy

FRESH = 1.0  # seconds for which a picture is shown again without a look
LOOK = 2.0  # seconds between two looks for those who watch
SLOW = 60.0  # seconds for which accuracy is shown again
RENEW = 10.0  # seconds after which a picture is taken anew although nothing happened: things fall due
LASTS = 60.0  # seconds of a stream; its browser comes again, and is asked again who it is
SILENCE = 15.0  # seconds after which a stream says that it is there
MOST = 50  # browsers that watch at a time

Seen = tuple[Picture, Accuracy]
Parts = Mapping[str, str]  # HTML by id of the element it belongs into


class Watched:
    """A span of days that browsers watch."""

    def __init__(self) -> None:
        self.parts: Parts = {}
        self.moved = asyncio.Event()
        self.watchers = 0
        self.reader: asyncio.Task[None] | None = None


class Live:
    """Pictures of the dashboard, shared.

    Args:
        reading: the database.
        lane: the thread that looks at it for all pages.
        aside: a thread of its own for what takes long.
        clock: tells the time.
    """

    def __init__(self, reading: DashboardReading, lane: Lane, aside: Lane, clock: Clock) -> None:
        self._reading, self._lane, self._aside, self._clock = reading, lane, aside, clock
        self._taken: dict[int, tuple[float, Any, Picture | None]] = {}
        self._accuracy: Accuracy | None = None
        self._asked = 0.0
        self._asking: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._watched: dict[int, Watched] = {}
        self._closed = asyncio.Event()

    @property
    def watchers(self) -> int:
        """Browsers that watch now."""
        return sum(watched.watchers for watched in self._watched.values())

    @property
    def readers(self) -> int:
        """Tasks that read for them, one a span."""
        return len(self._watched)

    async def seen(self, days: int) -> Seen:
        """What there is to see now, at most a second old; whoever asks meanwhile gets the same."""
        async with self._lock:
            return await self._picture(days), await self._slowly()

    async def _picture(self, days: int) -> Picture:
        now = asyncio.get_running_loop().time()
        looked, mark, picture = self._taken.get(days, (0.0, None, None))
        if picture is not None and now - looked < FRESH:
            return picture
        seen = await self._lane(self._reading.mark)
        if picture is None or seen != mark or (self._clock.now() - picture.at).total_seconds() >= RENEW:
            picture = await self._lane(self._reading.picture, self._clock.now(), days)
        self._taken[days] = now, seen, picture
        return picture

    async def _slowly(self) -> Accuracy:
        """Accuracy as it was lately; only the first one to ask waits for it."""
        now = asyncio.get_running_loop().time()
        if self._accuracy is None:
            self._asked, self._accuracy = now, await self._aside(self._reading.accuracy, self._clock.now())
        elif now - self._asked >= SLOW:
            self._asked, self._asking = now, asyncio.create_task(self._ask())
        return self._accuracy

    async def _ask(self) -> None:
        try:
            self._accuracy = await self._aside(self._reading.accuracy, self._clock.now())
        except HelpdeskError as error:
            get("web").error("dashboard.failed", error=str(error))

    async def follow(self, days: int, draw: Callable[[Seen], Parts]) -> AsyncIterator[Parts]:
        """What to show now, then what changes, for a minute; an empty mapping only says that we are there.

        Args:
            days: of the span.
            draw: turns what was seen into parts of the page, the same for every browser.
        """
        watched = self._watched.setdefault(days, Watched())
        watched.watchers += 1
        if watched.reader is None:
            watched.reader = asyncio.create_task(self._read(days, watched, draw))
        try:
            until = asyncio.get_running_loop().time() + LASTS
            shown: Parts = {}
            while (left := until - asyncio.get_running_loop().time()) > 0 and not self._closed.is_set():
                parts = watched.parts
                yield {name: html for name, html in parts.items() if shown.get(name) != html}
                shown = parts
                await self._moved(watched, shown, min(left, SILENCE))
        finally:
            watched.watchers -= 1
            if not watched.watchers:
                self._watched.pop(days, None)
                if watched.reader is not None:
                    watched.reader.cancel()

    async def _moved(self, watched: Watched, shown: Parts, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while watched.parts is shown and not self._closed.is_set():
                    await watched.moved.wait()

    async def _read(self, days: int, watched: Watched, draw: Callable[[Seen], Parts]) -> None:
        drawn: Seen | None = None
        while True:
            try:
                seen = await self.seen(days)
                parts = watched.parts if seen == drawn else draw(seen)
                drawn = seen
            except Exception as error:  # the next look may do better; nobody else would say so
                get("web").error("dashboard.failed", error=repr(error))
            else:
                if parts != watched.parts:
                    watched.parts = parts
                    watched.moved.set()
                    watched.moved.clear()
            await asyncio.sleep(LOOK)

    def close(self) -> None:
        """End all streams, so that the server need not wait for them."""
        self._closed.set()
        self._aside.close()
        for watched in self._watched.values():
            watched.moved.set()
