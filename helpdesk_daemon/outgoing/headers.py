"""Header fields of outgoing mail: their exact names, safe values, and how they are written down."""

from __future__ import annotations

import re
from datetime import datetime
from email.header import Header
from email.utils import format_datetime

from helpdesk_daemon.mail.message import harmless
from helpdesk_daemon.mail.mime.headers import one_line
from helpdesk_daemon.tickets.ticket import Priority, Ticket

Field = tuple[str, str]
LINE = 76
LONGEST_WORD = 800  # a line may have 998 octets (RFC 5322 section 2.1.1); a longer word has to be encoded
SUBJECT = 250  # characters of a stranger's subject that we repeat
# Importance (RFC 2156), Priority (RFC 2156) and the X-Priority that mail clients show.
URGENCY = {
    Priority.HIGH: ("high", "urgent", "1"),
    Priority.MEDIUM: ("normal", "normal", "3"),
    Priority.LOW: ("low", "non-urgent", "5"),
}


def written(name: str, value: str) -> str:
    """A field value as it may stand in a mail: no control characters, RFC 2047 where not ASCII, folded."""
    value = one_line(value)
    if not value.isascii() or max(map(len, value.split(" "))) > LONGEST_WORD:
        return Header(value, "utf-8", maxlinelen=LINE, header_name=name).encode(linesep="\n")
    if len(name) + 2 + len(value) <= LINE:
        return value
    lines, line = [], " " * (len(name) + 2)
    for word in value.split(" "):
        if len(line) + len(word) > LINE and line.strip():
            lines.append(line.rstrip())
            line = " "
        line += word + " "
    lines.append(line.rstrip())
    return "\n".join(lines).lstrip()


def phrase(name: str, email: str) -> str:
    """A display name and address as one mailbox (RFC 5322 section 3.4)."""
    name = harmless(one_line(name))
    if not name:
        return email
    if not name.isascii():
        return f"{Header(name[:120], 'utf-8').encode(maxlinelen=0)} <{email}>"
    quoted = re.sub(r'(["\\])', r"\\\1", name[:120])
    return f'"{quoted}" <{email}>'


def mailbox(name: str, email: str) -> str:
    """The same for a field that people read, without quotes where a name needs none."""
    return f"{name} <{email}>" if re.fullmatch(r"[A-Za-z0-9 ]+", name) else phrase(name, email)


def date(at: datetime) -> str:
    """A moment as RFC 5322 section 3.3 writes it."""
    return format_datetime(at)


def reply_subject(subject: str, ticket: str) -> str:
    """`Re:` and the tracking ID around the customer's own words, each once."""
    plain = re.sub(r"^(?:\s*(?:re|aw|sv|antw)\s*:)+\s*", "", one_line(subject), flags=re.IGNORECASE)
    plain = plain.replace(f"[{ticket}]", "").strip()
    return f"Re: {plain[:SUBJECT]} [{ticket}]" if plain else f"Re: [{ticket}]"


def helpdesk_fields(ticket: Ticket, confidence: float, rule: str) -> list[Field]:
    """The routing fields of a forward; agents' filters rely on these exact names and forms."""
    importance, priority, x_priority = URGENCY[ticket.priority]
    return [
        ("X-Helpdesk-Ticket", ticket.id),
        ("X-Helpdesk-Category", ticket.category or "Unclassified"),
        ("X-Helpdesk-Confidence", f"{min(max(confidence, 0.0), 1.0):.2f}"),
        ("X-Helpdesk-Department", ticket.department),
        ("X-Helpdesk-Priority", ticket.priority.value),
        ("X-Helpdesk-SLA-Hours", f"{ticket.sla_hours:g}"),
        ("X-Helpdesk-SLA-Due", date(ticket.due_at)),
        ("X-Helpdesk-Rule", rule),
        ("Importance", importance),
        ("Priority", priority),
        ("X-Priority", x_priority),
    ]
