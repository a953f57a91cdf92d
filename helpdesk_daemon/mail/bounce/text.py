"""Whom the words of a bounce name, where no delivery report (RFC 3464) says it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from helpdesk_daemon.mail.bounce.words import ADDRESS_FIELD, ADDRESS_WORD, RETURNED, RETURNED_HEADER, SENDER_LINE
from helpdesk_daemon.mail.mime.headers import EMAIL

MAX_CHARS = 40_000  # of a notice; more is a returned mail or an attack
MAX_LINE = 600
MAX_LINES = 600
MAX_DIAGNOSTIC = 400
REASON_LINES = 6  # below an address that may say why it failed

BULLET = re.compile(r"[\s*>•·–\"'(<-]{0,12}(?:\(?(?:generated|expanded) from:?\s{0,2}<?)?")
COLON = re.compile(r">?\)?\s{0,3}:(?!\S)")
ENDS = re.compile(r"[>\s)\"'*.;,]{0,8}(?:<[^<>\s]{1,250}>)?\s*")
REASON = re.compile(r"[>\"')]{0,3}\s{0,4}(?:\.\.\.|[\[(–;:,-]|\b(?:on|is|was|has|does|not|cannot)\b)")
SMTP_ANSWER = re.compile(r"[\W_]{0,10}(?:said:\s{0,3})?[45]\d\d[ -]")
SMTP_COMMAND = re.compile(r"rcpt to\s?:\s{0,3}<?$", re.IGNORECASE)
ASIAN = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
NOT_A_RECIPIENT = re.compile(r"(?:mailer-daemon|postmaster|abuse|double-bounce)@", re.IGNORECASE)
STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")  # RFC 3463


@dataclass(frozen=True, slots=True)
class Named:
    """An address a notice names, with the words that say why it failed."""

    address: str
    diagnostic: str


Form = Callable[[str, str], bool]
# The ways servers name an address, the surest first, told by what stands before and behind it on its
# line. Of one mail only the surest kind found counts. `sure`: it counts even if it is the sender's own.
FORMS: tuple[tuple[str, bool, Form], ...] = (
    ("named field", True, lambda before, after: bool(ADDRESS_FIELD.fullmatch(before))),
    ("address and colon", True, lambda before, after: bool(BULLET.fullmatch(before) and COLON.match(after))),
    ("address alone", False, lambda before, after: bool(BULLET.fullmatch(before) and ENDS.fullmatch(after))),
    ("address and reason", False, lambda before, after: bool(BULLET.fullmatch(before) and REASON.match(after))),
    ("SMTP answer", False, lambda before, after: bool(SMTP_ANSWER.match(before))),
    ("SMTP command", False, lambda before, after: bool(SMTP_COMMAND.search(before[-20:]))),
    ("sentence", False, lambda before, after: bool(ADDRESS_WORD.search(before[-70:]))),
)


def notice(text: str) -> list[str]:
    """The lines a server wrote itself: everything above the returned mail.

    Args:
        text: the body of a bounce.
    """
    kept: list[str] = []
    for line in text[:MAX_CHARS].split("\n")[:MAX_LINES]:
        line = line[:MAX_LINE].rstrip()
        if RETURNED_HEADER.match(line) or RETURNED.match(line):
            if any("@" in before for before in kept):
                break
            continue
        kept.append(line)
    return kept


def named_in(lines: list[str], sender_side: frozenset[str]) -> tuple[Named, ...]:
    """The addresses a notice names as failed, by the surest form it uses; empty when it names nobody.

    Args:
        lines: what the server wrote, as `notice` gives it.
        sender_side: addresses that are its sender's or ours, and hence not the failed ones.
    """
    places = list(_places(lines))
    for _, sure, form in FORMS:
        found: dict[str, Named] = {}
        for at, before, address, after in places:
            if not sure and (address in sender_side or _of_sender(before)):
                continue
            if form(before, after):
                found.setdefault(address, Named(address, _reason(lines, at, address)))
        if found:
            return tuple(found.values())
    return ()


def _of_sender(before: str) -> bool:
    """Whether a line speaks of the sender, or of whom to ask."""
    return bool(SENDER_LINE.search(before[-80:])) and not SMTP_COMMAND.search(before[-20:])


def _places(lines: list[str]) -> Iterator[tuple[int, str, str, str]]:
    """Every address with the number of its line and what stands before and behind it."""
    for at, line in enumerate(lines):
        if "@" not in line:
            continue
        for match in EMAIL.finditer(line):
            address = match.group().strip(".'`*").lower()
            prefix, equals, rest = address.partition("smtp=")
            address = rest if equals and not prefix else address
            if not NOT_A_RECIPIENT.match(address):
                yield at, line[: match.start()], address, line[match.end() :]


def _reason(lines: list[str], at: int, address: str) -> str:
    """What stands behind and below an address up to the next one."""
    said = [lines[at].strip()]
    for line in lines[at + 1 : at + 1 + REASON_LINES]:
        if "@" in line and address not in line.lower():
            break
        if not line.strip() and len(" ".join(said)) > len(address) + 12:
            break
        said.append(line.strip())
    return " ".join(" ".join(said).split())[:MAX_DIAGNOSTIC]


def about(address: str, lines: list[str]) -> str:
    """What a notice says about an address; empty when it does not stand there."""
    at = next((i for i, line in enumerate(lines) if address in line.lower()), -1)
    return _reason(lines, at, address) if at >= 0 else ""
