"""Retention: forgets what the operator does not want kept for longer, a little at a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.ports import Clock, RetentionStore
from helpdesk_daemon.stages.looking import Looking

BATCH = 200  # rows a transaction: new mail waits no longer than that takes


class Retain(Looking):
    """Forgets whenever woken.

    Args:
        store: what may be forgotten.
        ages: by kind, how old it may become; a kind that is not named is kept.
        clock: tells the time.
        db: the database's thread.
    """

    name = "retention"

    def __init__(self, store: RetentionStore, ages: Mapping[str, timedelta], clock: Clock, db: Lane) -> None:
        self._store, self._ages, self._clock, self._db = store, ages, clock, db
        super().__init__()

    async def _see(self) -> None:
        await self.sweep()

    async def sweep(self) -> dict[str, int]:
        """Forget all that is too old; how many rows of each kind.

        Raises:
            StoreError: the database cannot be used.
        """
        forgotten: dict[str, int] = {}
        for what, age in self._ages.items():
            before = self._clock.now() - age
            while not self._stopping and (rows := await self._db(self._store.forget, what, before, BATCH)):
                forgotten[what] = forgotten.get(what, 0) + rows
        if forgotten:
            await self._db(self._store.note, forgotten)
            self._log.info("retention.applied", **forgotten)
        return forgotten
