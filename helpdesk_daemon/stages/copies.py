"""After stage three: file copies of what was sent in a mailbox's Sent folder; nobody's mail waits for it."""

from __future__ import annotations

import random

from helpdesk_daemon.errors import ConfigError, HelpdeskError, PermanentError, SignInError, StoreError, TransientError
from helpdesk_daemon.lanes import Lane, Wake
from helpdesk_daemon.log import get
from helpdesk_daemon.outgoing import retry
from helpdesk_daemon.ports import Audit, Clock, Copy, CopyStore, Reached, SentFolder, pass_by

READ = 20  # copies read at once
SIGN_IN_PAUSE = 300.0
MAX_REFUSALS = 12  # over about eight hours


class Copies:
    """Files the copies of one mailbox.

    A server that is down is tried again, as a mail server is; a refusal is counted against the mail it is about.

    Args:
        folder: to file in.
        store: says what is still to be filed.
        clock: tells the time.
        lane: the folder's own thread.
        db: the database's thread.
        reached: named moments, for crash tests.
    """

    def __init__(
        self, folder: SentFolder, store: CopyStore, clock: Clock, lane: Lane, db: Lane, reached: Reached = pass_by
    ) -> None:
        self._folder, self._store, self._clock, self._lane, self._db = folder, store, clock, lane, db
        self._reached = reached
        self.mailbox = folder.mailbox
        self._log = get("copies").bind(mailbox=folder.mailbox)
        self._stopping = False
        self.wake, self._stop = Wake(), Wake()

    async def drain(self) -> int:
        """Try to file every copy that waits, once.

        Returns:
            How many were refused and are to be tried again.

        Raises:
            TransientError, SignInError, ConfigError: the folder cannot be reached.
        """
        refused, last = 0, 0
        while not self._stopping and (batch := await self._db(self._store.wanted, self.mailbox, last, READ)):
            for copy in batch:
                refused += await self._file(copy)
                last = copy.id
        if last:
            await self.close()
        return refused

    async def _file(self, copy: Copy) -> bool:
        """File one copy; True when it was refused and is to be tried again."""
        try:
            fresh = await self._lane(self._folder.file, copy)
        except PermanentError as error:
            return await self._refused(copy, str(error))
        except HelpdeskError as error:
            if self._clock.now() - copy.sent_at > retry.GIVE_UP:
                await self._settle(copy, "given up", "given_up", str(error))
            raise
        except Exception as error:  # a bug in one mail must not stop the others
            return await self._refused(copy, repr(error))
        self._reached("copies.filed")
        await self._settle(copy, "copied", "filed", "" if fresh else "it was there already")
        return False

    async def _refused(self, copy: Copy, why: str) -> bool:
        """Count a refusal; True when another try is left."""
        if copy.attempts + 1 < MAX_REFUSALS:
            await self._settle(copy, "wanted", "refused", why)
            return True
        await self._settle(copy, "given up", "given_up", why)
        return False

    async def _settle(self, copy: Copy, state: str, verb: str, why: str) -> None:
        line = Audit(f"copy.{verb}", {"outbox": copy.id, "mailbox": self.mailbox, "reason": why}, copy.ticket)
        await self._db(self._store.settle, copy.id, state, line)
        level = self._log.info if verb == "filed" else self._log.warning
        level(f"copy.{verb}", outbox=copy.id, ticket=copy.ticket, reason=why)

    async def run(self) -> None:
        """File whenever woken, until `stop`.

        Raises:
            StoreError: the database cannot be written; nothing goes on without it.
        """
        failures = 0
        while not self._stopping:
            try:
                problem, least = "copies were refused" if await self.drain() else "", 0.0
            except StoreError:
                raise
            except TransientError as error:
                problem, least = str(error), 0.0
            except (SignInError, ConfigError) as error:
                problem, least = str(error), SIGN_IN_PAUSE
            failures = failures + 1 if problem else 0
            if problem:
                wait = retry.delay(failures, random.random()).total_seconds()  # noqa: S311  spreads, guards nothing
                await self._pause(problem, max(wait, least), failures)
            else:
                await self.wake.wait()

    async def _pause(self, problem: str, seconds: float, failures: int) -> None:
        self._log.error("copies.failed", error=problem, next_try_in=round(seconds), failures=failures)
        await self._stop.wait(seconds)

    async def close(self) -> None:
        """End the connection."""
        await self._lane(self._folder.close)

    def stop(self) -> None:
        """End after the copy in hand."""
        self._stopping = True
        self._stop()
        self.wake()
