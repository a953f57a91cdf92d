"""Make a mail fit a server that takes only smaller ones."""

from __future__ import annotations

import email
import io
from email.generator import BytesGenerator
from email.message import Message as Part

from helpdesk_daemon.outgoing.mime import POLICY

NAMED = 15  # attachments left out that the note names
ROOM = 4_096  # for the note and the server's own header fields


def shrink(mime: bytes, limit: int, ticket: str) -> bytes | None:
    """Leave the largest attachments out, largest first, and say in the mail where they are.

    Args:
        mime: a mail of ours.
        limit: bytes the server takes (RFC 1870).
        ticket: tracking ID, for the note.

    Returns:
        The smaller mail, None when even without attachments it does not fit.
    """
    root = email.message_from_bytes(mime, policy=POLICY)
    parts = root.get_payload()
    if root.get_content_type() != "multipart/mixed" or not isinstance(parts, list):
        return None
    size, dropped = len(mime) + ROOM, []
    for part in sorted(parts[1:], key=_length, reverse=True):
        if size <= limit:
            break
        size -= _length(part)
        dropped.append(part)
    if size > limit:
        return None
    kept = [part for part in parts if part not in dropped]
    root.set_payload([kept[0], _note(dropped, ticket), *kept[1:]])
    out = io.BytesIO()
    BytesGenerator(out, mangle_from_=False, policy=POLICY).flatten(root)
    return out.getvalue()


def _length(part: Part) -> int:
    return len(part.as_bytes())


def _note(dropped: list[Part], ticket: str) -> Part:
    names = "\n".join(
        f"  {str(part.get_filename() or 'attachment')[:60]} ({_length(part)} bytes)" for part in dropped[:NAMED]
    )
    if len(dropped) > NAMED:
        names += f"\n  and {len(dropped) - NAMED} more"
    note = Part(policy=POLICY)
    note["Content-Type"] = 'text/plain; charset="utf-8"'
    note["Content-Disposition"] = "inline"
    note.set_payload(
        "The mail server takes only smaller mails, so these attachments were left out:\n\n"
        f"{names}\n\nThey are kept with the ticket. An operator gets them with\n\n"
        f"  helpdesk-daemon tickets show {ticket} --save FOLDER\n",
        "utf-8",
    )
    return note
