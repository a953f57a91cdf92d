"""When the copy on a server is brought in step: at once, then ever more rarely while that does not help."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from helpdesk_daemon.errors import StoreError, TransientError
from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.stages.keep_index import KeepIndex


class Copy:
    """An index that fails in a chosen way.

    Attributes:
        error: raised by every sync.
        relapses: whether it fails again as soon as it was found good.
    """

    def __init__(self, error: Exception | None = None, relapses: bool = False) -> None:
        self.trouble, self.error, self.relapses = "", error, relapses
        self.wake: Callable[[], None] = lambda: None
        self.syncs = 0

    def sync(self, *, stopped: Callable[[], bool]) -> None:
        self.syncs += 1
        if self.error:
            raise self.error
        if self.relapses:
            self.trouble = "again"
            self.wake()

    def abort(self) -> None: ...

    def close(self) -> None: ...


async def pauses_of(copy: Copy, count: int) -> list[float]:
    """The first pauses between syncs that failed or did not last."""
    lane, pauses = Lane("index"), list[float]()
    keep = KeepIndex(copy, lane, 60)

    async def wait(seconds: float | None = None) -> bool:
        pauses.append(seconds or 0)
        if len(pauses) == count:
            keep.stop()
        return False

    keep._stop.wait = wait  # type: ignore[method-assign]
    keep._wake()
    await keep.run()
    await keep.close()
    lane.close()
    return pauses


@pytest.mark.parametrize("error", [TransientError("down"), KeyError("bug")])
def test_a_sync_that_fails_is_tried_again_ever_more_rarely(error: Exception) -> None:
    copy = Copy(error)
    assert asyncio.run(pauses_of(copy, 7)) == [2, 4, 8, 16, 32, 60, 60]
    assert copy.syncs == 7


def test_an_index_that_never_stays_good_is_found_good_ever_more_rarely() -> None:
    copy = Copy(relapses=True)
    assert asyncio.run(pauses_of(copy, 4)) == [2, 4, 8, 16]
    assert copy.syncs == 5, "the first relapse is mended at once"


def test_a_database_that_fails_ends_it() -> None:
    with pytest.raises(StoreError):
        asyncio.run(pauses_of(Copy(StoreError("full")), 1))
