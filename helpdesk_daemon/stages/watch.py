"""The watcher: looks for trouble, and tells people once when it begins and once when it is over."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace

from helpdesk_daemon.errors import HelpdeskError, PermanentError, StoreError, TransientError
from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.log import who
from helpdesk_daemon.outgoing import retry
from helpdesk_daemon.outgoing.message import Kind, Outgoing
from helpdesk_daemon.ports import Audit, Clock, Incident, IncidentStore, Trouble, Webhook
from helpdesk_daemon.stages.case import Desk
from helpdesk_daemon.stages.incidents import headline, judge, payload
from helpdesk_daemon.stages.looking import Looking

OPENED, RECOVERED = "incident.opened", "incident.recovered"
POSTS = 50  # incidents posted at a time
Look = Callable[[], tuple[list[Trouble], frozenset[str]]]  # what is wrong, and which conditions could not be measured


class Watch(Looking):
    """Looks whenever woken.

    Args:
        look: measures every condition; blocking, runs on the database's thread.
        store: the incidents.
        desk: gives the composer and the operator's address.
        webhook: takes alerts besides the mail, None for none.
        clock: tells the time.
        db: the database's thread.
        alerted: called when a mail was put into the outbox.
    """

    name = "watch"

    def __init__(
        self, look: Look, store: IncidentStore, desk: Callable[[], Desk], webhook: Webhook | None, clock: Clock,
        db: Lane, alerted: Callable[[], None],
    ) -> None:  # fmt: skip
        self._look, self._store, self._desk, self._webhook = look, store, desk, webhook
        self._clock, self._db, self._alerted = clock, db, alerted
        self._host = socket.gethostname()
        super().__init__()

    async def _see(self) -> None:
        """Look once, and tell what is new; the webhook also hears what it did not take before."""
        if await self._db(self._settle):
            self._alerted()
        if self._webhook is not None:
            await self._post(self._webhook)

    def _settle(self) -> bool:
        """Look, and write down what became of the incidents; whether there is mail about it."""
        seen, unmeasured = self._look()
        known = self._store.unfinished()
        after = judge(known, seen, unmeasured, self._clock.now())
        news = _news(known, after)
        after, mails = self._mails(after)
        after = [self._to_post(incident) for incident in after]
        changed = [incident for incident in after if incident not in known]
        forgotten = [incident.id for incident in known if incident.id not in {i.id for i in after}]
        if changed or forgotten:
            self._store.settle(changed, forgotten, mails, [_line(event, incident) for event, incident in news])
        for event, incident in news:
            level = self._log.error if event == OPENED else self._log.info
            level(event, title=incident.title, **_named(incident))
        return bool(mails)

    def _mails(self, incidents: Sequence[Incident]) -> tuple[list[Incident], list[Outgoing]]:
        """One mail about everything the operator does not know yet; the incidents with that noted."""
        desk, now = self._desk(), self._clock.now()
        opened = [i for i in incidents if i.opened_at and not i.recovered_at and not i.mailed_at]
        over = [i for i in incidents if i.recovered_at and i.mailed_at]
        if not desk.operator or not (opened or over):
            return list(incidents), []
        others = [i for i in incidents if i.opened_at and not i.recovered_at and i not in opened]
        values = {
            "opened": opened, "over": over, "others": others, "host": self._host, "identity": desk.composer.identity,
        }  # fmt: skip
        mail = desk.composer.notice(Kind.ALERT, "incidents", headline(opened, over), desk.operator, values, now)
        noted = [
            replace(i, mailed_at=now) if i in opened else replace(i, recovery_mailed_at=now) if i in over else i
            for i in incidents
        ]
        return noted, [mail]

    def _to_post(self, incident: Incident) -> Incident:
        """With when the webhook is to hear of it: at once of what is new; of what is over, where it knew of it."""
        untold = incident.opened_at and not incident.recovered_at and not (incident.posted_at or incident.post_due_at)
        over = incident.recovered_at and (incident.posted_at or incident.post_due_at)
        if self._webhook is None or not (untold or over):
            return incident
        return replace(incident, post_due_at=self._clock.now(), post_attempts=0)

    async def _post(self, webhook: Webhook) -> None:
        """Post what is due; the first failure puts all of it off, as the others would fare the same."""
        due = await self._db(self._store.to_post, POSTS)
        told: list[Incident] = []
        error: HelpdeskError | None = None
        for incident in due:
            try:
                await webhook.post(payload(incident, self._host))
            except StoreError:
                raise
            except HelpdeskError as failure:
                error = failure
                self._log.error("webhook.failed", error=str(error), attempts=incident.post_attempts + 1)
                break
            told.append(self._posted(incident))
            self._log.info("alert.posted", **_named(incident))
        late = [self._put_off(incident, error) for incident in due[len(told) :]] if error else []
        if told or late:
            await self._db(self._store.settle, [*told, *late], [], [], [])

    def _posted(self, incident: Incident) -> Incident:
        now = self._clock.now()
        recovery = now if incident.recovered_at else None
        return replace(incident, posted_at=incident.posted_at or now, recovery_posted_at=recovery, post_due_at=None,
                       post_attempts=0, post_error="")  # fmt: skip

    def _put_off(self, incident: Incident, error: HelpdeskError) -> Incident:
        now, attempts = self._clock.now(), incident.post_attempts + 1
        wait = retry.delay(attempts, random.random())  # noqa: S311  spreads retries, guards nothing
        if isinstance(error, TransientError) and error.retry_after is not None:
            wait = max(wait, retry.seconds(error.retry_after))
        if isinstance(error, PermanentError):
            wait = retry.LONGEST  # only a person can mend it, so there is no hurry
        stale = incident.recovered_at is not None and now - incident.recovered_at > retry.GIVE_UP
        due = None if stale else now + wait
        return replace(incident, post_due_at=due, post_attempts=attempts, post_error=str(error)[:500])

    async def close(self) -> None:
        """End the connections."""
        if self._webhook is not None:
            await self._webhook.close()


def _named(incident: Incident) -> dict[str, str]:
    """An incident as the log may show it."""
    return {"name": incident.name, "about": who(incident.subject) if "@" in incident.subject else incident.subject}


def _news(known: Sequence[Incident], after: Sequence[Incident]) -> list[tuple[str, Incident]]:
    """What began and what is over, each with its event."""
    open_before = {incident.id for incident in known if incident.opened_at}
    began = [(OPENED, i) for i in after if i.opened_at and i.id not in open_before]
    return began + [(RECOVERED, i) for i in after if i.recovered_at]


def _line(event: str, incident: Incident) -> Audit:
    return Audit(event, {"name": incident.name, "subject": incident.subject, "problem": incident.problem})
