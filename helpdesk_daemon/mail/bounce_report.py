"""Read the machine's part of a delivery report: message/delivery-status of RFC 3464, and its relatives."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from helpdesk_daemon.mail.headers import EMAIL, decode_words
from helpdesk_daemon.mail.message import Attachment, Message

MAX_REPORT = 300_000
MAX_PART = 100_000
FIELD = re.compile(r"^([A-Za-z][A-Za-z0-9-]{1,60})[ \t]{0,4}:[ \t]*(.{0,2000})")
ACTION = re.compile(r"^\W{0,4}(failed|fail|error|delayed|delivered|relayed|expanded)", re.IGNORECASE)
STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status", "text/delivery-status"})
MAYBE = re.compile(rb"(?im)^(?:final|original)-recipient[ \t]{0,4}:")
OUTCOMES = {"fail": "failed", "error": "failed", "relayed": "delivered", "expanded": "delivered"}


@dataclass(frozen=True, slots=True)
class Recipient:
    """A per-recipient block of RFC 3464 section 2.3.

    Attributes:
        address: the address the sender wrote to, lower-cased.
        action: `failed`, `delayed` or `delivered` (relayed and expanded counted with it).
        status: enhanced status code of RFC 3463, empty when absent.
        diagnostic: what the other server said, one line.
    """

    address: str
    action: str
    status: str
    diagnostic: str


def recipients(message: Message) -> tuple[Recipient, ...]:
    """Every recipient that the delivery reports of a mail name."""
    found = [r for text in _reports(message) for block in re.split(r"\n[ \t]*\n", text) if (r := _recipient(block))]
    return tuple(dict.fromkeys(found)) or service_notification(message.text)


def _reports(message: Message) -> list[str]:
    texts = [message.report] if message.report else []
    texts += [_text(a) for a in message.attachments if a.content_type in STATUS_TYPES]
    if not texts and message.content_type == "multipart/report":  # a report whose structure is broken
        texts += [_text(a) for a in message.attachments if _unread(a) and MAYBE.search(a.content[:MAX_PART])]
        texts.append(message.text[:MAX_PART])
    return [text[:MAX_REPORT].replace("\r\n", "\n").replace("\r", "\n") for text in texts]


def _unread(attachment: Attachment) -> bool:
    return attachment.content_type.startswith(("multipart/", "text/plain", "application/octet-stream"))


def _text(attachment: Attachment) -> str:
    return attachment.content[:MAX_PART].decode("utf-8", "replace")


def _fields(block: str) -> dict[str, str]:
    """The fields of a block, names lower-cased, folded lines joined; the first of each name counts."""
    fields: dict[str, str] = {}
    name = ""
    for line in block.split("\n"):
        if line[:1] in " \t" and name:
            fields[name] = f"{fields[name]} {line.strip()}"[:2000]
        elif match := FIELD.match(line):
            name = match.group(1).lower()
            if name in fields:
                name = f"again-{name}"
            fields[name] = match.group(2).strip()
    return fields


def _recipient(block: str) -> Recipient | None:
    fields = _fields(block)
    address = _address(fields)
    status = fields.get("status", "").split("(")[0].strip()
    action = ACTION.match(fields.get("action", ""))
    outcome = action.group(1).lower() if action else _by_status(status)
    if not address or not outcome:
        return None
    return Recipient(address, OUTCOMES.get(outcome, outcome), status[:12], fields.get("diagnostic-code", "")[:1000])


def _by_status(status: str) -> str:
    """The action a block leaves out, from its status class (RFC 3463 section 3.1)."""
    return {"2": "delivered", "4": "failed", "5": "failed"}.get(status[:1], "")


def _address(fields: dict[str, str]) -> str:
    """The address our side wrote to is the original recipient; the final one may be an alias behind it."""
    for name in ("original-recipient", "final-recipient", "x-actual-recipient"):
        kind, semicolon, value = fields.get(name, "").partition(";")
        if semicolon and kind.strip().lower() not in ("rfc822", "utf-8", "smtp", "unknown", "x-local"):
            continue
        match = EMAIL.search(decode_words(value if semicolon else kind))
        if match:
            return match.group().strip(".'").lower()
    return ""


def service_notification(text: str) -> tuple[Recipient, ...]:
    """Recipients of a notification that Amazon SES mails as JSON; empty for any other text."""
    start = text[:MAX_PART].lstrip()
    if not start.startswith("{") or '"notificationType"' not in start:
        return ()
    try:
        found, _ = json.JSONDecoder().raw_decode(start)
    except (ValueError, RecursionError):
        return ()
    kind = str(found.get("notificationType", ""))
    if kind == "Bounce":
        bounce = _object(found.get("bounce"))
        action = "failed"
        listed = bounce.get("bouncedRecipients")
    elif kind == "Delivery":
        action = "delivered"
        listed = [{"emailAddress": a} for a in _list(_object(found.get("delivery")).get("recipients"))]
    else:
        return ()
    return tuple(
        Recipient(
            str(r.get("emailAddress", "")).lower(),
            action,
            str(r.get("status", ""))[:12],
            str(r.get("diagnosticCode", ""))[:1000],
        )
        for r in map(_object, _list(listed))
        if "@" in str(r.get("emailAddress", ""))
    )


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value[:500] if isinstance(value, list) else []
