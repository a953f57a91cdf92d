"""Stage two: each arrival becomes a ticket, a reply on one, ignored, or quarantined; all in one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

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
    Outcome,
    Question,
    Reached,
    pass_by,
)
from helpdesk_daemon.stages.classify import Classifier
from helpdesk_daemon.stages.plan import Case, Desk, absorb, consider, opens_ticket, plan
from helpdesk_daemon.stages.thread import claimed_tickets, returned_proof
from helpdesk_daemon.triage.text import text_of
from helpdesk_daemon.triage.vote import Vote

BATCH = 32  # mails of like length share a model batch; few enough for a prompt answer
MAX_ATTEMPTS = 3
PAUSE = 2.0


class Decide:
    """Decides on pending arrivals in batches.

    While one batch is planned and committed, the next is embedded and the one after it parsed.

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
        self._claimed: set[int] = set()
        self.wake = Wake()

    async def drain(self) -> int:
        """Decide on everything that waits.

        Returns:
            How many arrivals were settled.
        """
        settled, concluding = 0, asyncio.create_task(self._conclude([]))
        ahead: asyncio.Task[list[Case]] | None = None
        try:
            parsed = await self._parse()
            while parsed:
                # A mail whose process died over it comes alone, and none is taken ahead beside it.
                ahead = None if parsed[0].arrival.attempts > 1 else asyncio.create_task(self._parse())
                voted = await self._vote(parsed)
                settled += await concluding
                concluding = asyncio.create_task(self._conclude(voted))
                if ahead is None:
                    settled += await concluding
                    concluding = asyncio.create_task(self._conclude([]))
                parsed = await (ahead or self._parse())
            return settled + await concluding
        except BaseException:
            await asyncio.gather(concluding, *([ahead] if ahead else []), return_exceptions=True)
            await self._db(self._store.release, list(self._claimed), "", False)
            self._claimed.clear()
            raise

    async def _parse(self) -> list[Case]:
        """Claim a batch and read it; empty when nothing waits or the stage is to stop."""
        if self._stopping:
            return []
        await self._load()
        arrivals = await self._db(self._store.claim, BATCH)
        if not arrivals:
            return []
        self._claimed.update(a.id for a in arrivals)
        self._reached("decide.claimed")
        if arrivals[0].attempts > MAX_ATTEMPTS:
            await self._quarantine(arrivals[0])
            return await self._parse()
        messages = await self._work(lambda: [parse(a.raw) for a in arrivals])
        return await self._consider(arrivals, messages) or await self._parse()

    async def _quarantine(self, arrival: Arrival) -> None:
        """Set a mail aside that broke this stage too often; it is not even parsed again."""
        outcome = quarantine(arrival, f"it broke this stage {MAX_ATTEMPTS} times", self._desk(), self._clock.now())
        await self._db(self._store.commit, [outcome])
        self._claimed.discard(arrival.id)
        self._log.error("message.quarantined", arrival=arrival.id, reason=outcome.reason)
        self._decided()

    async def _consider(self, arrivals: Sequence[Arrival], messages: Sequence[Message]) -> list[Case]:
        """Screen and thread mails by what is known at this moment."""
        desk, now = replace(self._desk(), model=self._classifier.name), self._clock.now()
        known = await self._db(
            self._store.known, [question(a, m, desk) for a, m in zip(arrivals, messages, strict=True)]
        )
        cases, failed = [], []
        for arrival, message in zip(arrivals, messages, strict=True):
            try:
                cases.append(consider(arrival, message, known, desk, now))
            except Exception as error:  # a bug in one message must not stop the others
                failed.append((arrival.id, repr(error)))
        await self._give_back(failed)
        return cases

    async def _give_back(self, failed: Sequence[tuple[int, str]]) -> None:
        """Let mails that failed be tried again, alone; the third failure is the last."""
        for arrival, why in failed:
            self._log.error("message.failed", arrival=arrival, error=why)
            await self._db(self._store.release, [arrival], why[:500], True)
            self._claimed.discard(arrival)

    async def _vote(self, cases: Sequence[Case]) -> list[tuple[Case, Vote | None]]:
        """Vote, in one model call, on what will open a ticket."""
        need = [i for i, case in enumerate(cases) if opens_ticket(case)]
        votes = dict(zip(need, await self._classifier.votes([text_of(cases[i].message) for i in need]), strict=True))
        return [(case, votes.get(i)) for i, case in enumerate(cases)]

    async def _load(self) -> None:
        """Load the model before anything is claimed: a crash while loading is no mail's fault."""
        try:
            await self._classifier.prepare()
        except StoreError:
            raise
        except Exception as error:
            self._log.error("model.failed", error=str(error))

    async def _conclude(self, batch: Sequence[tuple[Case, Vote | None]]) -> int:
        """Plan a batch by what is known now, and commit it; what fails goes back to be tried alone."""
        if not batch:
            return 0
        cases = await self._consider([c.arrival for c, _ in batch], [c.message for c, _ in batch])
        outcomes, failed = await self._work(self._plan, cases, {c.arrival.id: vote for c, vote in batch})
        self._reached("decide.planned")
        try:
            await self._db(self._store.commit, outcomes)
        except (StoreError, TransientError):
            raise
        except Exception as error:  # a value the database refuses: find out whose by trying them alone
            self._log.error("batch.failed", error=repr(error), arrivals=len(outcomes))
            failed += [(o.arrival, repr(error)) for o in outcomes]
            outcomes = []
        self._reached("decide.committed")
        await self._give_back(failed)
        self._claimed.difference_update(c.arrival.id for c in cases)
        if outcomes:
            self._decided()
        self._report(cases, outcomes)
        return len(outcomes)

    def _plan(
        self, cases: Sequence[Case], votes: Mapping[int, Vote | None]
    ) -> tuple[list[Outcome], list[tuple[int, str]]]:
        """Plan mail by mail, each seeing what those before it led to."""
        outcomes: list[Outcome] = []
        failed: list[tuple[int, str]] = []
        for case in cases:
            arrival, known = case.arrival, case.known
            try:
                outcome = plan(consider(arrival, case.message, known, case.desk, case.now), votes[arrival.id])
                absorb(known, arrival, case.message, outcome)
            except Exception as error:  # a bug in one message must not stop the others
                failed.append((arrival.id, repr(error)))
            else:
                outcomes.append(outcome)
        return outcomes, failed

    def _report(self, cases: Sequence[Case], outcomes: Sequence[Outcome]) -> None:
        senders = {c.arrival.id: c.message.sender.email for c in cases}
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


def question(arrival: Arrival, message: Message, desk: Desk) -> Question:
    """What planning a mail must know from the database."""
    found = claims(message)
    tickets = claimed_tickets(found, desk.signer)
    if returned := returned_proof(message, desk.signer):
        tickets = (*tickets, returned[0])
    people = {message.sender.email, *(a.email for a in message.reply_to)}
    return Question(arrival.id, arrival.digest, tickets, found.answers, tuple(people))


def quarantine(arrival: Arrival, reason: str, desk: Desk, now: datetime) -> Outcome:
    """Set a mail aside, whole, where a person sees it."""
    notice = desk.composer.quarantined(arrival.id, arrival.raw, reason, desk.routing.triage.department, now)
    line = Audit("message.quarantined", {"arrival": arrival.id, "reason": reason})
    return Outcome(arrival.id, "quarantined", reason, outgoing=(notice,), audit=(line,))
