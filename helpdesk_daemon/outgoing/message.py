"""The outgoing mail as a value: it lives in the outbox before any server hears of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """Why a mail leaves."""

    ACKNOWLEDGEMENT = "acknowledgement"
    FORWARD = "forward"
    RELAY = "relay"
    NOTICE = "notice"
    ALERT = "alert"
    DIGEST = "digest"
    LINK = "link"


# A second acknowledgement annoys a customer and feeds loops; a second forward is recognised by its
# Message-ID. So these are not sent again when the first try may have got through.
AT_MOST_ONCE = frozenset({Kind.ACKNOWLEDGEMENT})
# Kinds that still leave while the circuit breaker holds outgoing mail.
UNHELD = frozenset({Kind.ALERT})


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One mail to one recipient.

    Attributes:
        kind: see `Kind`.
        recipient: envelope recipient (RFC 5321 RCPT TO).
        sender: envelope sender (MAIL FROM), empty for the null reverse-path.
        message_id: fixed when the mail is made, so that a receiver can tell a repeat.
        mime: the whole mail, CRLF line ends.
        ticket: tracking ID, empty for mail about no ticket.
        mailbox: name of the mailbox as whose identity it leaves.
        held: why it waits for a person before it leaves, empty when it leaves by itself.
    """

    kind: Kind
    recipient: str
    sender: str
    message_id: str
    mime: bytes = field(repr=False)
    ticket: str = ""
    mailbox: str = ""
    held: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """One mail of a conversation, as colleagues read it.

    Attributes:
        at: when it came, UTC.
        who: its sender.
        did: what it was, in words that follow on the sender.
        text: its new part.
        files: what was attached.
    """

    at: datetime
    who: str
    did: str
    text: str
    files: tuple[str, ...] = ()
