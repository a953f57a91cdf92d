"""A ticket's conversation, retold to people who have not seen it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from helpdesk_daemon.mail.message import Address, Attachment, Message
from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.outgoing.message import Said
from helpdesk_daemon.ports import Stored

Mails = Sequence[tuple[Stored, bytes]]
# What a kind of mail on a ticket is called; others (bounces, held mail, bare orders) are not part of the conversation.
DID = {
    "request": "wrote", "reply": "wrote", "answer": "answered the customer", "note": "noted for colleagues",
    "automatic": "sent an automatic answer",
}  # fmt: skip
MAX_MAILS = 200  # mails retold; the newest
MAX_RAW = 50_000_000  # bytes of mail read again for its attachments


def _email(sender: str) -> str:
    return sender.rpartition("<")[2].rstrip(">")


def opening(mails: Mails) -> Message:
    """The mail that opened a ticket; where its bytes are gone, what was kept of it."""
    if not mails:
        return parse(b"")
    stored, raw = next((mail for mail in mails if mail[0].kind == "request"), mails[0])
    if raw:
        return parse(raw)
    who = Address(stored.sender.rpartition(" <")[0], _email(stored.sender))
    return replace(parse(b""), sender=who, subject=stored.subject, text=stored.text, new_text=stored.new_text)


def retold(mails: Mails) -> list[Said]:
    """What came after the first mail, oldest first."""
    first = next((stored for stored, _ in mails if stored.kind == "request"), None)
    told = [stored for stored, _ in mails if stored.kind in DID and stored is not first]
    return [Said(s.at, s.sender, DID[s.kind], s.new_text, s.files) for s in told[-MAX_MAILS:]]


def attachments(mails: Mails) -> tuple[list[Attachment], bool]:
    """The files of all mails of the conversation, pictures of the first beside its HTML; and whether these are all."""
    found: list[Attachment] = []
    left, whole = MAX_RAW, True
    for stored, raw in mails:
        if stored.kind not in DID:
            continue
        left -= len(raw)
        if left < 0:
            whole = False
            break
        inline = stored.kind == "request"
        found += [a if inline else replace(a, inline=False, content_id="") for a in parse(raw).attachments]
    return found, whole
