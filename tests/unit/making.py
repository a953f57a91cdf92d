"""Values the tests are about, each made with the least that a test must say."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from helpdesk_daemon.adapters.templates import Templates
from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.outgoing.compose import Composer, Identity
from helpdesk_daemon.tickets.ticket import Priority, State, Ticket
from helpdesk_daemon.tickets.tracking import Signer
from helpdesk_daemon.triage.decide import Decision
from helpdesk_daemon.triage.rules import Department
from helpdesk_daemon.triage.vote import Neighbour

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
SUPPORT = "support@helpdesk.example"
CUSTOMER = "ada@customer.example"
AGENT = "jo.park@technical.example"
TICKET_ID = "HD-7K3M9QX2"
SIGNER = Signer((b"k" * 32,))
TECHNICAL = Department("Technical Support", "desk@technical.example", (AGENT, "kim@technical.example"))
TRIAGE = Department("General Support", "general@helpdesk-team.example", ("@helpdesk-team.example",))


def mail(
    body: str | bytes = "My screen stays black.\n",
    *,
    sender: str = f"Ada Byron <{CUSTOMER}>",
    to: str = SUPPORT,
    subject: str = "Black screen",
    message_id: str = "<1@customer.example>",
    extra: str = "",
) -> bytes:
    """A received mail; an empty field is left out. `extra` holds further header lines."""
    named = [("From", sender), ("To", to), ("Subject", subject), ("Message-ID", message_id)]
    lines = [f"{name}: {value}" for name, value in named if value] + extra.splitlines()
    content = body.encode() if isinstance(body, str) else body
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + content


def message(
    body: str | bytes = "My screen stays black.\n",
    *,
    sender: str = f"Ada Byron <{CUSTOMER}>",
    to: str = SUPPORT,
    subject: str = "Black screen",
    message_id: str = "<1@customer.example>",
    extra: str = "",
) -> Message:
    """The same, parsed."""
    return parse(mail(body, sender=sender, to=to, subject=subject, message_id=message_id, extra=extra))


def multipart(parts: Iterable[tuple[str, bytes]], kind: str = "mixed") -> bytes:
    """A mail of parts, each given by its header lines and its body."""
    out = [mail(b"", extra=f'MIME-Version: 1.0\nContent-Type: multipart/{kind}; boundary="cut"')]
    for head, body in parts:
        out.append(b"--cut\r\n" + "\r\n".join(head.splitlines()).encode() + b"\r\n\r\n" + body + b"\r\n")
    return b"".join([*out, b"--cut--\r\n"])


def ticket(
    *,
    state: State = State.OPEN,
    subject: str = "Black screen",
    requester_email: str = CUSTOMER,
    requester_name: str = "Ada Byron",
    category: str = "Technical",
    department: Department = TECHNICAL,
    priority: Priority = Priority.HIGH,
    forward_id: str = "",
    customer_id: str = "<1@customer.example>",
) -> Ticket:
    return Ticket(
        id=TICKET_ID,
        state=state,
        subject=subject,
        requester_email=requester_email,
        requester_name=requester_name,
        mailbox="support",
        category=category,
        department=department.name,
        address=department.address,
        priority=priority,
        sla_hours=4,
        due_at=NOW + timedelta(hours=4),
        created_at=NOW,
        forward_id=forward_id,
        customer_id=customer_id,
    )


def neighbour(
    category: str, similarity: float, *, source: str = "seed", ticket: str = "", text: str = "words", number: int = 1
) -> Neighbour:
    return Neighbour(number, category, similarity, source, ticket, text)


def decision(*, confidence: float = 0.875, rule: str = "default", neighbours: tuple[Neighbour, ...] = ()) -> Decision:
    return Decision(
        category="Technical",
        confidence=confidence,
        needs_review=False,
        review_reason="",
        department=TECHNICAL,
        priority=Priority.HIGH,
        sla_hours=4,
        rule=rule,
        neighbours=neighbours,
    )


def composer(*, plus_addressing: bool = True, null_sender: bool = True, signer: Signer = SIGNER) -> Composer:
    """The real composer on the real templates."""
    templates = Templates([Path(__file__).parents[2] / "templates"])
    identity = Identity("Example Support", SUPPORT, plus_addressing)
    return Composer(identity, signer, templates, "loopmark", null_sender)


def read(mime: bytes) -> EmailMessage:
    """What a standard mail reader makes of outgoing bytes."""
    found = message_from_bytes(mime, policy=default)
    assert isinstance(found, EmailMessage)
    return found


def plain(mime: bytes) -> str:
    """The plain body of outgoing bytes."""
    part = read(mime).get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def html(mime: bytes) -> str:
    """The HTML body of outgoing bytes."""
    part = read(mime).get_body(("html",))
    assert part is not None
    return str(part.get_content())
