"""The pulse: a sign of life for the service manager, as long as the loop turns and no lane hangs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from helpdesk_daemon.lanes import Lane, Wake
from helpdesk_daemon.log import get

BEAT = 10.0  # seconds between two signs of life, where nobody says how often


class Pulse:
    """Beats until stopped. A loop that hangs beats no more by itself; a lane is looked at.

    Args:
        lanes: with the seconds for which one call may run there at most.
        beat: gives the sign of life.
        seconds: between two of them.
    """

    def __init__(self, lanes: Sequence[tuple[Lane, float]], beat: Callable[[], None], seconds: float = BEAT) -> None:
        self._lanes, self._beat, self._seconds = lanes, beat, seconds
        self._log = get("pulse")
        self._said: list[str] = []
        self._stopping = False
        self._stop = Wake()

    def stuck(self) -> list[str]:
        """Names of lanes whose call runs for longer than it may."""
        return [lane.name for lane, limit in self._lanes if lane.busy() > limit]

    def look(self) -> None:
        """Beat, unless a lane hangs; say so once when that begins and once when it is over."""
        stuck = self.stuck()
        if not stuck:
            self._beat()
        if stuck != self._said:
            self._said = stuck
            level, event = (self._log.error, "lane.stuck") if stuck else (self._log.info, "lane.recovered")
            level(event, lanes=stuck)

    async def run(self) -> None:
        """Beat until `stop`."""
        while not self._stopping:
            self.look()
            await self._stop.wait(self._seconds)

    def stop(self) -> None:
        """Beat no more."""
        self._stopping = True
        self._stop()
