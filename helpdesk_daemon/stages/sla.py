"""Keeps promises in sight: reminds departments of what is due soon, and escalates what was missed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.outgoing.message import Kind, Outgoing
from helpdesk_daemon.ports import Audit, Clock
from helpdesk_daemon.ports.sla import Commitment, Mailed, SlaStore
from helpdesk_daemon.stages.desks import Desks
from helpdesk_daemon.stages.looking import Looking
from helpdesk_daemon.stages.promises import Judged, News, look_at, told
from helpdesk_daemon.tickets.sla import Signal

APART = timedelta(minutes=15)  # between two mails of one kind to one department; what comes between waits
PATIENCE = timedelta(minutes=10)  # after a start, for answers that lie in the mailboxes
SHOWN = 50  # tickets named in one mail
TRIES = 3  # at a look that others overtake

SUBJECTS = {
    Signal.REMINDER: ("{department}: a ticket is due soon", "{department}: {count} tickets are due soon"),
    Signal.ESCALATION: ("{department}: a ticket is overdue", "{department}: {count} tickets are overdue"),
}
Group = tuple[str, str, Signal, tuple[str, ...]]  # mailbox, department, what it is told, and who is


class Sla(Looking):
    """Looks whenever woken.

    Args:
        store: the promises.
        desks: the desk of each mailbox, as they are now.
        clock: tells the time.
        db: the database's thread.
        outgoing: called when mails were put into the outbox.
        mailboxes: names of those that are read.
    """

    name = "sla"

    def __init__(
        self, store: SlaStore, desks: Callable[[], Desks], clock: Clock, db: Lane, outgoing: Callable[[], None],
        mailboxes: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self._store, self._desks, self._clock, self._db = store, desks, clock, db
        self._outgoing, self._mailboxes = outgoing, list(mailboxes)
        self._rules: dict[str, str] = {}
        super().__init__()

    async def _see(self) -> None:
        """Judge all promises whose time has come, and tell people what they have to know."""
        for _ in range(TRIES):
            mails = await self._db(self._settle)
            if mails is not None:
                break
        if mails:
            self._outgoing()

    def _settle(self) -> int | None:
        """One look; how many mails it led to, None when a ticket changed meanwhile."""
        desks, now = self._desks(), self._clock.now()
        self._note_rules(desks)
        judged = [look_at(c, desks.of(c.ticket.mailbox).routing, now) for c in self._store.due(now)]
        if not judged:
            return 0
        commitments, groups = self._gathered(judged, now)
        mails = [mail for group, news in groups.items() for mail in self._mails(desks, group, news, now)]
        mailed: dict[Mailed, datetime] = {group[:3]: now for group in groups}
        lines = [line for j in judged for line in j.audit]
        lines += [_line(group, item) for group, news in groups.items() for item in news]
        if not self._store.settle(commitments, mailed, mails, lines):
            return None
        for (mailbox, department, signal, _), news in groups.items():
            self._log.info("sla.told", mailbox=mailbox, department=department, signal=signal.value, tickets=len(news))
        return len(mails)

    def _note_rules(self, desks: Desks) -> None:
        """Look again at what was judged by rules that were changed since."""
        for name, desk in desks.by_mailbox.items():
            if self._rules.get(name) != desk.routing.version:
                self._store.rules_changed(name, desk.routing.version)
                self._rules[name] = desk.routing.version

    def _gathered(self, judged: Sequence[Judged], now: datetime) -> tuple[list[Commitment], dict[Group, list[News]]]:
        """What is told now, by who is told, with that noted; what has to wait is looked at again."""
        last = self._store.mailed()
        groups: defaultdict[Group, list[News]] = defaultdict(list)
        commitments = []
        for j in judged:
            commitment, ticket = j.commitment, j.commitment.ticket
            for item in j.news:
                key = (ticket.mailbox, ticket.department, item.signal)
                at = last.get(key)
                if at is not None and timedelta() <= now - at < APART:
                    commitment = replace(commitment, next_at=at + APART)
                    continue
                to = j.escalation if item.signal == Signal.ESCALATION else (ticket.address,)
                groups[*key, to].append(item)
                commitment = told(commitment, item.target, item.signal, now)
            commitments.append(commitment)
        return commitments, groups

    def _mails(self, desks: Desks, group: Group, news: Sequence[News], now: datetime) -> list[Outgoing]:
        """One mail to each who is told."""
        mailbox, department, signal, recipients = group
        composer = desks.of(mailbox).composer
        one, several = SUBJECTS[signal]
        subject = (one if len(news) == 1 else several).format(department=department, count=len(news))
        values = {
            "department": department, "news": sorted(news, key=lambda n: n.due_at)[:SHOWN], "count": len(news),
            "more": max(len(news) - SHOWN, 0), "identity": composer.identity,
        }  # fmt: skip
        return [composer.notice(Kind.NOTICE, signal.value, subject, to, values, now) for to in recipients]

    async def run(self) -> None:
        """Look whenever woken, until `stop`.

        Raises:
            StoreError: the database cannot be used; nothing goes on without it.
        """
        since = self._clock.now()
        while not self._stopping and await self._is_behind(since):
            await self.wake.wait()
        await super().run()

    async def _is_behind(self, since: datetime) -> bool:
        """Whether to wait after a start: nobody is told of tickets whose answers lie unread in a mailbox."""
        if not timedelta() <= self._clock.now() - since < PATIENCE:
            return False
        return await self._db(self._store.is_behind, since, self._mailboxes)


def _line(group: Group, item: News) -> Audit:
    event = "ticket.reminded" if item.signal == Signal.REMINDER else "ticket.escalated"
    return Audit(event, {"promise": item.target, "due_at": item.due_at.isoformat(), "to": list(group[3])}, item.ticket)
