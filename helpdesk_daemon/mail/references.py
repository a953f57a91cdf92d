"""What a mail says about the conversation it belongs to; claims only, nothing here is verified."""

from __future__ import annotations

import re
from dataclasses import dataclass

from helpdesk_daemon.mail.message import Message

# Crockford's base32 as people retype it: any case, O for 0, I and L for 1.
TRACKING = re.compile(r"\bHD[-\u2010-\u2015 ]?([0-9A-Z]{8})\b", re.IGNORECASE)
PLUS_PART = re.compile(r"^[^@+]+\+([^@]+)@", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Claims:
    """Where a mail says it belongs, strongest kind of evidence first.

    Attributes:
        tokens: plus-parts of recipient addresses.
        answers: message identifiers it answers, nearest first.
        tracking: tracking IDs in the subject, as written.
    """

    tokens: tuple[str, ...]
    answers: tuple[str, ...]
    tracking: tuple[str, ...]


def claims(message: Message) -> Claims:
    """Collect the claims of a mail."""
    tokens = [m.group(1) for address in message.recipients if (m := PLUS_PART.match(address))]
    tracking = [m.group(1) for m in TRACKING.finditer(message.subject)]
    return Claims(tuple(dict.fromkeys(tokens)), message.answers, tuple(dict.fromkeys(tracking)))
