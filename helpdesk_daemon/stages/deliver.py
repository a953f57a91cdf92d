"""Stage three: send what is due, and write down how each try ended, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import datetime

from helpdesk_daemon import metrics
from helpdesk_daemon.errors import (
    AmbiguousDelivery,
    HelpdeskError,
    PermanentError,
    SignInError,
    StoreError,
    TooLarge,
    TransientError,
    Unreachable,
)
from helpdesk_daemon.lanes import Lane, Wake
from helpdesk_daemon.log import get, who
from helpdesk_daemon.outgoing import retry
from helpdesk_daemon.outgoing.message import AT_MOST_ONCE, Kind, Outgoing
from helpdesk_daemon.outgoing.shrink import shrink
from helpdesk_daemon.ports import Audit, Clock, Due, OutboxStore, Reached, Sent, Transport, pass_by
from helpdesk_daemon.stages.budget import Budget
from helpdesk_daemon.stages.case import Desk
from helpdesk_daemon.stages.desks import Desks

READ = 64  # rows read at once
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
SIGN_IN_PAUSE = 300.0
Try = tuple[Sent, HelpdeskError | None]  # how one try ended, and the error that ended it
IDLE_WAIT = 60.0  # looks at least this often: another process may have put mail in


class Deliver:
    """Sends the outbox.

    Args:
        store: the outbox.
        transport: hands mail to the server.
        clock: tells the time.
        db: the database's thread.
        wave: how many mails are on their way at a time; this many acknowledgements are in doubt after
            a crash.
        desks: give the present rules: where refused forwards go, and who is told of a refused answer.
        budget: how many mails may leave by the minute.
        reached: named moments, for crash tests.
    """

    def __init__(
        self, store: OutboxStore, transport: Transport, clock: Clock, db: Lane, wave: int,
        desks: Callable[[], Desks], budget: Budget, reached: Reached = pass_by,
    ) -> None:  # fmt: skip
        self._store, self._transport, self._clock, self._db = store, transport, clock, db
        self._wave, self._desks, self._budget, self._reached = wave, desks, budget, reached
        self._log = get("deliver")
        self._stopping = False
        self._failures = 0
        self.failing, self.refused = "", False
        self._flying: set[asyncio.Task[Try]] = set()
        self._settling: asyncio.Task[list[int]] | None = None
        self.wake, self._stop = Wake(), Wake()

    async def drain(self) -> int:
        """Send everything that is due.

        A few mails are on their way at any time; as they end, one transaction writes down how and takes the next.

        Returns:
            How many tries ended, well or badly.

        Raises:
            Unreachable, SignInError: no mail can be sent now; nothing was counted against any.
        """
        done, waiting = 0, list[Due]()
        try:
            while True:
                landed = {task for task in self._flying if task.done()}
                ended = [task.result() for task in landed]
                self._flying -= landed
                down = next((error for _, error in ended if isinstance(error, Unreachable | SignInError)), None)
                room = 0 if down or self._stopping else self._wave - len(self._flying)
                if room and not waiting:
                    waiting = await self._db(self._store.due, READ)
                granted = self._budget.grant(waiting[:room], self._clock.now())
                short = len(granted) < len(waiting[:room])
                begun = await self._turn([sent for sent, _ in ended], granted)
                # While the budget is short, what is due is read anew each time: an alert must not queue behind others.
                waiting, done = [] if short else waiting[room:], done + len(ended)
                if down:
                    self.failing, self.refused = str(down), isinstance(down, SignInError)
                    raise down
                if ended:
                    self._failures, self.failing, self.refused = 0, "", False
                self._flying |= {asyncio.create_task(self._try(row)) for row in begun}
                if short and not self._flying:
                    await self.wake.wait(self._budget.wait(self._clock.now()))
                elif not self._flying and not ended:  # how a mail ended may have put another one in: look once more
                    return done
                await self._half_landed()
        except BaseException as error:
            await asyncio.shield(self._bring_down(isinstance(error, asyncio.CancelledError)))
            raise

    async def _turn(self, results: Sequence[Sent], rows: Sequence[Due]) -> list[Due]:
        """Write down how tries ended and begin others, in one transaction; the rows that were begun."""
        if not (results or rows):
            return []
        if results:
            self._reached("deliver.sent")
        self._settling = asyncio.create_task(self._settle(results, [row.id for row in rows]))
        begun = set(await asyncio.shield(self._settling))
        self._settling = None
        if results:
            self._reached("deliver.finished")
        if begun:
            self._reached("deliver.begun")
        return [row for row in rows if row.id in begun]

    async def _settle(self, results: Sequence[Sent], ids: Sequence[int]) -> list[int]:
        """How a mail ended must not be forgotten because somebody else holds the database: tries until it is free."""
        while True:
            try:
                return await self._db(self._store.settle, results, ids)
            except TransientError as error:
                self._log.error("stage.failed", error=str(error))
                await asyncio.sleep(FIRST_PAUSE)

    async def _half_landed(self) -> None:
        """Wait until half of what is on its way has ended, so that a mail does not cost a commit of its own."""
        wanted = (len(self._flying) + 1) // 2
        while sum(task.done() for task in self._flying) < wanted:
            flying = [task for task in self._flying if not task.done()]
            await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)

    async def _bring_down(self, cut: bool) -> None:
        """Let what is on its way end, or cut it off, and write down how, whatever made `drain` stop."""
        flying, self._flying = self._flying, set()
        for task in flying if cut else ():
            task.cancel()
        ended = await asyncio.gather(*flying, return_exceptions=True)
        results = [entry[0] for entry in ended if isinstance(entry, tuple)]
        if self._settling is not None:
            settling, self._settling = self._settling, None
            results += [Sent(row, "pending", "the daemon was stopped before sending") for row in await settling]
        if results:
            await self._settle(results, [])

    async def _try(self, row: Due) -> Try:
        """Send one mail; every way this can end has its row."""
        try:
            with metrics.timed("send"):
                reply = await self._send(row)
        except (Unreachable, SignInError) as error:
            return Sent(row.id, "pending", str(error)), error
        except AmbiguousDelivery as error:
            return self._unsure(row, str(error)), error
        except PermanentError as error:
            return self._failed(row, str(error)), error
        except TransientError as error:
            return self._deferred(row, str(error), error.retry_after), error
        except asyncio.CancelledError:
            return self._unsure(row, "the daemon was stopped while sending"), None
        except Exception as error:  # a bug in one mail must not stop the others
            self._log.error("outgoing.failed", outbox=row.id, error=repr(error))
            return self._deferred(row, repr(error), None), None
        return self._result(row, "sent", reply), None

    async def _send(self, row: Due) -> str:
        try:
            return await self._transport.send(row.sender, row.recipient, row.mime)
        except TooLarge as error:
            smaller = shrink(row.mime, error.limit, row.ticket)
            if smaller is None:
                raise
            return await self._transport.send(row.sender, row.recipient, smaller)

    def _result(self, row: Due, state: str, reply: str, redirect: str = "", notice: Outgoing | None = None) -> Sent:
        detail = {
            "outbox": row.id, "kind": row.kind, "to": row.recipient, "message_id": row.message_id, "state": state,
            "reply": reply[:300], "attempt": row.attempts + 1,
        }  # fmt: skip
        metrics.outgoing.labels(row.kind, state).inc()
        level = self._log.info if state == "sent" else self._log.warning
        level(f"outgoing.{state}", outbox=row.id, kind=row.kind, ticket=row.ticket, to=who(row.recipient),
              reply=reply[:200])  # fmt: skip
        return Sent(row.id, state, reply, audit=Audit(f"outgoing.{state}", detail, row.ticket), redirect=redirect,
                    notice=notice)  # fmt: skip

    def _failed(self, row: Due, reply: str) -> Sent:
        """Refused for good: a forward goes to triage instead, and the department hears of an answer that did not go."""
        desk = self._desks().of(row.mailbox)
        triage = desk.routing.triage.department.address
        redirect = triage if row.kind == Kind.FORWARD and row.recipient != triage else ""
        notice = _answer_failed(desk, row, reply, self._clock.now()) if row.kind == Kind.RELAY and row.address else None
        return self._result(row, "failed", reply, redirect, notice)

    def _deferred(self, row: Due, reply: str, retry_after: float | None) -> Sent:
        now = self._clock.now()
        if now - row.created_at > retry.GIVE_UP:
            return self._failed(row, f"given up: {reply}")
        wait = retry.delay(row.attempts + 1, random.random())  # noqa: S311  spreads retries, guards nothing
        if retry_after is not None:
            wait = max(wait, retry.seconds(retry_after))
        sent = self._result(row, "deferred", reply)
        return Sent(sent.id, sent.state, sent.reply, now + wait, sent.audit)

    def _unsure(self, row: Due, reply: str) -> Sent:
        if row.kind in AT_MOST_ONCE:
            return self._result(row, "ambiguous", reply)
        return self._deferred(row, f"perhaps sent, so sent again with the same Message-ID: {reply}", None)

    async def run(self) -> None:
        """Send whenever woken or due, until `stop`.

        Raises:
            StoreError: the database cannot be written; nothing goes on without it.
        """
        for row in await self._db(self._store.recover):
            self._log.warning("outgoing.ambiguous", outbox=row, reply="the process died while sending")
        while not self._stopping:
            try:
                await self.drain()
                await self.wake.wait(await self._until_due())
            except StoreError:
                raise
            except (Unreachable, SignInError, TransientError) as error:
                await self._pause(error)

    async def _pause(self, error: HelpdeskError) -> None:
        self._failures += 1
        metrics.failures.labels("transport").inc()
        self.failing = str(error)
        seconds = (
            SIGN_IN_PAUSE
            if isinstance(error, SignInError)
            else min(FIRST_PAUSE * 2 ** min(self._failures - 1, 10), LONGEST_PAUSE)
        )
        self._log.error("transport.failed", error=str(error), next_try_in=seconds, failures=self._failures)
        await self._stop.wait(seconds)

    async def _until_due(self) -> float:
        at = await self._db(self._store.next_due)
        if at is None:
            return IDLE_WAIT
        return min(max((at - self._clock.now()).total_seconds(), 0.05), IDLE_WAIT)

    def stop(self) -> None:
        """End after the wave in hand."""
        self._stopping = True
        self._stop()
        self.wake()

    async def close(self) -> None:
        """End the connections."""
        await self._transport.close()


def _answer_failed(desk: Desk, row: Due, reply: str, now: datetime) -> Outgoing:
    values = {
        "problem": f"Your answer on ticket {row.ticket} did not reach {row.recipient}: {reply[:300]}",
        "mend": "Reach the customer another way, or answer again once the address is right.",
        "identity": desk.composer.identity,
    }
    return desk.composer.notice(Kind.NOTICE, "alert", f"[{row.ticket}] Answer not delivered", row.address, values, now)
