"""Whom the mail that a bounce returns was sent to: the last resort when the bounce names nobody."""

from __future__ import annotations

import re

from helpdesk_daemon.mail.bounce.words import RETURNED, RETURNED_HEADER
from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.mail.mime.headers import addresses

HEAD = 20_000
FOLDED = re.compile(r"\r?\n[ \t]+")
TO = re.compile(r"^(?:To|X-Original-To|Envelope-To)[ \t]?:[ \t]*(.{1,1000})", re.IGNORECASE | re.MULTILINE)
RETURNED_TYPES = frozenset({"message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers"})


def returned_to(message: Message) -> tuple[str, ...]:
    """The single recipient of the returned mail; empty when there are several or none."""
    heads = [a.content[:HEAD].decode("latin-1") for a in message.attachments if a.content_type in RETURNED_TYPES]
    for head in heads or [_inline(message.text)]:
        block = re.split(r"\r?\n\r?\n", head.lstrip(), maxsplit=1)[0] if heads else head
        found = {a.email for a in addresses(TO.findall(FOLDED.sub(" ", block)))}
        if found:
            return tuple(found) if len(found) == 1 else ()
    return ()


def returns_mail(message: Message) -> bool:
    """Whether a mail carries another one, attached or below a line that announces it."""
    return any(a.content_type in RETURNED_TYPES for a in message.attachments) or bool(_inline(message.text))


def _inline(text: str) -> str:
    """The part of a body below the line that announces the returned mail."""
    lines = text[:HEAD].split("\n")
    at = next(
        (i for i, line in enumerate(lines) if RETURNED.match(line[:600]) or RETURNED_HEADER.match(line[:600])), -1
    )
    return "\n".join(lines[at:]) if at >= 0 else ""
