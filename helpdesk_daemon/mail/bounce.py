"""Whom a delivery report says could not be reached (RFC 3464)."""

from __future__ import annotations

import re

from helpdesk_daemon.mail.headers import EMAIL
from helpdesk_daemon.mail.message import Message


def failed_recipients(message: Message) -> tuple[str, ...]:
    """Addresses that a bounce reports as failed, lower-cased, in order; empty for any other mail."""
    found: list[str] = []
    for block in re.split(r"\n\s*\n", message.report):
        fields = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in block.splitlines())
        }
        if fields.get("action", "failed").lower() != "failed":
            continue
        for name in ("final-recipient", "original-recipient"):
            match = EMAIL.search(fields.get(name, ""))
            if match:
                found.append(match.group().lower())
                break
    for value in message.headers.get_all("X-Failed-Recipients"):
        found += [m.group().lower() for m in EMAIL.finditer(value)]
    return tuple(dict.fromkeys(found))
