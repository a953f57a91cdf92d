"""The values that stages and store exchange: what is asked, what is known, what is to be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from helpdesk_daemon.outgoing.limits import Bucket
from helpdesk_daemon.outgoing.message import Outgoing
from helpdesk_daemon.tickets.ticket import Priority, State, Ticket
from helpdesk_daemon.triage.decide import Basis, Decision


@dataclass(frozen=True, slots=True)
class Arrival:
    """A row of the ledger that waits for a decision.

    Attributes:
        attempts: this one included.
        died: the last attempt ended with the process, which need not be this mail's fault.
    """

    id: int
    mailbox: str
    raw: bytes = field(repr=False)
    digest: str
    received_at: datetime
    attempts: int
    truncated: bool = False
    died: bool = False


@dataclass(frozen=True, slots=True)
class Audit:
    """One line for the audit log.

    Attributes:
        event: `noun.verb_past`.
        detail: what happened, JSON values only.
        ticket: tracking ID, empty for none.
        actor: who did it.
    """

    event: str
    detail: Mapping[str, object]
    ticket: str = ""
    actor: str = "daemon"


@dataclass(frozen=True, slots=True)
class Stored:
    """A mail on a ticket, as kept for display and threading."""

    ticket: str
    direction: str
    kind: str
    message_id: str
    sender: str
    subject: str
    text: str
    new_text: str
    at: datetime
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Label:
    """A ticket's text with the category a person gave it: a labelled example at once.

    Attributes:
        text: what the ticket was judged by.
        category: what it is.
        ticket: tracking ID.
        actor: who says so.
        said: whether a person named the category; else the ticket was closed under it.
    """

    text: str
    category: str
    ticket: str
    actor: str
    said: bool = True


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a new mail was like, for watching whether mail changes.

    Attributes:
        vector: its embedding as float16, little-endian.
        scope: mean cosine to the five nearest examples.
        usual: least scope that is usual.
    """

    vector: bytes = field(repr=False)
    scope: float
    usual: float


@dataclass(frozen=True, slots=True)
class Change:
    """What changes on a ticket that exists; None leaves a column as it is.

    Attributes:
        ticket: tracking ID.
        first_answer_at: noted when it is the first.
        participants: addresses that take part from now on.
    """

    ticket: str
    state: State | None = None
    customer_id: str | None = None
    category: str | None = None
    department: str | None = None
    address: str | None = None
    priority: Priority | None = None
    sla_hours: float | None = None
    due_at: datetime | None = None
    needs_review: bool | None = None
    forward_id: str | None = None
    merged_into: str | None = None
    tags: tuple[str, ...] | None = None
    zone: str | None = None
    first_answer_at: datetime | None = None
    participants: tuple[str, ...] = ()

    @property
    def columns(self) -> dict[str, Any]:
        """What changes of the ticket itself, by name."""
        return {name: value for name in CHANGEABLE if (value := getattr(self, name)) is not None}


CHANGEABLE = frozenset(f.name for f in fields(Change)) - {"ticket", "first_answer_at", "participants"}


def changed(ticket: Ticket, change: Change) -> Ticket:
    """The ticket after a change."""
    return replace(ticket, **change.columns)


def difference(before: Ticket, after: Ticket) -> Change:
    """What has to be written to make one ticket of the other."""
    names = [name for name in CHANGEABLE if getattr(before, name) != getattr(after, name)]
    return Change(before.id, **{name: getattr(after, name) for name in names})


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that one arrival leads to; committed in one transaction.

    Attributes:
        arrival: number of the arrival; 0 for a command, which comes with no mail.
        state: terminal state: `ticket`, `reply`, `ignored` or `quarantined`.
        reason: why, for the operator.
        sender: who wrote, for the ledger.
        subject: of the mail, for the ledger.
        ticket: tracking ID it ended on, empty for none.
        opened: the new ticket.
        participants: addresses that take part in the new ticket.
        change: what changes on an existing ticket.
        decision: how the ticket is routed from now on.
        basis: what was known before any rule looked, where rules were asked.
        actor: who decided.
        label: an example that the decision is for later ones.
        sighting: what the mail was like, where it was voted on.
        message: the mail as kept on its ticket.
        outgoing: mails that leave, in order.
        buckets: rate buckets after this mail, by scope.
        breaker: why the circuit breaker opens now, empty when it does not.
        suppress: addresses that are no longer acknowledged, with the reason.
        audit: lines for the log.
    """

    arrival: int
    state: str
    reason: str
    sender: str = ""
    subject: str = ""
    ticket: str = ""
    opened: Ticket | None = None
    participants: tuple[str, ...] = ()
    change: Change | None = None
    decision: Decision | None = None
    basis: Basis | None = None
    actor: str = "daemon"
    label: Label | None = None
    sighting: Sighting | None = None
    message: Stored | None = None
    outgoing: tuple[Outgoing, ...] = ()
    buckets: Mapping[str, Bucket] = field(default_factory=dict)
    breaker: str = ""
    suppress: Mapping[str, str] = field(default_factory=dict)
    audit: tuple[Audit, ...] = ()


@dataclass(slots=True)
class Known:
    """What the database knows about the mails of one batch; grows as the batch is planned.

    Attributes:
        tickets: by tracking ID: every ticket a mail of the batch claims.
        participants: by tracking ID: addresses that take part.
        by_message_id: message identifier to tracking ID, for mails on tickets.
        digests: mail digest to the number of the earliest arrival that has it.
        buckets: rate buckets by scope.
        suppressed: addresses that are never acknowledged.
        closed_at: by tracking ID: when a closed ticket was closed.
        confidence: by tracking ID: confidence and rule of its latest decision.
        departments: by tracking ID: names of all departments that had it.
        copies: by Message-ID: mails on tickets that carry it.
        stories: by tracking ID, where they were asked for: all mails on the ticket with their bytes, oldest first;
            the bytes are empty where they are gone.
        breaker_open: the circuit breaker holds outgoing mail.
        bursts: middles of open bursts by number, float16, little-endian.
    """

    tickets: dict[str, Ticket] = field(default_factory=dict)
    participants: dict[str, set[str]] = field(default_factory=dict)
    by_message_id: dict[str, str] = field(default_factory=dict)
    digests: dict[str, int] = field(default_factory=dict)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    suppressed: set[str] = field(default_factory=set)
    closed_at: dict[str, datetime] = field(default_factory=dict)
    confidence: dict[str, tuple[float, str]] = field(default_factory=dict)
    departments: dict[str, set[str]] = field(default_factory=dict)
    copies: dict[str, list[Stored]] = field(default_factory=dict)
    stories: dict[str, list[tuple[Stored, bytes]]] = field(default_factory=dict)
    breaker_open: bool = False
    bursts: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """What planning one mail must know from the database.

    Attributes:
        arrival: its number; 0 for a command.
        digest: of the mail.
        tickets: tracking IDs it claims.
        message_ids: identifiers it answers.
        addresses: of its senders.
        message_id: its own identifier.
        stories: tracking IDs whose mails are needed.
    """

    arrival: int
    digest: str
    tickets: tuple[str, ...]
    message_ids: tuple[str, ...]
    addresses: tuple[str, ...]
    message_id: str = ""
    stories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Due:
    """A row of the outbox whose time has come.

    `address` is that of its ticket's department, `mailbox` the one as whose identity it leaves.
    """

    id: int
    kind: str
    ticket: str
    sender: str
    recipient: str
    message_id: str
    mime: bytes = field(repr=False)
    attempts: int
    created_at: datetime
    address: str = ""
    mailbox: str = ""


@dataclass(frozen=True, slots=True)
class Copy:
    """A mail that left and is still to be filed in its mailbox's Sent folder; `attempts` counts refusals so far."""

    id: int
    ticket: str
    message_id: str
    mime: bytes = field(repr=False)
    sent_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Sent:
    """How one try to send ended.

    Attributes:
        id: number of the outbox row.
        state: `sent`, `deferred`, `failed`, `ambiguous`, or `pending` for a try that never began.
        reply: the server's last words, or the error.
        next_attempt_at: when to try again, for `deferred`.
        audit: line for the log.
        redirect: the same mail goes to this address instead, empty for none.
        notice: tells our own people of the failure, None for nothing.
    """

    id: int
    state: str
    reply: str
    next_attempt_at: datetime | None = None
    audit: Audit | None = None
    redirect: str = ""
    notice: Outgoing | None = None
