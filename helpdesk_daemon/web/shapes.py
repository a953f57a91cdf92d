"""The values of the API: what comes in, checked, and what goes out."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from helpdesk_daemon.outgoing.compose import deliverable
from helpdesk_daemon.ports.web import Place, Row

NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
MAX_TEXT, MAX_SUBJECT, MAX_NAME, MAX_EMAIL = 100_000, 300, 200, 254


def _reachable(email: str) -> str:
    if not deliverable(email):
        raise ValueError("write an address such as ada@example.com")
    return email.lower()


def _in_our_time(at: datetime) -> datetime:
    if not 1970 <= at.year < 9_999:
        raise ValueError("write a moment between 1970 and 9998")
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=NO_CONTROLS)]
Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=MAX_EMAIL, pattern=r"^[!-?A-~]{1,64}@[A-Za-z0-9.-]{1,253}$"),
    AfterValidator(_reachable),
]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT)]
At = Annotated[datetime, AfterValidator(_in_our_time)]
Number = int | float
Priority = Literal["high", "medium", "low"]
Status = Literal["new", "open", "waiting", "closed"]


class Submission(BaseModel):
    """What a customer asks."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "customer_name": "John Doe",
                "customer_email": "john@example.com",
                "subject": "Cannot access my account",
                "description": "I forgot my password and the reset email isn't arriving",
            }
        }
    )
    customer_name: Annotated[Line, Field(max_length=MAX_NAME)]
    customer_email: Email
    subject: Annotated[Line, Field(max_length=MAX_SUBJECT)]
    description: Text


class Ticket(BaseModel):
    """A ticket. What the daemon has not decided yet is null."""

    ticket_id: str = Field(description="Tracking ID", examples=["HD-7K3M9QX2"])
    subject: str
    customer_name: str
    customer_email: str
    predicted_category: str | None
    confidence_score: float | None = Field(description="0 to 1; 1 when a person decided")
    department: str | None
    priority: Priority | None
    sla_hours: Number | None
    status: Status
    needs_review: bool | None
    rule: str | None
    linked_to: str | None = Field(description="The ticket that it continues")
    created_at: datetime
    updated_at: datetime
    due_at: datetime | None
    first_answer_at: datetime | None
    closed_at: datetime | None


class Classification(BaseModel):
    """How a ticket was classified and routed."""

    category: str
    confidence: float
    department: str
    priority: Priority
    sla_hours: Number


class Submitted(BaseModel):
    """A ticket that was taken; the classification is null when the daemon needs longer than five seconds."""

    ticket: Ticket
    classification: Classification | None


class TicketPage(BaseModel):
    """Some tickets, newest first."""

    results: list[Ticket]
    next: str | None = Field(description="Give it as `cursor` for the next page; null on the last")


class Category(BaseModel):
    """A category and where its tickets go."""

    name: str
    department: str
    priority: Priority
    sla_hours: Number


class Mail(BaseModel):
    """A mail on a ticket."""

    id: int
    direction: Literal["in", "out"]
    kind: str
    sender: str
    subject: str
    text: str
    new_text: str = Field(description="Without quotes and signature")
    at: datetime


class Neighbour(BaseModel):
    """A labelled example that voted."""

    example: int
    category: str
    similarity: float
    source: str | None
    ticket: str | None
    text: str | None = Field(description="Of shipped examples only")


class Decision(BaseModel):
    """How a ticket was routed at a moment, and why."""

    at: datetime
    actor: str
    category: str | None
    confidence: float
    needs_review: bool
    review_reason: str | None
    department: str
    priority: Priority
    sla_hours: Number
    rule: str
    set_by: dict[str, str]
    tags: list[str]
    model: str | None
    neighbours: list[Neighbour]


class Correction(BaseModel):
    """The category that a ticket really is."""

    category: Annotated[Line, Field(max_length=100)]


class Stats(BaseModel):
    """How things stand."""

    tickets: dict[str, int] = Field(description="By status")
    today: dict[str, Any] = Field(description="Since midnight UTC")
    arrivals: dict[str, Any]
    outbox: dict[str, Any]
    breaker: dict[str, Any] | None
    incidents: int


class AuditLine(BaseModel):
    """A line of the audit log."""

    seq: int
    at: datetime
    actor: str
    event: str
    ticket: str | None
    detail: dict[str, Any] | None = Field(description="Null when it was erased")


class AuditPage(BaseModel):
    """Some lines, newest first."""

    results: list[AuditLine]
    next: int | None = Field(description="Give it as `before` for the next page; null on the last")


def number(value: float) -> Number:
    """A number without a needless `.0`."""
    return int(value) if float(value).is_integer() else value


def ticket_of(row: Row) -> Ticket:
    """A ticket of the database."""
    return Ticket(
        ticket_id=row["id"], subject=row["subject"], customer_name=row["requester_name"],
        customer_email=row["requester_email"], predicted_category=row["category"] or None,
        confidence_score=rounded(row["confidence"]), department=row["department"], priority=row["priority"].lower(),
        sla_hours=number(row["sla_hours"]), status=row["state"], needs_review=row["needs_review"], rule=row["rule"],
        linked_to=row["linked_to"] or None, created_at=row["created_at"], updated_at=row["updated_at"],
        due_at=row["due_at"], first_answer_at=row["first_answer_at"], closed_at=row["closed_at"],
    )  # fmt: skip


def undecided(ticket: str, given: Submission, now: datetime) -> Ticket:
    """A ticket that the daemon has not decided yet."""
    return Ticket(
        ticket_id=ticket, subject=given.subject, customer_name=given.customer_name, customer_email=given.customer_email,
        predicted_category=None, confidence_score=None, department=None, priority=None, sla_hours=None, status="new",
        needs_review=None, rule=None, linked_to=None, created_at=now, updated_at=now, due_at=None,
        first_answer_at=None, closed_at=None,
    )  # fmt: skip


def classification_of(ticket: Ticket) -> Classification | None:
    """How a ticket was routed; None before that."""
    if ticket.department is None or ticket.priority is None or ticket.sla_hours is None:
        return None
    return Classification(
        category=ticket.predicted_category or "", confidence=ticket.confidence_score or 0.0,
        department=ticket.department, priority=ticket.priority, sla_hours=ticket.sla_hours,
    )  # fmt: skip


def decision_of(row: Row) -> Decision:
    """A decision of the database."""
    return Decision(
        at=row["at"], actor=row["actor"], category=row["category"] or None, confidence=round(row["confidence"], 4),
        needs_review=row["needs_review"], review_reason=row["review_reason"] or None, department=row["department"],
        priority=row["priority"].lower(), sla_hours=number(row["sla_hours"]), rule=row["rule"], set_by=row["set_by"],
        tags=row["tags"], model=row["model"] or None, neighbours=[_neighbour(near) for near in row["neighbours"]],
    )  # fmt: skip


def _neighbour(near: Mapping[str, Any]) -> Neighbour:
    return Neighbour(
        example=near["example"], category=near["category"], similarity=round(near["similarity"], 4),
        source=near.get("source"), ticket=near.get("ticket") or None, text=near.get("text") or None,
    )  # fmt: skip


def rounded(value: float | None) -> float | None:
    """A confidence as it is shown."""
    return None if value is None else round(value, 4)


def cursor_of(row: Row) -> str:
    """Where the page after a ticket begins, as a word for URLs."""
    place = f"{row['created_at'].isoformat()} {row['id']}"
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def read_cursor(word: str) -> Place:
    """What `cursor_of` wrote.

    Raises:
        ValueError: it did not.
    """
    try:
        text = base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=True).decode("ascii")
        at, _, ticket = text.partition(" ")
        return Place(_in_our_time(datetime.fromisoformat(at)), ticket)
    except (binascii.Error, UnicodeError, ValueError, OverflowError):
        raise ValueError("take it from `next` of the page before") from None
