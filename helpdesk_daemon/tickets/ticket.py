"""The ticket and its states; every later part speaks of these values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """Where a ticket stands: new → open (forwarded) → waiting (agent answered) → closed."""

    NEW = "new"
    OPEN = "open"
    WAITING = "waiting"
    CLOSED = "closed"


class Priority(StrEnum):
    """How urgent a department should take a ticket."""

    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"


SPAM = "spam"  # the tag of a ticket that nothing reopens but a command


@dataclass(frozen=True, slots=True)
class Ticket:
    """One customer's concern.

    Attributes:
        id: tracking ID, `HD-` and eight characters.
        state: see `State`.
        subject: of the mail that opened it.
        requester_email: who is answered.
        requester_name: as the mail gave it.
        mailbox: name of the mailbox it came by.
        category: what it was classified as, empty when unclassified.
        department: who has it.
        address: the department's mailbox.
        priority: see `Priority`.
        sla_hours: hours promised to the first answer.
        due_at: when these are over, UTC.
        created_at: receipt of the first mail by our server, UTC.
        needs_review: a person should check the category.
        linked_to: tracking ID of the ticket it continues, empty for none.
        forward_id: Message-ID of the forward, which later forwards answer, so that clients thread them.
        not_acknowledged: why the customer was not acknowledged; empty when that mail left.
        customer_id: Message-ID of the customer's latest mail, which our answers answer.
        zone: time zone in which people read its due time.
        merged_into: tracking ID of the ticket that goes on in its stead, empty for none.
        tags: words on it, from rules and commands.
    """

    id: str
    state: State
    subject: str
    requester_email: str
    requester_name: str
    mailbox: str
    category: str
    department: str
    address: str
    priority: Priority
    sla_hours: float
    due_at: datetime
    created_at: datetime
    needs_review: bool = False
    linked_to: str = ""
    forward_id: str = ""
    customer_id: str = ""
    not_acknowledged: str = ""
    zone: str = "UTC"
    merged_into: str = ""
    tags: tuple[str, ...] = ()
