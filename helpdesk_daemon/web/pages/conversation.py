"""A ticket's conversation as its customer may see it: what they wrote, and answers as they got them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import nh3

from helpdesk_daemon.mail.body.html_quotes import is_too_deep
from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.ports.web import Row

MAX_HTML = 1_000_000  # characters
# Everything a mail is laid out with, and nothing that loads: no picture, no style sheet.
TAGS = nh3.ALLOWED_TAGS - {"img", "area", "map"}


@dataclass(frozen=True, slots=True)
class Said:
    """One mail of a conversation.

    Attributes:
        number: of the message.
        ours: it is an answer of ours.
        who: who wrote, as the customer knows them.
        text: what was new in it.
        files: names of what was attached.
        at: when.
        rich: it also has formatting that can be shown.
    """

    number: int
    ours: bool
    who: str
    text: str
    files: tuple[str, ...]
    at: datetime
    rich: bool = False


def conversation(rows: Sequence[Row]) -> list[Said]:
    """The part of a ticket's messages that is the customer's: no notes, no held mails, no automatic ones."""
    return [said for row in rows if (said := _said(row)) is not None]


def _said(row: Row) -> Said | None:
    if row["kind"] in ("request", "reply"):
        sender = row["sender"].partition("<")[0].strip() or row["sender"]
        text = (row["new_text"] or row["text"]).strip()
        return Said(row["id"], False, sender, text, (), row["at"], rich=True)
    if row["kind"] == "answer" and row["relayed"]:  # what agents write beside it stays inside
        mail = parse(row["relayed"])
        files = tuple(a.name for a in mail.attachments if not a.inline)
        return Said(row["id"], True, "", (mail.new_text or mail.text).strip(), files, row["at"], bool(mail.html))
    return None


def formatted(raw: bytes) -> str:
    """The HTML of a mail, without anything that acts, loads or hides; empty when it has none that can be shown."""
    html = parse(raw).html if raw else ""
    if not html or len(html) > MAX_HTML or is_too_deep(html):
        return ""
    return nh3.clean(
        html, tags=TAGS, url_schemes={"http", "https", "mailto", "tel"}, link_rel="noopener noreferrer nofollow",
        clean_content_tags={"script", "style", "title"},
    )  # fmt: skip
