"""Raw bytes to a `Message`, always: a ladder of ever simpler readings, each under guard."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from helpdesk_daemon.mail.body import split as body
from helpdesk_daemon.mail.message import Address, Headers, Message
from helpdesk_daemon.mail.mime import headers
from helpdesk_daemon.mail.mime.charset import decode
from helpdesk_daemon.mail.mime.entity import Budget, read_entity
from helpdesk_daemon.mail.mime.head import Head, read_head
from helpdesk_daemon.mail.mime.parameters import media_type
from helpdesk_daemon.mail.mime.parts import Parts, collect

# Where a sender is looked for, best first.
SENDER_FIELDS = (
    "From", "Reply-To", "Sender", "Resent-From", "X-Original-From", "X-Sender", "Return-Path", "Envelope-From",
    "X-Envelope-From", "X-MAIL-FROM", "X-Original-Sender", "Errors-To",
)  # fmt: skip
BARE_RETURN = re.compile(rb"[^\r\n]{1,10000}\r[^\n]")  # how a line ended before Mac OS X
EMPTY_LINE = re.compile(rb"\r{0,2}\n\r{0,2}\n|\r\r(?!\n)")
MAX_HEAD = 2_000_000  # bytes
DAEMON = re.compile(r"mailer.?daemon|postmaster|mail deliver", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what parsing looks at; beyond them the raw mail still holds everything.

    Attributes:
        header_bytes: size of the header block.
        header_fields: number of header fields.
        body_bytes: size of the body that is split into parts.
        depth: nesting of multiparts.
        parts: number of parts.
        text_chars: length of the body text kept for display.
    """

    header_bytes: int = 512_000
    header_fields: int = 2_000
    body_bytes: int = 60_000_000
    depth: int = 40
    parts: int = 500
    text_chars: int = 400_000


def parse(raw: bytes, limits: Limits | None = None) -> Message:
    """Read one mail. Never raises: each failure falls to a simpler reading and is named in `defects`.

    Args:
        raw: the mail as received (RFC 5322), any bytes at all.
        limits: bounds on the work.

    Returns:
        The message; empty fields where nothing could be read.
    """
    limits = limits or Limits()
    ladder: tuple[Callable[[bytes, Limits], Message], ...] = (_parse_tree, _parse_flat)
    failures: list[str] = []
    for reading in ladder:
        try:
            message = reading(raw, limits)
        except (Exception, RecursionError) as error:  # whatever the libraries raise on hostile input
            failures.append(f"{reading.__name__.removeprefix('_parse_')} reading failed: {type(error).__name__}")
            continue
        return _with_defects(message, failures)
    nothing = _message(Headers(), Parts(text=raw[: limits.text_chars].decode("latin-1")), "text/plain", limits)
    return _with_defects(nothing, failures)


def _with_defects(message: Message, more: list[str]) -> Message:
    if not more:
        return message
    return replace(message, defects=(*more, *message.defects))


def split_head(raw: bytes) -> tuple[bytes, bytes]:
    """Cut a mail at the first empty line into header block and body; a block without end is cut at `MAX_HEAD`."""
    cut = EMPTY_LINE.search(raw, 0, MAX_HEAD)
    return (raw[: cut.start()], raw[cut.end() :]) if cut else (raw[:MAX_HEAD], raw[MAX_HEAD:])


def _bounded(raw: bytes, limits: Limits) -> tuple[bytes, list[str]]:
    """Mend line ends that no reader expects, and cut what is beyond the limits."""
    defects = []
    raw = raw.lstrip(b" \t\r\n\x00\xef\xbb\xbf")
    if b"\r\r\n" in raw[:4_000]:  # written in text mode twice
        raw = raw.replace(b"\r\r\n", b"\r\n")
    elif BARE_RETURN.match(raw):
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    most = limits.header_bytes + limits.body_bytes
    if len(raw) > most:
        defects.append(f"mail of {len(raw)} bytes cut to {most}")
        raw = raw[:most]
    return raw, defects


def _budget(limits: Limits) -> Budget:
    return Budget(limits.depth, limits.parts, head_bytes=limits.header_bytes, head_fields=limits.header_fields)


def _parse_tree(raw: bytes, limits: Limits) -> Message:
    """The full reading: the MIME tree."""
    raw, defects = _bounded(raw, limits)
    budget = _budget(limits)
    root = read_entity(raw, budget)
    parts = collect(root, budget)
    parts.defects[:0] = defects
    # What was only signed is open now: nothing about it is sealed any more.
    kind = media_type(root.head.get("Content-Type")).value
    kind = "multipart/signed" if parts.signed and root.children is None else kind
    return _message(read_headers(root.head), parts, kind, limits, headers.raw_text(root.head.envelope))


def _parse_flat(raw: bytes, limits: Limits) -> Message:
    """The plain reading: header fields, the rest as one text."""
    raw, defects = _bounded(raw, limits)
    head = read_head(raw, 0, len(raw), limits.header_bytes, limits.header_fields)
    text, defect = decode(raw[head.end : head.end + limits.text_chars * 4])
    parts = Parts(text=text, defects=[*defects, "MIME structure not read", *([defect] if defect else [])])
    return _message(read_headers(head), parts, "text/plain", limits)


def read_headers(head: Head) -> Headers:
    """All fields of a head, decoded; address fields keep their raw form's structure."""
    return Headers(tuple((headers.one_line(name), _field(name, value)) for name, value in head.fields))


def _field(name: str, value: str) -> str:
    if name.lower() in ADDRESS_FIELDS:
        return headers.one_line(headers.raw_text(value))
    return headers.decode_words(value)


# Decoding these before splitting would turn an encoded comma into a separator.
ADDRESS_FIELDS = frozenset(
    [
        "from",
        "sender",
        "reply-to",
        "to",
        "cc",
        "bcc",
        "resent-from",
        "resent-to",
        "return-path",
        "x-original-from",
        "errors-to",
    ]
)


def _sender(fields: Headers, envelope: str, text: str) -> tuple[Address, str]:
    """Who wrote, and where that was read: the first place that names an address."""
    named = headers.display_name(fields.get("From"))
    for name in SENDER_FIELDS:
        found = headers.addresses(fields.get_all(name))
        if found:
            return (found[0] if name == "From" else Address(found[0].name or named, found[0].email)), name
    # A bounce often names no sender, and in its text stands whom it did not reach.
    for place, words in (("mbox line", envelope), ("text", "" if DAEMON.search(fields.get("From")) else text[:2_000])):
        found_in = headers.EMAIL.search(words)
        if found_in:
            return Address(named, found_in.group().strip(".").lower()), place
    return Address(named, ""), "none"


def _message(fields: Headers, parts: Parts, content_type: str, limits: Limits, envelope: str = "") -> Message:
    def people(name: str) -> tuple[Address, ...]:
        return headers.addresses(fields.get_all(name))

    text = parts.text
    if len(text) > limits.text_chars:
        parts.defects.append(f"text of {len(text)} characters cut to {limits.text_chars}")
        text = text[: limits.text_chars]
    sender, source = _sender(fields, envelope, text)
    if source != "From":
        parts.defects.append("no usable From" + (f", sender taken from {source}" if source != "none" else ""))
    return Message(
        headers=fields,
        sender=sender,
        sender_source=source,
        reply_to=people("Reply-To"),
        to=people("To"),
        cc=people("Cc"),
        subject=fields.get("Subject"),
        message_id=next(iter(headers.identifiers(fields.get("Message-ID"))), fields.get("Message-ID")[:900]),
        in_reply_to=headers.identifiers(" ".join(fields.get_all("In-Reply-To"))),
        references=headers.identifiers(" ".join(fields.get_all("References"))),
        content_type=content_type,
        text=text,
        html=parts.html,
        new_text=body.new_text(text, parts.html, fields.get("Subject")),
        attachments=tuple(parts.attachments),
        report=parts.report,
        defects=tuple(dict.fromkeys(parts.defects)),
    )
