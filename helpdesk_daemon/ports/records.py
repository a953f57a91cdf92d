"""The values that stages and store exchange: what is asked, what is known, what is to be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from helpdesk_daemon.outgoing.limits import Bucket
from helpdesk_daemon.outgoing.message import Outgoing
from helpdesk_daemon.tickets.ticket import State, Ticket
from helpdesk_daemon.triage.decide import Decision


@dataclass(frozen=True, slots=True)
class Arrival:
    """A row of the ledger that waits for a decision."""

    id: int
    mailbox: str
    raw: bytes = field(repr=False)
    digest: str
    received_at: datetime
    attempts: int
    truncated: bool = False


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


@dataclass(frozen=True, slots=True)
class Change:
    """What a mail changes on a ticket that exists; None leaves a column as it is."""

    ticket: str
    state: State | None = None
    customer_id: str | None = None
    first_answer_at: datetime | None = None
    participants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that one arrival leads to; committed in one transaction.

    Attributes:
        arrival: number of the arrival.
        state: terminal state: `ticket`, `reply`, `ignored` or `quarantined`.
        reason: why, for the operator.
        sender: who wrote, for the ledger.
        subject: of the mail, for the ledger.
        ticket: tracking ID it ended on, empty for none.
        opened: the new ticket.
        participants: addresses that take part in the new ticket.
        change: what changes on an existing ticket.
        decision: how the new ticket was routed.
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
        breaker_open: the circuit breaker holds outgoing mail.
    """

    tickets: dict[str, Ticket] = field(default_factory=dict)
    participants: dict[str, set[str]] = field(default_factory=dict)
    by_message_id: dict[str, str] = field(default_factory=dict)
    digests: dict[str, int] = field(default_factory=dict)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    suppressed: set[str] = field(default_factory=set)
    closed_at: dict[str, datetime] = field(default_factory=dict)
    confidence: dict[str, tuple[float, str]] = field(default_factory=dict)
    breaker_open: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What planning one mail must know from the database."""

    arrival: int
    digest: str
    tickets: tuple[str, ...]
    message_ids: tuple[str, ...]
    addresses: tuple[str, ...]


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
