"""Recognise a mail again, whatever route, folder or UID it comes by."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator

from helpdesk_daemon.mail.mime.headers import identifiers
from helpdesk_daemon.mail.parse import split_head

CHUNK = 1_000_000  # bytes
# Fields that the sender wrote. Relays add, reorder and rewrite the others.
OWN_FIELDS = (
    b"message-id", b"from", b"sender", b"reply-to", b"to", b"cc", b"subject", b"date", b"in-reply-to",
    b"references", b"content-type",
)  # fmt: skip


def digest(raw: bytes, key: bytes) -> str:
    """A keyed digest of a mail's own header fields and body: equal for copies, different for all else.

    White space is folded as DKIM's relaxed canonicalisation does (RFC 6376 section 3.4), so that a
    Maildir copy and an IMAP copy agree. The Message-ID is part of it: two mails that share one but
    differ in content are two mails.

    Args:
        raw: the mail as received.
        key: secret of this installation, so that digests kept after an erasure tell nothing.

    Returns:
        64 hexadecimal digits (HMAC-SHA256).
    """
    head, body = split_head(raw.lstrip(b"\r\n"))
    found: dict[bytes, list[bytes]] = {}
    for line in re.sub(rb"\r?\n(?=[ \t])", b"", head).splitlines():
        name, _, value = line.partition(b":")
        found.setdefault(name.strip().lower(), []).append(b" ".join(value.split()))
    if not any(name in found for name in OWN_FIELDS):  # not a mail as we know it: all of it counts
        found, body = {}, raw
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for name in OWN_FIELDS:
        mac.update(name + b":" + b"\x00".join(found.get(name, [])) + b"\n")
    mac.update(b"\n")
    for chunk in _relaxed(body.rstrip()):
        mac.update(chunk)
    return mac.hexdigest()


def _relaxed(body: bytes) -> Iterator[bytes]:
    """The body without white space at line ends, piece by piece: a large mail has many lines."""
    at = 0
    while at < len(body):
        end = body.find(b"\n", at + CHUNK) + 1 or len(body)
        yield b"\n".join(line.rstrip(b" \t\r") for line in body[at:end].split(b"\n"))
        at = end


def message_id_of(raw: bytes) -> str:
    """The Message-ID of a mail, read without parsing it; empty when there is none."""
    head = b"\n" + split_head(raw)[0].replace(b"\r\n", b"\n")
    at = head.lower().find(b"\nmessage-id:")
    if at < 0:
        return ""
    line = head[at + 12 : at + 1_200].decode("latin-1")
    return next(iter(identifiers(line)), "")
