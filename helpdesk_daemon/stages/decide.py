"""Stage two: each arrival becomes a ticket, a reply on one, ignored, or quarantined; all in one commit."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from helpdesk_daemon import metrics
from helpdesk_daemon.errors import StoreError, TransientError
from helpdesk_daemon.lanes import Lane, Wake
from helpdesk_daemon.log import get, who
from helpdesk_daemon.mail.body.commands import read_commands
from helpdesk_daemon.mail.body.split import own_text
from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.mail.references import claims
from helpdesk_daemon.outgoing.limits import QUARANTINE, take
from helpdesk_daemon.ports import (
    Arrival,
    Audit,
    Clock,
    DecisionStore,
    Known,
    LanguageOf,
    Outcome,
    Question,
    Reached,
    pass_by,
    unknown,
)
from helpdesk_daemon.stages.case import Case, Desk
from helpdesk_daemon.stages.classify import Classifier
from helpdesk_daemon.stages.desks import Desks, at_desk
from helpdesk_daemon.stages.languages import reserve
from helpdesk_daemon.stages.plan import absorb, opens_ticket, plan
from helpdesk_daemon.stages.thread import claimed_tickets, orders_expected, returned_proof
from helpdesk_daemon.triage.text import text_of
from helpdesk_daemon.triage.vote import AT_ONCE, Vote

Failed = list[tuple[int, str]]  # arrival, error
MAX_ATTEMPTS = 3
# The process may be killed for any reason, and the first time a mail shares it with its batch: that says less.
MAX_DEATHS = 5
EMPTY = " "  # judged all the same: a mail without words is told apart from one that needs no vote
PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class Read:
    """An arrival, parsed.

    Attributes:
        arrival: as claimed.
        message: as parsed.
        question: what planning it must know from the database.
        text: what it is judged by, where it opens a ticket as far as is known now; empty otherwise.
        case: the mail by what is known now; None before that was asked, or where finding it out failed.
    """

    arrival: Arrival
    message: Message
    question: Question
    text: str = ""
    case: Case | None = None


Voted = Sequence[tuple[Read, Vote | None]]  # a batch; no vote on what will open no ticket, or while the model is down


class Decide:
    """Decides on pending arrivals in batches.

    While one batch is planned and committed, the next is embedded, and the one after it is parsed and stands in line
    for the model, which then never waits for the database or the parser.

    Args:
        store: arrivals and tickets.
        classifier: votes.
        desks: give the present rules and everything else that planning needs.
        clock: tells the time.
        db: the database's thread.
        work: a thread for parsing and composing.
        decided: called when outgoing mail was committed.
        reached: named moments, for crash tests.
        language_of: names the language of a text.
    """

    def __init__(
        self, store: DecisionStore, classifier: Classifier, desks: Callable[[], Desks], clock: Clock, db: Lane,
        work: Lane, decided: Callable[[], None], reached: Reached = pass_by, language_of: LanguageOf = unknown,
    ) -> None:  # fmt: skip
        self._store, self._classifier, self._desks, self._clock = store, classifier, desks, clock
        self._db, self._work, self._decided, self._reached = db, work, decided, reached
        self._language_of = language_of
        self._log = get("decide")
        self._stopping = False
        self._claimed: set[int] = set()
        self.wake = Wake()

    async def drain(self) -> int:
        """Decide on everything that waits.

        Returns:
            How many arrivals were settled.
        """
        voting = asyncio.create_task(self._vote([]))
        before = concluding = asyncio.create_task(self._conclude([]))
        try:
            while parsed := await self._parse():
                before, voting = concluding, asyncio.create_task(self._vote(parsed))
                concluding = asyncio.create_task(self._after(before, voting))
                # A mail whose process died over it comes alone, and none is taken ahead beside it.
                await (concluding if parsed[0].arrival.attempts > 1 else before)
            return await concluding
        except BaseException:
            voting.cancel()
            await asyncio.gather(before, voting, concluding, return_exceptions=True)
            await self._db(self._store.release, list(self._claimed), "", False)
            self._claimed.clear()
            raise

    async def _after(self, before: asyncio.Task[int], voting: asyncio.Task[Voted]) -> int:
        """Conclude a batch once it is voted on and the one before it is concluded; how many are settled by then."""
        voted = await voting
        return await before + await self._conclude(voted)

    async def _parse(self) -> list[Read]:
        """Claim a batch and read it; empty when nothing waits or the stage is to stop."""
        while not self._stopping:
            await self._load()
            arrivals = await self._db(self._store.claim, AT_ONCE)
            self._claimed.update(a.id for a in arrivals)
            if not arrivals:
                return []
            self._reached("decide.claimed")
            if arrivals[0].attempts > (MAX_DEATHS if arrivals[0].died else MAX_ATTEMPTS):
                await self._quarantine(arrivals[0])
                continue
            with metrics.timed("parse"):
                batch, failed = await self._work(self._read, arrivals)
                known = await self._db(self._store.known, [r.question for r in batch])
                batch = await self._work(self._with_text, batch, known)
            await self._give_back(failed)
            if batch:
                return batch
        return []

    def _read(self, arrivals: Sequence[Arrival]) -> tuple[list[Read], Failed]:
        batch: list[Read] = []
        failed: Failed = []
        desk = self._desks().first
        for arrival in arrivals:
            try:
                message = parse(arrival.raw)
                batch.append(Read(arrival, message, question(arrival, message, desk)))
            except Exception as error:  # a bug in one message must not stop the others
                failed.append((arrival.id, repr(error)))
        return batch, failed

    def _with_text(self, batch: Sequence[Read], known: Known) -> list[Read]:
        """Add the text to what will open a ticket; what fails here fails again, and is counted, when it is planned."""
        desks, now = self._desks(), self._clock.now()
        read = []
        for entry in batch:
            with contextlib.suppress(Exception):
                case = at_desk(entry.arrival, entry.message, known, desks, now)
                entry = replace(entry, case=case)
                if opens_ticket(case):
                    text = text_of(entry.message)
                    message = replace(entry.message, language=self._language_of(text))
                    entry = replace(entry, message=message, text=text or EMPTY)
            read.append(entry)
        return read

    async def _quarantine(self, arrival: Arrival) -> None:
        """Set a mail aside that broke this stage too often; it is not even parsed again."""
        desk, now = self._desks().of(arrival.mailbox), self._clock.now()
        known, why = await self._db(self._store.known, []), f"it broke this stage {arrival.attempts - 1} times"
        outcome = quarantine(arrival, why, desk, known, now)
        await self._db(self._store.commit, [outcome])
        self._claimed.discard(arrival.id)
        metrics.messages.labels(arrival.mailbox, outcome.state).inc()
        self._log.error("message.quarantined", arrival=arrival.id, reason=outcome.reason)
        self._decided()

    async def _give_back(self, failed: Sequence[tuple[int, str]]) -> None:
        """Let mails that failed be tried again, alone; the third failure is the last."""
        for arrival, why in failed:
            metrics.failures.labels("message").inc()
            self._log.error("message.failed", arrival=arrival, error=why)
            await self._db(self._store.release, [arrival], why[:500], True)
            self._claimed.discard(arrival)

    async def _vote(self, batch: Sequence[Read]) -> Voted:
        """Vote, in one model call, on what will open a ticket."""
        need = [i for i, entry in enumerate(batch) if entry.text]
        votes = dict(zip(need, await self._classifier.votes([batch[i].text for i in need]), strict=True))
        return await self._work(self._reserved, [(entry, votes.get(i)) for i, entry in enumerate(batch)])

    def _reserved(self, voted: Voted) -> Voted:
        """Votes on mail that neither model nor examples can read, marked as such."""
        spoken = self._classifier.languages
        return [(r, reserve(v, r.message.language, spoken, self._language_of)) for r, v in voted]

    async def _load(self) -> None:
        """Load the model and the tables of languages before anything is claimed: a crash then is no mail's fault."""
        try:
            await asyncio.gather(self._classifier.prepare(), self._work(self._language_of, ""))
        except StoreError:
            raise
        except Exception as error:
            self._log.error("model.failed", error=str(error))

    async def _conclude(self, batch: Voted) -> int:
        """Plan a batch by what is known now, and commit it; what fails goes back to be tried alone."""
        if not batch:
            return 0
        known = await self._db(self._store.known, [entry.question for entry, _ in batch])
        with metrics.timed("plan"):
            outcomes, failed = await self._work(self._plan, batch, known)
        self._reached("decide.planned")
        try:
            with metrics.timed("commit"):
                await self._db(self._store.commit, outcomes)
        except (StoreError, TransientError):
            raise
        except Exception as error:  # a value the database refuses: find out whose by trying them alone
            self._log.error("batch.failed", error=repr(error), arrivals=len(outcomes))
            failed += [(o.arrival, repr(error)) for o in outcomes]
            outcomes = []
        self._reached("decide.committed")
        await self._give_back(failed)
        self._claimed.difference_update(entry.arrival.id for entry, _ in batch)
        if outcomes:
            self._decided()
        self._report(batch, outcomes)
        return len(outcomes)

    def _plan(self, batch: Voted, known: Known) -> tuple[list[Outcome], Failed]:
        """Plan mail by mail, each seeing what those before it led to."""
        desks, now = self._desks().voting(self._classifier.name), self._clock.now()
        outcomes: list[Outcome] = []
        failed: Failed = []
        for entry, voted in batch:
            try:
                case = at_desk(entry.arrival, entry.message, known, desks, now, entry.case)
                outcome = plan(case, voted)
                absorb(known, entry.arrival, entry.message, outcome)
            except Exception as error:  # a bug in one message must not stop the others
                failed.append((entry.arrival.id, repr(error)))
            else:
                outcomes.append(outcome)
        return outcomes, failed

    def _report(self, batch: Voted, outcomes: Sequence[Outcome]) -> None:
        read = {entry.arrival.id: entry for entry, _ in batch}
        for outcome in outcomes:
            decision, entry = outcome.decision, read[outcome.arrival]
            if outcome.breaker:
                self._log.error("breaker.opened", reason=outcome.breaker)
            metrics.messages.labels(entry.arrival.mailbox, outcome.state).inc()
            if decision:
                metrics.decided(decision.category, decision.department.name, decision.needs_review, decision.confidence)
            for held in filter(None, (mail.held for mail in outcome.outgoing)):
                self._log.warning("outgoing.held", arrival=outcome.arrival, ticket=outcome.ticket, reason=held)
            self._log.info(
                "message.decided", arrival=outcome.arrival, state=outcome.state, ticket=outcome.ticket,
                mailbox=entry.arrival.mailbox, sender=who(entry.message.sender.email), reason=outcome.reason,
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
    # Only an order moves a ticket on, and only then must its whole conversation be known.
    own = own_text(message.text, message.html) if orders_expected(found, desk.signer) else ""
    stories = tickets if read_commands(own).commands else ()
    return Question(arrival.id, arrival.digest, tickets, found.answers, tuple(people), message.message_id, stories)


def quarantine(arrival: Arrival, reason: str, desk: Desk, known: Known, now: datetime) -> Outcome:
    """Set a mail aside, whole, where a person sees it.

    A mailbox that sends the notice back, and with it what broke us, is not written to for ever.
    """
    notice = desk.composer.quarantined(arrival.id, arrival.raw, reason, desk.routing.triage.department, now)
    buckets, empty = take(known.buckets, {QUARANTINE: desk.limits.conversation}, now)
    if empty:
        notice = replace(notice, held=f"more than {desk.limits.conversation.burst} mails were quarantined at once")
    line = Audit("message.quarantined", {"arrival": arrival.id, "reason": reason, "notice_held": bool(empty)})
    return Outcome(arrival.id, "quarantined", reason, outgoing=(notice,), buckets=buckets, audit=(line,))
