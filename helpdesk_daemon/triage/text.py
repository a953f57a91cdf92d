"""The text a mail is judged by."""

from __future__ import annotations

import re

from helpdesk_daemon.mail.message import Message

MAX_CHARS = 1_500  # the model reads 128 tokens; more text only costs the tokenizer time
NOISE = (
    re.compile(r"^(?:\s*(?:re|aw|fwd?|wg|antw|sv|vs|tr|rv|enc|res|odp|ynt)\s*(?:\[\d+\])?\s*:)+\s*", re.IGNORECASE),
    re.compile(r"\[?\bHD-[0-9A-Z]{8}\b\]?", re.IGNORECASE),
    re.compile(r"https?://\S{60,}"),
    re.compile(r"[=*_#~-]{4,}"),
)


def judged_text(subject: str, body: str) -> str:
    """Subject and body as one text, without prefixes, tracking IDs, long links and rulers.

    Returns:
        At most 1,500 characters on one line; empty when both are.
    """
    for pattern in NOISE:
        subject = pattern.sub(" ", subject)
    body = body[: MAX_CHARS * 2]
    for pattern in NOISE[1:]:
        body = pattern.sub(" ", body)
    return " ".join(f"{subject}\n{body}".split())[:MAX_CHARS]


def text_of(message: Message) -> str:
    """What a received mail is judged by: its new part, or all of it when that is empty."""
    return judged_text(message.subject, message.new_text or message.text)
