"""The narrow doors between the stages and the world; every adapter behind one passes the same suite."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from helpdesk_daemon.outgoing.limits import Bucket
from helpdesk_daemon.outgoing.message import Outgoing
from helpdesk_daemon.tickets.ticket import State, Ticket
from helpdesk_daemon.triage.decide import Decision
from helpdesk_daemon.triage.vote import Neighbour, Vectors

# Named moments at which a crash test kills the process; does nothing in the daemon.
Reached = Callable[[str], None]


def pass_by(name: str) -> None:
    """The `Reached` of the running daemon."""


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present moment, UTC, aware."""


# --- mailboxes -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a folder has been read.

    Attributes:
        uidvalidity: of the folder when it was read (RFC 3501 section 2.3.1.1).
        position: all UIDs up to this one are ours.
        started_at: when this folder was first seen, UTC.
        backlog: UIDs below this lay in the folder when it was first seen.
        since: of the backlog, only mail received from this moment on is taken; None for all.
    """

    uidvalidity: int
    position: int
    started_at: datetime
    backlog: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """One mail as its server handed it over.

    Attributes:
        uid: stable name of the mail in its folder.
        raw: the bytes.
        received_at: INTERNALDATE or its like, UTC.
        truncated: only the beginning was fetched, the mail being over the size limit.
    """

    uid: str
    raw: bytes = field(repr=False)
    received_at: datetime
    truncated: bool = False


class Mailbox(Protocol):
    """A folder that mail arrives in. Blocking: one thread owns it.

    Every method may raise TransientError (connection, server), SignInError (credentials) or
    PermanentError (the folder does not exist).
    """

    name: str
    folder: str

    def discover(self, cursor: Cursor | None) -> tuple[Cursor, list[str]]:
        """Look for mail beyond the cursor.

        Returns:
            The cursor to go on from (a first one, or one for a new UIDVALIDITY, where needed) and the
            UIDs of mail that may be new, oldest first. The cost grows with new mail only.
        """

    def fetch(self, uids: Sequence[str]) -> tuple[list[Fetched], list[str]]:
        """Fetch mails from the front of `uids`, bounded in count and bytes, at least one.

        Returns:
            The mails, and every UID they settle: those fetched and those that are gone.
        """

    def touch(self, uids: Sequence[str]) -> None:
        """Mark mails as taken, as configured: flag, keyword, move or nothing. Repeating is harmless."""

    def wait(self, seconds: float) -> bool:
        """Wait until new mail is announced (IMAP IDLE, RFC 2177) or the time is over.

        Returns:
            True when there is reason to look, False when the time was up.
        """

    def interrupt(self) -> None:
        """Make a `wait` under way return soon; the only method another thread may call."""

    def close(self) -> None:
        """Let go of connections; the next call opens new ones."""


# --- sending -------------------------------------------------------------------------------------


class Transport(Protocol):
    """Hands mail to a server."""

    def send(self, sender: str, recipient: str, mime: bytes) -> Awaitable[str]:
        """Send one mail.

        Returns:
            The server's final reply.

        Raises:
            TransientError: not sent, try later.
            PermanentError: never going to be accepted.
            SignInError: credentials refused.
            AmbiguousDelivery: perhaps sent.
        """

    def close(self) -> Awaitable[None]:
        """End all connections in good order."""


# --- meaning -------------------------------------------------------------------------------------


class Embedder(Protocol):
    """Turns texts into vectors. Blocking: one thread owns it."""

    name: str

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts.

        Args:
            texts: n texts; what is beyond the model's window is cut.

        Returns:
            Shape (n, d), float32, L2-normalised rows.

        Raises:
            TransientError: the model cannot answer now.
        """


class VectorIndex(Protocol):
    """Finds the nearest labelled examples."""

    def search(self, queries: Vectors, k: int) -> list[list[Neighbour]]:
        """The k nearest examples of each query, nearest first.

        Args:
            queries: shape (n, d), float32, L2-normalised rows.
            k: how many, at least 1; fewer are returned when there are fewer.

        Raises:
            TransientError: the index cannot answer now.
        """

    def replace(self, examples: Sequence[Example], vectors: Vectors) -> None:
        """Hold exactly these examples; `vectors` has one L2-normalised float32 row an example."""

    def count(self) -> int:
        """How many examples it holds."""


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled text; see the columns of the examples table."""

    id: int
    text: str
    category: str
    source: str
    ticket: str = ""


# --- the store -----------------------------------------------------------------------------------


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
    """A row of the outbox whose time has come."""

    id: int
    kind: str
    ticket: str
    sender: str
    recipient: str
    message_id: str
    mime: bytes = field(repr=False)
    attempts: int
    created_at: datetime


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
    """

    id: int
    state: str
    reply: str
    next_attempt_at: datetime | None = None
    audit: Audit | None = None
    redirect: str = ""


class ArrivalStore(Protocol):
    """The ledger, as ingest uses it. Every method is one transaction; any may raise StoreError."""

    def cursor(self, mailbox: str, folder: str) -> Cursor | None:
        """How far a folder has been read; None for one never seen."""

    def unknown(self, mailbox: str, folder: str, uidvalidity: int, uids: Sequence[str]) -> list[str]:
        """Those of `uids` that are not in the ledger, in their order."""

    def record(self, mailbox: str, folder: str, cursor: Cursor, mails: Sequence[tuple[Fetched, str, str]]) -> int:
        """Keep mails and the cursor. Each mail comes with its digest and Message-ID.

        Returns:
            How many were new; a UID already in the ledger is passed over.
        """

    def untouched(self, mailbox: str, folder: str, uidvalidity: int, limit: int) -> list[str]:
        """UIDs that are kept but not yet marked in the mailbox, oldest first."""

    def touched(self, mailbox: str, folder: str, uidvalidity: int, uids: Sequence[str]) -> None:
        """Note that the mailbox was marked."""

    def note_poll(self, mailbox: str, folder: str, error: str) -> None:
        """Note the outcome of a poll; an empty error means success."""


class DecisionStore(Protocol):
    """Arrivals and tickets, as decide uses them. Every method is one transaction; any may raise StoreError."""

    def claim(self, limit: int) -> list[Arrival]:
        """Take pending arrivals, oldest first, counting an attempt for each.

        A mail that was taken before, and whose process died over it, comes alone.
        """

    def known(self, questions: Sequence[Question]) -> Known:
        """Look up what planning a batch must know."""

    def commit(self, outcomes: Sequence[Outcome]) -> None:
        """Write everything the batch leads to."""

    def release(self, arrivals: Sequence[int], error: str, count: bool) -> None:
        """Give arrivals back; `count` leaves the attempt counted, so that a third failure quarantines."""

    def recover(self) -> int:
        """Give back what a process that died had claimed; called once, before the first claim."""


class OutboxStore(Protocol):
    """The outbox, as deliver uses it. Every method is one transaction; any may raise StoreError."""

    def due(self, limit: int) -> list[Due]:
        """Rows whose time has come, oldest first; none but alerts while the breaker holds mail."""

    def begin(self, ids: Sequence[int]) -> list[int]:
        """Mark rows as being sent, counting the attempt.

        Returns:
            The rows that were still waiting; only these may be sent.
        """

    def finish(self, results: Sequence[Sent]) -> None:
        """Write down how tries ended."""

    def recover(self) -> list[int]:
        """Settle what a process that died was sending: acknowledgements become ambiguous, others wait again.

        Returns:
            Rows that became ambiguous.
        """

    def next_due(self) -> datetime | None:
        """When the next waiting row is due; None when none waits."""


class ExampleStore(Protocol):
    """Labelled examples, the truth behind every index. Any method may raise StoreError."""

    def active(self) -> list[Example]:
        """All examples that vote, by number."""

    def vectors(self, model: str) -> dict[int, bytes]:
        """Kept vectors of a model: float32, little-endian, by example."""

    def save_vectors(self, model: str, vectors: Mapping[int, bytes]) -> None:
        """Keep vectors."""

    def add(self, rows: Sequence[tuple[str, str]], source: str) -> int:
        """Add (text, category) rows that are not there yet; returns how many were new."""
