"""The text a mail is judged by."""

from __future__ import annotations

import re

from helpdesk_daemon.mail.message import Message

MAX_CHARS = 1_500  # the model reads 128 tokens; more text only costs the tokenizer time
PREFIX = re.compile(r"^(?:\s*(?:re|aw|fwd?|wg|antw|sv|vs|tr|rv|enc|res|odp|ynt)\s*(?:\[\d+\])?\s*:)+\s*", re.IGNORECASE)
# A pattern, and characters without which it cannot match: most texts need no search at all.
NOISE = (
    ("HD-", re.compile(r"\[?\bHD-[0-9A-Za-z]{8}\b\]?")),
    ("hd-", re.compile(r"\[?\bhd-[0-9a-z]{8}\b\]?")),
    ("://", re.compile(r"https?://\S{60,}")),
    *((mark * 4, re.compile(rf"{re.escape(mark)}{{4,}}")) for mark in "=*_#~-"),
)


def judged_text(subject: str, body: str) -> str:
    """Subject and body as one text, without prefixes, tracking IDs, long links and rulers.

    Returns:
        At most 1,500 characters on one line; empty when both are.
    """
    text = f"{PREFIX.sub(' ', subject)}\n{body[: MAX_CHARS * 2]}"
    for needed, pattern in NOISE:
        if needed in text:
            text = pattern.sub(" ", text)
    return " ".join(text.split())[:MAX_CHARS]


def text_of(message: Message) -> str:
    """What a received mail is judged by: its new part, or all of it when that is empty."""
    return judged_text(message.subject, message.new_text or message.text)
