"""Read what our own server found about a mail's origin (Authentication-Results, RFC 8601)."""

from __future__ import annotations

import re

from helpdesk_daemon.mail.message import Headers, Message
from helpdesk_daemon.mail.mime.headers import addresses

METHOD = re.compile(
    r"(?:^|\s)(dmarc|spf|dkim|arc|compauth)\s{0,5}(?:/\s{0,5}\d{1,3}\s{0,5})?=\s{0,5}([a-z]{1,20})", re.IGNORECASE
)
MAX_VALUE = 16_000
ANY_SERVER = "*"
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"?')  # a sender chooses the local part of its address, semicolons included
COMMENT = re.compile(r"\([^()]*\)")


def results(fields: Headers, authserv_id: str) -> dict[str, str]:
    """Method results that our own server wrote.

    Only fields that name `authserv_id` count, and of these only the topmost: everything below the
    line our server added may have come with the mail. Servers that write no semicolons are read too;
    a `fail` outweighs any other result of its method, so that nothing a sender smuggles into the
    field can hide it.

    Args:
        fields: the mail's header fields, topmost first.
        authserv_id: the name our server signs its results with; empty trusts nothing; `*` trusts the
            topmost field whatever its name, for servers that always write one and name themselves
            not at all, as Exchange Online does.

    Returns:
        Method to result, lower-cased, such as `{"dmarc": "fail"}`; empty when there is none.
    """
    wanted = authserv_id.strip().lower()
    if not wanted:
        return {}
    for value in fields.get_all("Authentication-Results"):
        words = _without_comments(QUOTED.sub('""', value[:MAX_VALUE])).strip()
        server = re.split(r"[;\s]", words, maxsplit=1)[0].lower()
        if wanted in (server, ANY_SERVER):
            return _methods(words if "=" in server else words[len(server) :])
    return {}


def _methods(words: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for clause in words.split(";"):
        for method, result in METHOD.findall(clause):
            if result.lower() == "fail" or method.lower() not in found:
                found[method.lower()] = result.lower()
    return found


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


def doubtful_sender(message: Message, authserv_id: str) -> str:
    """Why the sender of a mail must not be taken for who it says; empty when nothing speaks against it.

    DMARC looks at the one address in From (RFC 7489 section 6.6.1): a mail with several, or with none, passes by it.
    """
    if dmarc_failed(message.headers, authserv_id):
        return "it fails DMARC, so its sender may be forged"
    if message.sender_source != "From":
        return "its From names no sender"
    if len({a.email for a in addresses(message.headers.get_all("From"))}) > 1:
        return "its From names several senders"
    return ""
