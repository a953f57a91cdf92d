"""Where an address is mentioned: in texts, and in mails with their encodings undone."""

from __future__ import annotations

import re

from helpdesk_daemon.mail.mime.entity import Budget, Entity, read_entity
from helpdesk_daemon.mail.mime.headers import decode_words
from helpdesk_daemon.mail.parse import parse

ERASED = "[erased]"
AT = r"(?:@|%40|=40|&#64;|&#x40;)"  # as it is written in links, quoted-printable and HTML
BEFORE = r"(?:(?<![\w.+-])|(?<=[%=][0-9A-Fa-f]{2}))"  # not the end of a longer address, but the end of `%3C`
AFTER = r"(?![\w-])(?!\.[\w-])"
TNEF = "application/ms-tnef"
DEEP = 8  # mails attached to mails attached to mails


class Mention:
    """Finds one address, in any case; `zoe@x.example` is not found in `anzoe@x.example` or `zoe@x.example.org`."""

    def __init__(self, address: str) -> None:
        self.local, _, self.domain = address.lower().partition("@")
        self._pattern = re.compile(f"{BEFORE}{re.escape(self.local)}{AT}{re.escape(self.domain)}{AFTER}", re.IGNORECASE)

    def in_text(self, text: str) -> bool:
        """Whether a text mentions it."""
        return self._pattern.search(text) is not None

    def redact(self, text: str) -> str:
        """The text with `[erased]` in its place."""
        return self._pattern.sub(ERASED, text)

    def in_mail(self, raw: bytes, depth: int = 0) -> bool:
        """Whether a mail mentions it: in a header field, a text, or a mail or text attached to it."""
        if self.in_text(raw.decode("latin-1")):
            return True
        root = read_entity(raw, Budget())
        return any(self._in_part(part, depth) for part in _all(root))

    def _in_part(self, part: Entity, depth: int) -> bool:
        if any(self.in_text(decode_words(value)) for _, value in part.head.fields):
            return True
        if part.children is not None:
            return False
        kind = part.kind.value
        if kind == TNEF or part.kind.get("name").lower() == "winmail.dat":
            message = parse(part.raw)
            return self.in_text(message.text) or any(self._in_bytes(a.content) for a in message.attachments)
        content = part.content()
        if kind == "message/rfc822" and depth < DEEP:
            return self.in_mail(content, depth + 1)
        return self._in_bytes(content)

    def _in_bytes(self, content: bytes) -> bool:
        """Whether bytes in any charset mention it: addresses are ASCII, and UTF-16 puts a zero beside each letter."""
        if b"\x00" in content:
            content = content.removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff").replace(b"\x00", b"")
        return self.in_text(content.decode("latin-1"))


def _all(entity: Entity) -> list[Entity]:
    """An entity and all below it."""
    return [entity, *(part for child in entity.children or () for part in _all(child))]
