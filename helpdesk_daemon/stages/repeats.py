"""Tell a second copy of a mail from a second mail."""

from __future__ import annotations

from helpdesk_daemon.mail.body.signature import is_footer
from helpdesk_daemon.stages.case import Case
from helpdesk_daemon.stages.thread import lasting


def copy_of(case: Case) -> str:
    """What a mail is a copy of; empty when it is none.

    A list or a second address changes a mail on its way: trace headers, a footer, a word in the subject. Copies
    share ticket, Message-ID, sender, words and files. Mails that share a Message-ID alone are different mails.
    """
    earlier = case.known.digests.get(case.arrival.digest, case.arrival.id)
    if earlier < case.arrival.id:
        return f"copy of arrival {earlier}"
    mine = case.stored("", "")
    for other in case.known.copies.get(mine.message_id, ()) if mine.message_id else ():
        sender = other.sender.rpartition("<")[2].rstrip(">")
        if other.kind == "held":  # the copy that came straight from its sender may pass where this one did not
            continue
        if other.kind != "request" and not _same_ticket(case, other.ticket):
            continue
        if sender == case.message.sender.email and other.files == mine.files and _alike(other.new_text, mine.new_text):
            return f"copy of a mail on {other.ticket}: same Message-ID, sender, text and files"
    return ""


def _same_ticket(case: Case, ticket_id: str) -> bool:
    """Whether a mail belongs to the ticket of an ID, or to the one it was merged into."""
    return case.thread is not None and lasting(case.known, ticket_id) == case.thread.ticket


def _alike(one: str, other: str) -> bool:
    """Whether two texts are the same but for a footer below one of them."""
    short, long = sorted((one.split("\n"), other.split("\n")), key=len)
    short_words, long_words = " ".join(short).split(), " ".join(long).split()
    if short_words == long_words:
        return True
    words = 0
    for at, line in enumerate(long):
        if words == len(short_words) and line.strip():
            return long_words[:words] == short_words and is_footer(long[at:])
        words += len(line.split())
    return False
