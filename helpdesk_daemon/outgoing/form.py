"""What was typed into our own form, written down as a mail, so that it goes the way of every other mail."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from helpdesk_daemon.mail.message import Attachment
from helpdesk_daemon.outgoing import mime
from helpdesk_daemon.outgoing.headers import date, phrase

# Name in the ledger of what did not come by a mailbox. Only our own store writes it, which makes it the proof that the
# mark below is ours; no mailbox may be called so.
FORM = "web"
MARK = "X-Helpdesk-Form"  # the tracking ID that the sender was shown; means nothing in mail


def write_form(
    name: str, email: str, to: str, subject: str, text: str, now: datetime, ticket: str = "",
    attachments: Sequence[Attachment] = (),
) -> bytes:  # fmt: skip
    """A form as a mail (RFC 5322) from whom it names.

    Args:
        name: as typed, may be empty.
        email: a deliverable address.
        to: our address; one with a token puts the mail on its ticket.
        subject: as typed.
        text: as typed.
        now: the present moment, UTC.
        ticket: tracking ID that its ticket is to have, empty for a mail on a ticket.
        attachments: files.

    Returns:
        The mail with CRLF line ends and a Message-ID of its own.
    """
    fields = [
        ("From", phrase(name, email)),
        ("To", to),
        ("Subject", subject),
        ("Date", date(now)),
        ("Message-ID", f"<form.{secrets.token_hex(16)}@{to.rpartition('@')[2]}>"),
        (MARK, ticket or "reply"),
    ]
    return mime.write(fields, text, "", attachments)
