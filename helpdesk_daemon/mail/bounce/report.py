"""Read the machine's part of a delivery report: message/delivery-status of RFC 3464, and its relatives."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from helpdesk_daemon.mail.message import Attachment, Message
from helpdesk_daemon.mail.mime.headers import EMAIL, decode_words

MAX_REPORT = 300_000
MAX_PART = 100_000
MAX_HEAD = 10_000
MAX_RECIPIENTS = 1_000
MAX_ATTACHED = 20
WRAPPED = (b"multipart/report", b"delivery-status")
BLANK = re.compile(r"\n(?:[ \t]*\n)+")
RECIPIENT_FIELDS = frozenset({"final-recipient", "original-recipient"})
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
    return _read(_reports(message)) or service_notification(message.text)


def enclosed_recipients(message: Message) -> tuple[Recipient, ...]:
    """The same for a report that a gateway wrapped into a mail of its own, to add a disclaimer.

    Only for mail that is known to be a bounce: a person may send us one and ask what it means.
    """
    attached = [a for a in message.attachments[:MAX_ATTACHED] if a.content_type == "message/rfc822"]
    return _read([_text(a) for a in attached if all(word in a.content[:MAX_HEAD].lower() for word in WRAPPED)])


def _read(texts: list[str]) -> tuple[Recipient, ...]:
    found: dict[Recipient, None] = {}
    for text in texts:
        lines = text[:MAX_REPORT].replace("\r\n", "\n").replace("\r", "\n")
        for block in BLANK.split(lines):
            found.update(dict.fromkeys(r for fields in _fields(block) if (r := _recipient(fields))))
            if len(found) > MAX_RECIPIENTS:
                break
    return tuple(found)


def _reports(message: Message) -> list[str]:
    texts = [message.report] if message.report else []
    texts += [_text(a) for a in message.attachments[:MAX_ATTACHED] if a.content_type in STATUS_TYPES]
    if not texts and message.content_type == "multipart/report":  # a report whose structure is broken
        texts += [
            _text(a) for a in message.attachments[:MAX_ATTACHED] if _unread(a) and MAYBE.search(a.content[:MAX_PART])
        ]
        texts.append(message.text[:MAX_PART])
    return texts


def _unread(attachment: Attachment) -> bool:
    return attachment.content_type.startswith(("multipart/", "text/plain", "application/octet-stream"))


def _text(attachment: Attachment) -> str:
    return attachment.content[:MAX_PART].decode("utf-8", "replace")


def _fields(block: str) -> list[dict[str, str]]:
    """The fields of a block, names lower-cased, folded lines joined; the first of each name counts.

    Some servers leave out the empty line between two recipients; a second recipient begins a new block.
    """
    fields: dict[str, str] = {}
    blocks, name = [fields], ""
    for line in block.split("\n"):
        if line[:1] in " \t" and name:
            fields[name] = f"{fields[name]} {line.strip()}"[:2000]
        elif match := FIELD.match(line):
            name = match.group(1).lower()
            if name in fields and name in RECIPIENT_FIELDS:
                fields = {}
                blocks.append(fields)
            name = name if name not in fields else f"again-{name}"
            fields[name] = match.group(2).strip()
    return blocks


def _recipient(fields: dict[str, str]) -> Recipient | None:
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
    """Recipients of a notification that Amazon SES mails as JSON, bare or within one of SNS; empty for other text."""
    found = _json(text[:MAX_PART]) if "notificationType" in text[:MAX_HEAD] else {}
    if "notificationType" not in found:
        found = _json(str(found.get("Message", "")))
    kind = str(found.get("notificationType", ""))
    if kind == "Bounce":
        return _service_recipients("failed", _list(_object(found.get("bounce")).get("bouncedRecipients")))
    if kind == "Delivery":
        reached = _list(_object(found.get("delivery")).get("recipients"))
        return _service_recipients("delivered", [{"emailAddress": address} for address in reached])
    return ()


def _json(text: str) -> dict[str, object]:
    """The object a text begins with, lines broken by mail joined again; empty when it is none."""
    joined = re.sub(r"!?\n ?", "", text.lstrip())
    if not joined.startswith("{"):
        return {}
    try:
        return _object(json.JSONDecoder(strict=False).raw_decode(joined)[0])
    except (ValueError, RecursionError):
        return {}


def _service_recipients(action: str, listed: list[object]) -> tuple[Recipient, ...]:
    found = []
    for entry in map(_object, listed):
        address = EMAIL.search(str(entry.get("emailAddress", ""))[:500])
        if address:
            status, said = str(entry.get("status", "")), str(entry.get("diagnosticCode", ""))
            found.append(Recipient(address.group().lower(), action, status[:12], said[:1000]))
    return tuple(found)


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value[:500] if isinstance(value, list) else []
