"""Raw bytes to a `Message`, always: a ladder of ever simpler readings, each under guard."""

from __future__ import annotations

import email.parser
import email.policy
import re
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message as Part

from helpdesk_daemon.mail import body, headers
from helpdesk_daemon.mail.message import Address, Headers, Message
from helpdesk_daemon.mail.parts import Parts, collect, media_type

FIELD_LINE = re.compile(rb"^[!-9;-~]{1,200}:", re.MULTILINE)
SENDER_FIELDS = ("From", "Reply-To", "Sender", "X-Original-From", "Return-Path", "Envelope-From")
NOBODY = Address("", "")


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
    from dataclasses import replace

    return replace(message, defects=(*more, *message.defects))


def split_head(raw: bytes) -> tuple[bytes, bytes]:
    """Cut a mail at the first empty line into header block and body."""
    cut = re.search(rb"\r?\n\r?\n|\r\r", raw)
    return (raw[: cut.start()], raw[cut.end() :]) if cut else (raw, b"")


def _bounded(raw: bytes, limits: Limits) -> tuple[bytes, list[str]]:
    """Clean what the standard parser stumbles over, and cut what is beyond the limits."""
    defects = []
    raw = raw.lstrip(b"\r\n\x00\xef\xbb\xbf")
    if raw.startswith((b"From ", b">From ")):  # an mbox separator line
        raw = raw.partition(b"\n")[2]
    if b"\n" not in raw[:100_000] and b"\r" in raw[:100_000]:
        raw = raw.replace(b"\r", b"\n")
    head, rest = split_head(raw)
    if not FIELD_LINE.search(head):  # no header at all: everything is text
        head, rest = b"", raw
    if len(head) > limits.header_bytes:
        head, cut = head[: limits.header_bytes].rpartition(b"\n")[0] or head[: limits.header_bytes], len(head)
        defects.append(f"header block of {cut} bytes cut to {limits.header_bytes}")
    fields = head.count(b"\n")
    if fields > limits.header_fields:
        head = b"\n".join(head.split(b"\n", limits.header_fields)[: limits.header_fields])
        defects.append(f"{fields} header lines cut to {limits.header_fields}")
    if len(rest) > limits.body_bytes:
        defects.append(f"body of {len(rest)} bytes cut to {limits.body_bytes}")
        rest = rest[: limits.body_bytes]
    return head.rstrip(b"\r\n") + b"\r\n\r\n" + rest, defects


def _parse_tree(raw: bytes, limits: Limits) -> Message:
    """The full reading: MIME tree of the standard library, header fields decoded by our own rules."""
    raw, defects = _bounded(raw, limits)
    root = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(raw)
    parts = collect(root, limits.depth, limits.parts)
    parts.defects[:0] = defects
    return _message(read_headers(root), parts, media_type(root), limits)


def _parse_flat(raw: bytes, limits: Limits) -> Message:
    """The plain reading: header lines by hand, the rest as one text."""
    raw, defects = _bounded(raw, limits)
    head, rest = split_head(raw)
    unfolded = re.sub(rb"\r?\n[ \t]+", b" ", head)
    fields = []
    for line in unfolded.splitlines():
        name, colon, value = line.partition(b":")
        if colon and re.fullmatch(rb"[!-9;-~]{1,200}", name.strip()):
            text = value.decode("ascii", "surrogateescape")
            fields.append((name.strip().decode("ascii"), headers.decode_words(text)))
    from helpdesk_daemon.mail.charset import decode

    text, defect = decode(rest[: limits.text_chars * 4])
    parts = Parts(text=text, defects=[*defects, "MIME structure not read", *([defect] if defect else [])])
    return _message(Headers(tuple(fields)), parts, "text/plain", limits)


def read_headers(part: Part) -> Headers:
    """All fields of a part, unfolded and decoded; address fields keep their raw form's structure."""
    fields = []
    for name, value in part.raw_items():
        text = str(value)
        keep = name.lower() in ADDRESS_FIELDS
        fields.append(
            (
                headers.one_line(name),
                headers.one_line(headers.raw_text(text)) if keep else headers.decode_words(text),
            )
        )
    return Headers(tuple(fields))


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


def _sender(fields: Headers, text: str) -> tuple[Address, str]:
    for name in SENDER_FIELDS:
        found = headers.addresses(fields.get_all(name))
        if found:
            return found[0], name
    in_text = headers.EMAIL.search(text[:2_000])
    if in_text:
        return Address("", in_text.group().strip(".").lower()), "text"
    return Address(headers.decode_words(fields.get("From")), ""), "none"


def _message(fields: Headers, parts: Parts, content_type: str, limits: Limits) -> Message:
    def people(name: str) -> tuple[Address, ...]:
        return headers.addresses(fields.get_all(name))

    text = parts.text
    if len(text) > limits.text_chars:
        parts.defects.append(f"text of {len(text)} characters cut to {limits.text_chars}")
        text = text[: limits.text_chars]
    sender, source = _sender(fields, text)
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
