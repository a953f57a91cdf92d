"""Stage one: fetch new mail, keep it, and only then touch the mailbox."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from helpdesk_daemon import metrics
from helpdesk_daemon.errors import ConfigError, HelpdeskError, PermanentError, SignInError, StoreError, TransientError
from helpdesk_daemon.lanes import Lane, Wake
from helpdesk_daemon.log import get
from helpdesk_daemon.mail.digest import digest, message_id_of
from helpdesk_daemon.ports import ArrivalStore, Cursor, Fetched, Mailbox, Metered, Reached, pass_by

TOUCH_BATCH = 200
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
SIGN_IN_PAUSE = 300.0  # a refused password is not tried in a hurry: servers lock accounts
REFUSED = (ConfigError, SignInError, PermanentError)  # a person has to mend these
LONG_WAIT = QUOTA_SECONDS = 3_600.0


class Ingest:
    """Feeds one mailbox into the ledger.

    Args:
        mailbox: to read.
        store: the ledger.
        lane: the mailbox's own thread.
        db: the database's thread.
        key: of mail digests.
        arrived: called when new mail was kept.
        reached: named moments, for crash tests.
    """

    def __init__(
        self, mailbox: Mailbox, store: ArrivalStore, lane: Lane, db: Lane, key: bytes,
        arrived: Callable[[], None], reached: Reached = pass_by,
    ) -> None:  # fmt: skip
        self._mailbox, self._store, self._lane, self._db = mailbox, store, lane, db
        self._key, self._arrived, self._reached = key, arrived, reached
        self._log = get("ingest").bind(mailbox=mailbox.name)
        self._stopping = False
        self._next_quota = 0.0
        self._stop = Wake()
        self.failing = ""

    async def poll(self) -> int:
        """Take everything new, once.

        Returns:
            How many mails were new to the ledger.

        Raises:
            TransientError, SignInError, PermanentError: the mailbox cannot be read.
            StoreError: the database cannot be written.
        """
        box = self._mailbox
        try:
            known = await self._db(self._store.cursor, box.name, box.folder)
            cursor, uids = await self._lane(box.discover, known)
            if uids:
                uids = await self._db(self._store.unknown, box.name, box.folder, cursor.uidvalidity, uids)
            if known is None or cursor.uidvalidity != known.uidvalidity:
                if known is not None:
                    self._log.warning("folder.recreated", old=known.uidvalidity, new=cursor.uidvalidity)
                await self._db(self._store.record, box.name, box.folder, cursor, [])
            new = await self._take(cursor, uids)
            await self._touch(cursor.uidvalidity)
        except BaseException as error:
            await self._lane(box.close)
            if isinstance(error, HelpdeskError) and not isinstance(error, StoreError):
                await self._db(self._store.note_poll, box.name, box.folder, str(error), isinstance(error, REFUSED))
            raise
        await self._db(self._store.note_poll, box.name, box.folder)
        await self._ask_quota()
        return new

    async def _ask_quota(self) -> None:
        """Ask a server that tells how full the mailbox is, at the first poll and then every hour."""
        now = asyncio.get_running_loop().time()
        if not isinstance(self._mailbox, Metered) or now < self._next_quota:
            return
        self._next_quota = now + QUOTA_SECONDS
        try:
            quota = await self._lane(self._mailbox.quota)
        except HelpdeskError:
            return  # the next poll meets the same trouble, and tells of it
        await self._db(self._store.note_quota, self._mailbox.name, self._mailbox.folder, quota)

    async def _take(self, cursor: Cursor, uids: Sequence[str]) -> int:
        new = 0
        while uids and not self._stopping:
            mails, settled = await self._lane(self._mailbox.fetch, uids)
            if not settled:
                raise TransientError("the server answered a fetch with nothing")
            keyed = await self._lane(self._keyed, mails)
            gone = set(settled)
            uids = [uid for uid in uids if uid not in gone]
            cursor = replace(cursor, position=max(cursor.position, _reached_position(settled, uids)))
            self._reached("ingest.fetched")
            fresh = await self._db(self._store.record, self._mailbox.name, self._mailbox.folder, cursor, keyed)
            metrics.arrived.labels(self._mailbox.name).inc(fresh)
            new += fresh
            self._reached("ingest.recorded")
            self._log.info("message.arrived", count=len(mails), bytes=sum(len(m.raw) for m in mails))
            self._arrived()
        return new

    def _keyed(self, mails: Sequence[Fetched]) -> list[tuple[Fetched, str, str]]:
        return [(mail, digest(mail.raw, self._key), message_id_of(mail.raw)) for mail in mails]

    async def _touch(self, uidvalidity: int) -> None:
        """Mark what is kept; what a crash or a failure left out is found again here."""
        box = self._mailbox
        while uids := await self._db(self._store.untouched, box.name, box.folder, uidvalidity, TOUCH_BATCH):
            await self._lane(box.touch, uids)
            self._reached("ingest.touched")
            await self._db(self._store.touched, box.name, box.folder, uidvalidity, uids)
            self._reached("ingest.noted")

    async def run(self) -> None:
        """Poll, wait for news, poll again, until `stop`.

        Raises:
            StoreError: the database cannot be written; nothing goes on without it.
        """
        failures, polled = 0, False
        while not self._stopping:
            try:
                with metrics.timed("poll"):
                    await self.poll()
                if not polled:
                    self._log.info("mailbox.opened", folder=self._mailbox.folder)
                    polled = True
                if self.failing:
                    self._log.info("mailbox.recovered", after=failures)
                failures, self.failing = 0, ""
                await self._lane(self._mailbox.wait, LONG_WAIT)
            except StoreError:
                raise
            except (*REFUSED, TransientError) as error:
                failures += 1
                await self._pause(error, failures)

    async def _pause(self, error: HelpdeskError, failures: int) -> None:
        refused = isinstance(error, REFUSED)
        seconds = SIGN_IN_PAUSE if refused else min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE)
        seconds *= random.uniform(0.75, 1.25)  # noqa: S311  spreads reconnects, guards nothing
        self.failing = str(error)
        metrics.failures.labels("mailbox").inc()
        self._log.error("mailbox.failed", error=str(error), next_try_in=round(seconds, 1), failures=failures)
        await self._stop.wait(seconds)

    def wake(self) -> None:
        """Look now rather than when the server or the clock says so."""
        self._mailbox.interrupt()

    async def close(self) -> None:
        """End the connection."""
        await self._lane(self._mailbox.close)

    def stop(self) -> None:
        """End after the batch in hand."""
        self._stopping = True
        self._stop()
        self._mailbox.interrupt()


def _reached_position(settled: Sequence[str], left: Sequence[str]) -> int:
    """How far the cursor may go: up to the last mail settled, but never past one that is left."""
    last = max(map(_number, settled), default=0)
    return min([last, *(_number(uid) - 1 for uid in left if _number(uid))])


def _number(uid: str) -> int:
    return int(uid) if uid.isdecimal() and len(uid) < 11 else 0
