"""Mail no person wrote: vacation notices, receipts, challenges, calendar answers, monitors (RFC 3834, RFC 8098)."""

from __future__ import annotations

import re
from collections.abc import Callable

from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.mail.screening.automatic_words import (
    AUTO_SUBJECT,
    AWAY_SUBJECT,
    BODY_AWAY,
    BODY_RECEIVED,
    BODY_SELF,
    CALENDAR_SUBJECT,
    CHALLENGE,
    CHALLENGE_SENDER,
    MACHINE_FIELDS,
    READ_BODY,
    READ_SUBJECT,
    REPLY_FIELDS,
)

SUBJECT_CHARS = 300
HEAD_CHARS = 500  # of the new text, in which a responder says what it is
SHORT = 2_500  # characters a responder that stamps nothing may have written
CALENDAR_REPLY = re.compile(rb"(?im)^METHOD:REPLY\s*$")
ANSWERS = re.compile(r"^\s*(?:re|aw|sv|vs|antw|odp|ynt|r|rif|回复|答复|ré)\s*[::]", re.IGNORECASE)

Sign = Callable[[Message], str]


def automatic_reply(message: Message) -> str:
    """By what a mail is told for the answer of a machine, in words; empty when it is none."""
    return _first(message, REPLY_SIGNS)


def automatic_mail(message: Message) -> str:
    """By what a mail is told for one that a machine sent of itself, in words; empty when it is none."""
    return _by_fields(message, MACHINE_FIELDS)


def complaint(message: Message) -> str:
    """By what a mail is told for a feedback report about mail of ours (RFC 5965); empty when it is none."""
    kind = message.headers.get("Content-Type").lower()
    if message.content_type == "multipart/report" and "feedback-report" in kind:
        return "abuse feedback report (RFC 5965)"
    if any(a.content_type == "message/feedback-report" for a in message.attachments):
        return "abuse feedback report (RFC 5965)"
    jmrp = message.headers.get("X-HmXmrOriginalRecipient")
    if jmrp or message.subject.lower().startswith("complaint about message from "):
        return "complaint about a message (Outlook.com)"
    return ""


def _first(message: Message, signs: tuple[Sign, ...]) -> str:
    return next((found for sign in signs if (found := sign(message))), "")


def _by_fields(m: Message, table: tuple[tuple[str, re.Pattern[str], str], ...]) -> str:
    for name, pattern, says in table:
        if any(pattern.match(value[:500]) for value in m.headers.get_all(name)):
            return says
    return ""


def _reply_field(m: Message) -> str:
    return _by_fields(m, REPLY_FIELDS)


def _receipt(m: Message) -> str:
    """A receipt of RFC 8098, in its form or, as some clients send it, in words only."""
    kind = m.headers.get("Content-Type").lower()
    if m.content_type == "multipart/report" and "disposition-notification" in kind:
        return "message disposition notification (RFC 8098)"
    if any(a.content_type == "message/disposition-notification" for a in m.attachments):
        return "message disposition notification (RFC 8098)"
    if READ_SUBJECT.match(m.subject[:SUBJECT_CHARS]) and READ_BODY.search(m.text[:1_000]):
        return "subject and text of a read receipt"
    return ""


def _other_report(m: Message) -> str:
    return "a report of another kind (RFC 6522)" if m.content_type == "multipart/report" and not m.report else ""


def _challenge(m: Message) -> str:
    if CHALLENGE_SENDER.search(m.sender.email):
        return "sender of a challenge-response system"
    asks = CHALLENGE.search(m.subject[:SUBJECT_CHARS])  # and a person who writes of such systems does not
    if asks and CHALLENGE.search((m.new_text or m.text)[:1_500]):
        return "asks to confirm a message (challenge-response)"
    return ""


def _calendar_answer(m: Message) -> str:
    for a in m.attachments:
        if a.content_type in ("text/calendar", "application/ics") and CALENDAR_REPLY.search(a.content[:20_000]):
            return "answer to a calendar invitation (RFC 5546)"
    calendar = any(a.content_type in ("text/calendar", "application/ics") for a in m.attachments)
    if calendar and CALENDAR_SUBJECT.match(m.subject[:SUBJECT_CHARS]):
        return "answer to a calendar invitation, by its subject"
    if "method=reply" in m.headers.get("Content-Type").lower().replace(" ", "").replace('"', ""):
        return "answer to a calendar invitation (RFC 5546)"
    return ""


def _subject(m: Message) -> str:
    return "subject of an automatic reply" if AUTO_SUBJECT.match(m.subject[:SUBJECT_CHARS]) else ""


def _body(m: Message) -> str:
    """A responder that stamps nothing: short, and its first sentences say so."""
    text = m.new_text or m.text[:SHORT]
    if not text or len(text) > SHORT:
        return ""
    head = " ".join(text[:HEAD_CHARS].split())
    if BODY_SELF.search(head):
        return "text that calls itself an automatic reply"
    answers = bool(ANSWERS.match(m.subject) or m.answers) or m.headers.get("Return-Path").strip() == "<>"
    if (answers or AWAY_SUBJECT.search(m.subject[:SUBJECT_CHARS])) and BODY_AWAY.search(head):
        return "text of an absence notice"
    if answers and BODY_RECEIVED.search(head):
        return "text of an acknowledgement or a notice of change"
    return ""


REPLY_SIGNS: tuple[Sign, ...] = (_reply_field, _receipt, _calendar_answer, _challenge, _other_report, _subject, _body)
