"""What counts as trouble: one row a condition. A new row is all it takes to watch for something else."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.learning import index_ledger
from helpdesk_daemon.adapters.store.observing import alarms
from helpdesk_daemon.adapters.store.schema.mail import arrivals, outbox
from helpdesk_daemon.adapters.store.telling import health
from helpdesk_daemon.errors import StoreError, TransientError
from helpdesk_daemon.log import get
from helpdesk_daemon.outgoing.message import Kind
from helpdesk_daemon.ports import Trouble
from helpdesk_daemon.settings import MailboxTable, Settings
from helpdesk_daemon.tickets.tracking import Party

RULES = "rules "  # how the parts of the running process are named that read files with rules
TWO_SIGN_INS = timedelta(minutes=6)  # one more try than the first: servers refuse by mistake, too
# Mails whose loss nobody else hears of: a customer's dead address stands on the ticket, a refused answer goes to its
# department, and an alert that fails must not cause another.
OURS = frozenset({Kind.FORWARD, Kind.NOTICE})


@dataclass(frozen=True, slots=True)
class Look:
    """What conditions are measured by.

    Attributes:
        connection: a transaction on the database.
        now: the present moment.
        settings: thresholds, and what should be there.
        since: when the stages began to run; nothing can be late for longer. None where that does not matter.
        said: what parts of the running process say is wrong with them, by name; empty for nothing.
    """

    connection: Connection
    now: datetime
    settings: Settings
    since: datetime | None = None
    said: Mapping[str, str] = field(default_factory=dict)

    def minutes(self, since: datetime | None) -> float:
        """For how long something lasts that the running stages would have ended."""
        moments = [at for at in (since, self.since) if at is not None]
        return (self.now - max(moments, default=self.now)).total_seconds() / 60


Seen = tuple[str, Mapping[str, Any]]  # subject, and values for the words
Measure = Callable[[Look, float], Iterable[Seen]]


@dataclass(frozen=True, slots=True)
class Condition:
    """A row of the table.

    Attributes:
        name: of the incidents it makes.
        threshold: key in `[alerts]` that its measure gets, where 0 switches it off; empty for a condition without.
        measure: gives one `Seen` for each thing that is wrong now.
        title: in a few words; it, `problem` and `mend` may use the values that were seen, and `{subject}`.
        problem: in full.
        mend: what to do about it.
        holds: how long it has to last before people are told.
    """

    name: str
    threshold: str
    measure: Measure
    title: str
    problem: str
    mend: str
    holds: timedelta = timedelta()


def _polled(look: Look) -> list[tuple[MailboxTable, Any]]:
    """The configured mailboxes that were polled, each with how that ended."""
    found = health.polls(look.connection)
    return [(table, found[table.name]) for table in look.settings.mailbox if table.name in found]


def _silent(look: Look, limit: float) -> Iterable[Seen]:
    for table, row in _polled(look):
        minutes = look.minutes(row.succeeded_at or row.failing_since)
        if minutes >= max(limit, 2 * table.poll_seconds / 60) and not row.refused:
            yield row.mailbox, {"minutes": round(minutes), "error": row.last_error or "nothing was heard of it"}


def _refused(look: Look, limit: float) -> Iterable[Seen]:
    """Refused at the first poll ever, or twice."""
    for _, row in _polled(look):
        if row.refused and (row.succeeded_at is None or row.polled_at > row.failing_since):
            yield row.mailbox, {"error": row.last_error}


def _full(look: Look, limit: float) -> Iterable[Seen]:
    for _, row in _polled(look):
        percent = 100 * row.quota_used / row.quota_limit if row.quota_limit else 0
        if percent >= limit:
            yield row.mailbox, {"percent": round(percent), "limit": f"{row.quota_limit / 1e9:.1f} GB"}


def _said(part: str) -> Measure:
    """A part of the running process says that something is wrong."""

    def measure(look: Look, limit: float) -> Iterable[Seen]:
        if error := look.said.get(part):
            yield "", {"error": error}

    return measure


def _rules_unusable(look: Look, limit: float) -> Iterable[Seen]:
    for part, error in look.said.items():
        if part.startswith(RULES) and error:
            yield part.removeprefix(RULES)[-300:], {"error": error}


def _copy_failing(look: Look, limit: float) -> Iterable[Seen]:
    """As the last sync wrote it down; a first load is no trouble."""
    error = index_ledger.trouble(look.connection) if look.settings.index.kind == "endee" else ""
    if error not in ("", index_ledger.LOADING):
        yield "", {"error": error}


def _stuck(look: Look, limit: float) -> Iterable[Seen]:
    if look.said.get("smtp sign-in") or health.open_breaker(look.connection):
        return  # these tell of it themselves
    row = health.oldest_due(look.connection, look.now)
    if row and (minutes := look.minutes(row.next_attempt_at)) >= limit:
        reply = look.said.get("smtp") or row.last_reply or "it was not tried"
        yield "", {"minutes": round(minutes), "reply": reply}


def _waiting(look: Look, limit: float) -> Iterable[Seen]:
    oldest = health.oldest_pending(look.connection)
    if oldest and (minutes := look.minutes(oldest)) >= limit:
        yield "", {"minutes": round(minutes)}


def _breaker(look: Look, limit: float) -> Iterable[Seen]:
    if row := health.open_breaker(look.connection):
        yield "", {"reason": row.reason}


def _recent(look: Look, event: str, minutes: float) -> list[dict[str, Any]]:
    return health.events(look.connection, event, look.now - timedelta(minutes=minutes))


def _failed(look: Look, limit: float) -> Iterable[Seen]:
    lines = {line["outbox"]: line for line in _recent(look, "outgoing.failed", limit) if line["kind"] in OURS}
    if failed := health.still(look.connection, outbox, list(lines), "failed"):
        last = lines[max(failed)]
        yield "", {"count": len(failed), "to": last["to"], "reply": last["reply"]}


def _quarantined(look: Look, limit: float) -> Iterable[Seen]:
    lines = {line["arrival"]: line for line in _recent(look, "message.quarantined", limit)}
    if aside := health.still(look.connection, arrivals, list(lines), "quarantined"):
        yield "", {"count": len(aside), "number": max(aside), "reason": lines[max(aside)]["reason"]}


def _bouncing(look: Look, limit: float) -> Iterable[Seen]:
    back = [line["ticket"] for line in _recent(look, "outgoing.bounced", limit) if line["party"] == Party.AGENT]
    known = health.departments(look.connection, back)
    for (department, address), count in Counter(known[ticket] for ticket in back if ticket in known).items():
        last = next(ticket for ticket in back if known.get(ticket) == (department, address))
        yield address, {"department": department, "count": count, "ticket": last}


def _disk(look: Look, limit: float) -> Iterable[Seen]:
    free = shutil.disk_usage(look.settings.data_dir).free / 1e6
    if free < limit:
        yield "", {"free": round(free), "folder": look.settings.data_dir}


def _crowds(kind: str) -> Measure:
    """Tickets that resemble each other come more often than they used to."""
    return lambda look, limit: alarms.crowding(look.connection, kind)


CONDITIONS: tuple[Condition, ...] = (
    Condition(
        "mailbox.silent", "silent_minutes", _silent, "Mailbox {subject} cannot be read",
        "Mailbox {subject} was not read for {minutes} minutes: {error}",
        "See whether its server is up and reachable: helpdesk-daemon check --network",
    ),
    Condition(
        "mailbox.refused", "", _refused, "Mailbox {subject} refuses us",
        "Mailbox {subject} refuses us: {error}",
        "Mend user, password or folder in settings.toml, then try: helpdesk-daemon check --network",
    ),
    Condition(
        "mailbox.full", "quota_percent", _full, "Mailbox {subject} is nearly full",
        "Mailbox {subject} uses {percent} % of {limit}. When it is full, its server turns mail away.",
        "Delete or move old mail there, or have its quota raised.",
    ),
    Condition(
        "smtp.refused", "", _said("smtp sign-in"), "The mail server refuses our sign-in",
        "Nothing can be sent: {error}",
        "Mend user or password in [smtp], then try: helpdesk-daemon check --network", TWO_SIGN_INS,
    ),
    Condition(
        "outbox.stuck", "stuck_minutes", _stuck, "Outgoing mail does not leave",
        "Outgoing mail has been due for {minutes} minutes. Last heard: {reply}",
        "See helpdesk-daemon outbox list --state pending --state deferred, and helpdesk-daemon check --network",
    ),
    Condition(
        "outgoing.failed", "event_minutes", _failed, "Mail to our own people was refused",
        "Mails to our own people were refused for good: {count}. The last one, to {to}: {reply}",
        "Mend the address in routing.toml, then see: helpdesk-daemon outbox list --state failed",
    ),
    Condition(
        "department.bouncing", "event_minutes", _bouncing, "{department} cannot be reached",
        "Mail to {department} <{subject}> comes back: {count}. Triage was shown it; the last was ticket {ticket}.",
        "Check that mailbox, or its address in routing.toml.",
    ),
    Condition(
        "quarantine.grew", "event_minutes", _quarantined, "Mail was quarantined",
        "Mails that could not be handled and were set aside: {count}. The last, arrival {number}: {reason}",
        "Triage has them attached. See helpdesk-daemon quarantine list; retry when the cause is mended.",
    ),
    Condition(
        "breaker.open", "", _breaker, "Outgoing mail is held",
        "The circuit breaker opened: {reason}. Outgoing mail is held; incoming mail is kept and decided.",
        "Look at helpdesk-daemon tickets list for a loop or a flood, then let mail go on with "
        "helpdesk-daemon outbox release",
    ),
    Condition(
        "arrivals.waiting", "waiting_minutes", _waiting, "New mail is not decided",
        "Mail has been waiting for {minutes} minutes to become a ticket.",
        "See the log for stage.failed, message.failed and model.failed.",
    ),
    Condition(
        "model.failing", "", _said("model"), "Tickets are not classified",
        "Model or index fails: {error}. New tickets go to triage, not classified.",
        "See helpdesk-daemon check; the daemon goes on trying.", timedelta(minutes=1),
    ),
    Condition(
        "rules.unusable", "", _rules_unusable, "Routing rules cannot be used",
        "{subject} was saved and cannot be used: {error} The last good rules stay in use.",
        "Mend it, try helpdesk-daemon rules check, and save it again.",
    ),
    Condition(
        "index.failing", "", _copy_failing, "The vector database is not asked",
        "Endee is not asked: {error}. Exact search votes instead, and no mail waits.",
        "See helpdesk-daemon index status; the daemon goes on trying.", timedelta(minutes=2),
    ),
    Condition(
        "disk.full", "disk_free_mb", _disk, "The disk is nearly full",
        "{free} MB are free for {folder}. When nothing is, no mail is taken.",
        "Make room on that disk.", timedelta(minutes=1),
    ),
    Condition(
        "accuracy.fell", "", lambda look, limit: alarms.charts(look.connection, True), "Routing to {subject} got worse",
        "People correct tickets of {subject} far more often than before, when about {usual} % were wrong.",
        "See helpdesk-daemon accuracy. What people correct is learnt at once; this is over when all is as before.",
    ),
    Condition(
        "calibration.drifted", "", lambda look, limit: alarms.charts(look.connection, False),
        "Confidence can no longer be believed",
        "Decisions are wrong more often than their confidence says, by {verdicts} verdicts of people.",
        "See helpdesk-daemon accuracy. More labelled tickets of the present help; min_confidence in routing.toml can be"
        " raised until then.",
    ),
    Condition(
        "mail.shifted", "", lambda look, limit: alarms.shifted(look.connection),
        "Mail is about other things than before",
        "The categories of the latest {mails} mails are not those of before: {changes}.",
        "See helpdesk-daemon accuracy: a release or a season explains it, or routing went wrong.",
    ),
    Condition(
        "mail.unlike", "", lambda look, limit: alarms.unlike(look.connection), "Mail like no example",
        "More mail than before is like no example, whatever it is about; most of it goes to triage. The latest:"
        " {tickets}.",
        "Look at these. If they belong to a category, correct some, which is learnt at once; else add one to"
        " routing.toml.",
    ),
    Condition(
        "topic.new", "", _crowds("topic"), "New topic: {words}",
        "{count} mails resemble each other and no example. Words in their subjects: {words}. Tickets: {tickets}",
        "If they belong to a category, correct some of them, which is learnt at once; else add one to routing.toml.",
    ),
    Condition(
        "tickets.burst", "", _crowds("burst"), "Many write the same: {words}",
        "{count} tickets resemble each other and came at once. Words in their subjects: {words}. Tickets: {tickets}",
        "Perhaps one incident behind them. Find them all: helpdesk-daemon accuracy --crowd {subject}",
    ),
)  # fmt: skip


def look_for_trouble(
    engine: Engine, settings: Settings, now: datetime, since: datetime | None = None,
    said: Mapping[str, str] | None = None, table: Sequence[Condition] = CONDITIONS,
) -> tuple[list[Trouble], frozenset[str]]:  # fmt: skip
    """Measure every condition.

    Returns:
        What is wrong, and the names of conditions that could not be measured.

    Raises:
        TransientError, StoreError: the database cannot be used.
    """
    troubles: list[Trouble] = []
    unmeasured = set()
    with transaction(engine) as connection:
        look = Look(connection, now, settings, since, said or {})
        for row in table:
            try:
                troubles += _measured(row, look)
            except (StoreError, TransientError):
                raise
            except Exception as error:  # a bug in one condition must not blind the others
                get("watch").error("condition.failed", name=row.name, error=repr(error))
                unmeasured.add(row.name)
    return troubles, frozenset(unmeasured)


def _measured(row: Condition, look: Look) -> list[Trouble]:
    limit = float(getattr(look.settings.alerts, row.threshold)) if row.threshold else 0.0
    if row.threshold and not limit:
        return []
    found = []
    for subject, values in row.measure(look, limit):
        title, problem, mend = (words.format(subject=subject, **values) for words in (row.title, row.problem, row.mend))
        found.append(Trouble(row.name, subject, title, problem[:1_000], mend, row.holds))
    return found
