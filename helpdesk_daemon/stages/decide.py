"""Stage two: each arrival becomes a ticket, a reply on one, ignored, or quarantined; all in one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from helpdesk_daemon.errors import StoreError, TransientError
from helpdesk_daemon.lanes import Lane, Wake
from helpdesk_daemon.log import get, who
from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.mail.references import claims
from helpdesk_daemon.ports import (
    Arrival,
    Audit,
    Clock,
    DecisionStore,
    Known,
    Outcome,
    Question,
    Reached,
    pass_by,
)
from helpdesk_daemon.stages.classify import Classifier
from helpdesk_daemon.stages.plan import Desk, absorb, consider, opens_ticket, plan
from helpdesk_daemon.stages.thread import claimed_tickets, returned_proof
from helpdesk_daemon.triage.text import text_of
from helpdesk_daemon.triage.vote import Vote

BATCH = 16  # two model batches: enough to keep it busy, few enough for a prompt answer
MAX_ATTEMPTS = 3
PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """One arrival, parsed, with its vote where one was needed."""

    arrival: Arrival
    message: Message
    vote: Vote | None
    voted: bool


class Decide:
    """Decides on pending arrivals in batches.

    While one batch is planned and committed, the next is parsed and embedded.

    Args:
        store: arrivals and tickets.
        classifier: votes.
        desk: gives the present rules and everything else that planning needs.
        clock: tells the time.
        db: the database's thread.
        work: a thread for parsing and composing.
        decided: called when outgoing mail was committed.
        reached: named moments, for crash tests.
    """

    def __init__(
        self, store: DecisionStore, classifier: Classifier, desk: Callable[[], Desk], clock: Clock, db: Lane,
        work: Lane, decided: Callable[[], None], reached: Reached = pass_by,
    ) -> None:  # fmt: skip
        self._store, self._classifier, self._desk, self._clock = store, classifier, desk, clock
        self._db, self._work, self._decided, self._reached = db, work, decided, reached
        self._log = get("decide")
        self._stopping = False
        self.wake = Wake()

    async def drain(self) -> int:
        """Decide on everything that waits.

        Returns:
            How many arrivals were settled.
        """
        settled, batch = 0, await self._prepare()
        while batch:
            if len(batch) == 1:  # after a crash mails come one by one, and then none is taken ahead
                settled += await self._conclude(batch)
                batch = await self._prepare()
                continue
            ahead = asyncio.create_task(self._prepare())
            try:
                settled += await self._conclude(batch)
            except BaseException:
                await self._give_back(ahead)
                raise
            batch = await ahead
        return settled

    async def _give_back(self, ahead: asyncio.Task[list[Prepared]]) -> None:
        """A batch taken ahead, but not wanted any more, goes back uncounted."""
        try:
            batch = await ahead
        except Exception:
            return
        await self._db(self._store.release, [p.arrival.id for p in batch], "", False)

    async def _prepare(self) -> list[Prepared]:
        """Claim a batch, parse it, and vote on what will open a ticket."""
        if self._stopping:
            return []
        await self._load()
        arrivals = await self._db(self._store.claim, BATCH)
        if not arrivals:
            return []
        self._reached("decide.claimed")
        desk = self._desk()
        messages = await self._work(lambda: [parse(a.raw) for a in arrivals])
        known = await self._db(self._store.known, self._questions(arrivals, messages, desk))
        need = await self._work(self._needing_votes, arrivals, messages, known, desk)
        votes = iter(await self._classifier.votes([text_of(messages[i]) for i in need]))
        chosen = set(need)
        return [
            Prepared(a, m, next(votes) if i in chosen else None, i in chosen)
            for i, (a, m) in enumerate(zip(arrivals, messages, strict=True))
        ]

    async def _load(self) -> None:
        """Load the model before anything is claimed: a crash while loading is no mail's fault."""
        try:
            await self._classifier.prepare()
        except StoreError:
            raise
        except Exception as error:
            self._log.error("model.failed", error=str(error))

    def _needing_votes(
        self, arrivals: Sequence[Arrival], messages: Sequence[Message], known: Known, desk: Desk
    ) -> list[int]:
        now = self._clock.now()
        need = []
        for i, (arrival, message) in enumerate(zip(arrivals, messages, strict=True)):
            try:
                if opens_ticket(consider(arrival, message, known, desk, now)):
                    need.append(i)
            except Exception as error:  # planning will meet it again and count it against this mail alone
                self._log.error("message.failed", arrival=arrival.id, error=repr(error))
        return need

    def _questions(self, arrivals: Sequence[Arrival], messages: Sequence[Message], desk: Desk) -> list[Question]:
        questions = []
        for arrival, message in zip(arrivals, messages, strict=True):
            found = claims(message)
            tickets = claimed_tickets(found, desk.signer)
            if returned := returned_proof(message, desk.signer):
                tickets = (*tickets, returned[0])
            people = {message.sender.email, *(a.email for a in message.reply_to)}
            questions.append(Question(arrival.id, arrival.digest, tickets, found.answers, tuple(people)))
        return questions

    async def _conclude(self, batch: list[Prepared]) -> int:
        """Plan a batch and commit it; what fails goes back to be tried alone."""
        desk = replace(self._desk(), model=self._classifier.name)
        questions = self._questions([p.arrival for p in batch], [p.message for p in batch], desk)
        known = await self._db(self._store.known, questions)
        outcomes, failed = await self._work(self._plan, batch, known, desk)
        self._reached("decide.planned")
        try:
            await self._db(self._store.commit, outcomes)
        except (StoreError, TransientError):
            await self._db(self._store.release, [p.arrival.id for p in batch], "", False)
            raise
        except Exception as error:  # a value the database refuses: find out whose by trying them alone
            self._log.error("batch.failed", error=repr(error), arrivals=len(outcomes))
            await self._db(self._store.release, [o.arrival for o in outcomes], repr(error)[:500], True)
            outcomes = []
        self._reached("decide.committed")
        for arrival, why in failed:
            await self._db(self._store.release, [arrival], why[:500], True)
        if outcomes:
            self._decided()
        self._report(batch, outcomes)
        return len(outcomes)

    def _plan(self, batch: list[Prepared], known: Known, desk: Desk) -> tuple[list[Outcome], list[tuple[int, str]]]:
        outcomes: list[Outcome] = []
        failed: list[tuple[int, str]] = []
        for prepared in batch:
            try:
                outcome = self._one(prepared, known, desk)
                absorb(known, prepared.arrival, prepared.message, outcome)
            except Exception as error:  # a bug in one message must not stop the others
                self._log.error("message.failed", arrival=prepared.arrival.id, error=repr(error))
                failed.append((prepared.arrival.id, repr(error)))
            else:
                outcomes.append(outcome)
        return outcomes, failed

    def _one(self, prepared: Prepared, known: Known, desk: Desk) -> Outcome:
        arrival, now = prepared.arrival, self._clock.now()
        if arrival.attempts > MAX_ATTEMPTS:
            return quarantine(arrival, f"it broke this stage {MAX_ATTEMPTS} times", desk, self._clock)
        return plan(consider(arrival, prepared.message, known, desk, now), prepared.vote)

    def _report(self, batch: Sequence[Prepared], outcomes: Sequence[Outcome]) -> None:
        senders = {p.arrival.id: p.message.sender.email for p in batch}
        for outcome in outcomes:
            decision = outcome.decision
            self._log.info(
                "message.decided", arrival=outcome.arrival, state=outcome.state, ticket=outcome.ticket,
                sender=who(senders[outcome.arrival]), reason=outcome.reason,
                **({"category": decision.category, "confidence": round(decision.confidence, 2),
                    "department": decision.department.name, "rule": decision.rule} if decision else {}),
            )  # fmt: skip

    async def run(self) -> None:
        """Decide whenever woken, until `stop`.

        Raises:
            StoreError: the database cannot be written; nothing goes on without it.
        """
        await self._db(self._store.recover)
        while not self._stopping:
            try:
                await self.drain()
            except TransientError as error:
                self._log.error("stage.failed", error=str(error))
                await asyncio.sleep(PAUSE)
                continue
            await self.wake.wait()

    def stop(self) -> None:
        """End after the batch in hand."""
        self._stopping = True
        self.wake()


def quarantine(arrival: Arrival, reason: str, desk: Desk, clock: Clock) -> Outcome:
    """Set a mail aside, whole, where a person sees it."""
    triage = desk.routing.triage.department
    notice = desk.composer.quarantined(arrival.id, arrival.raw, reason, triage, clock.now())
    line = Audit("message.quarantined", {"arrival": arrival.id, "reason": reason})
    return Outcome(arrival.id, "quarantined", reason, outgoing=(notice,), audit=(line,))
