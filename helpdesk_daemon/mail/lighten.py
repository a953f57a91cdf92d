"""A mail without its attachments, all other bytes as they came: what retention keeps of it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

from helpdesk_daemon.mail.mime.entity import Budget, Entity, read_entity

NOTE = b"This attachment was removed after its time of retention.\r\n"
WORTH = 4_000  # bytes of an attachment; smaller ones, such as signatures and invitations, stay


def lighten(raw: bytes) -> bytes:
    """Put a note in the place of every attachment; heads, texts and boundaries stay byte for byte.

    Returns:
        The smaller mail; the same bytes when it has no attachment to speak of.
    """
    kept, at = [], 0
    for part in _attachments(read_entity(raw, Budget()), raw):
        encoded = "base64" in part.head.get("Content-Transfer-Encoding").lower()
        kept += [raw[at : part.start], b64encode(NOTE) + b"\r\n" if encoded else NOTE]
        at = part.end
    return b"".join([*kept, raw[at:]])


def _attachments(entity: Entity, raw: bytes) -> Iterator[Entity]:
    """Leaves that are not the text of the mail, in order."""
    for part in entity.children or ():
        if part.raw is not raw:  # decoded from something else: its place in the mail is unknown
            continue
        if part.children is not None:
            yield from _attachments(part, raw)
        elif part.end - part.start > WORTH and _is_attached(part):
            yield part


def _is_attached(part: Entity) -> bool:
    named = part.shown.get("filename") or part.kind.get("name")
    return bool(named) or part.shown.value == "attachment" or not part.kind.value.startswith("text/")
