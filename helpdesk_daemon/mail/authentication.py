"""Read what our own server found about a mail's origin (Authentication-Results, RFC 8601)."""

from __future__ import annotations

import re

from helpdesk_daemon.mail.message import Headers

METHOD = re.compile(r"^\s*(dmarc|spf|dkim|arc|compauth)\s*(?:/\s*\d+\s*)?=\s*([a-z]+)", re.IGNORECASE)
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"?')  # a sender chooses the local part of its address, semicolons included
COMMENT = re.compile(r"\([^()]*\)")


def results(fields: Headers, authserv_id: str) -> dict[str, str]:
    """Method results that our own server wrote.

    Only fields that name `authserv_id` count, and of these only the topmost: everything below the
    line our server added may have come with the mail.

    Args:
        fields: the mail's header fields, topmost first.
        authserv_id: the name our server signs its results with; empty trusts nothing.

    Returns:
        Method to result, lower-cased, such as `{"dmarc": "fail"}`; empty when there is none.
    """
    wanted = authserv_id.strip().lower()
    if not wanted:
        return {}
    for value in fields.get_all("Authentication-Results"):
        words = _without_comments(QUOTED.sub('""', value)).strip()
        server = re.split(r"[;\s]", words, maxsplit=1)[0].lower()
        if server == wanted:
            found: dict[str, str] = {}
            for clause in words.split(";")[1:]:
                if match := METHOD.match(clause):
                    found.setdefault(match.group(1).lower(), match.group(2).lower())
            return found
    return {}


def _without_comments(value: str) -> str:
    """Comments of RFC 5322 may nest."""
    for _ in range(10):
        shorter = COMMENT.sub(" ", value)
        if shorter == value:
            break
        value = shorter
    return value.partition("(")[0]


def dmarc_failed(fields: Headers, authserv_id: str) -> bool:
    """Whether our own server says that the From domain disowns this mail (RFC 7489)."""
    return results(fields, authserv_id).get("dmarc") == "fail"
