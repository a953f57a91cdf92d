"""Tell what the sender wrote now from what the mail client quoted, signed or added."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from helpdesk_daemon.mail.body import html_quotes, quotes
from helpdesk_daemon.mail.body.quote_phrases import FORWARD_SUBJECT
from helpdesk_daemon.mail.body.quotes import REPLY_MARKER
from helpdesk_daemon.mail.body.signature import without_signature
from helpdesk_daemon.mail.formats.html import html_to_text

__all__ = ["REPLY_MARKER", "new_text", "own_text", "said"]

MAX_SCAN = 100_000  # characters looked at; what is beyond is a quote or an attack
FEW_WORDS = 40  # own words above a forwarded mail, up to which it is what its sender wants read


class Cut(StrEnum):
    """How the words of others were told."""

    NONE = "nothing was set aside"
    MARKS = "quoted lines"
    BELOW = "all below a header block, a separator or an attribution"
    FORWARD = "all below the head of a forwarded mail"
    MARKER = "all below a request to write above it"


@dataclass(frozen=True, slots=True)
class Split:
    """A body, taken apart.

    Attributes:
        own: what the sender wrote, signature included.
        below: everything from the place on where the rest was cut off.
        cut: how the words of others were told.
    """

    own: str
    below: str
    cut: Cut


def new_text(text: str, html: str = "", subject: str = "") -> str:
    """The part of a body its sender wrote now, without quotes, signature and what clients and gateways add.

    A forwarded mail is what its sender wants read: it stays below a few words, and where there are none.

    Args:
        text: the whole body, line breaks as `\\n`.
        html: the HTML form of the same body, where there is one; its structure shows quotes that words do not.
        subject: tells a forward that looks like a reply.

    Returns:
        Text without leading and trailing empty lines; empty when everything was quoted.
    """
    split = _split(text, html)
    own = without_signature(_without_marked_signature(split.own, html), ends=split.cut is not Cut.MARKS)
    forwards = split.cut is Cut.FORWARD or (split.cut is Cut.BELOW and FORWARD_SUBJECT.match(subject[:50]) is not None)
    words = len(own.split()) if any(map(str.isalnum, own)) else 0
    if (forwards and words <= FEW_WORDS) or (split.cut is Cut.BELOW and not words):
        return f"{own}\n\n{split.below}".strip()
    return own or split.own


def own_text(text: str, html: str = "") -> str:
    """The part of a body its sender wrote now, signature included; nothing quoted or forwarded is left.

    Args:
        text: the whole body, line breaks as `\\n`.
        html: the HTML form of the same body, where there is one.
    """
    return _split(text, html).own


def said(own: str, html: str = "") -> str:
    """Own words without the signature below them; never more than `own_text` gave.

    Args:
        own: what `own_text` gave.
        html: the HTML form of the same body, where there is one.
    """
    return without_signature(_without_marked_signature(own, html))


def _split(text: str, html: str) -> Split:
    found = _split_lines(text[:MAX_SCAN].split("\n"))
    if found.cut not in (Cut.NONE, Cut.MARKS, Cut.MARKER) or not html:
        return found
    shown = html_quotes.without_quotes(html)
    if shown is None:
        return found
    inner = _split_lines(html_to_text(shown)[:MAX_SCAN].split("\n"))
    if len(inner.own) >= len(found.own):
        return found
    if not inner.own and found.cut is Cut.MARKS and not text.strip().startswith(found.own):
        return found  # answers between quoted lines, which some programs write inside of the quote
    return Split(inner.own, text.strip() if not inner.own else inner.below, Cut.BELOW)


def _split_lines(lines: list[str]) -> Split:
    """Walk down the lines to where the words of others begin and do not end."""
    kept: list[str] = []
    cut = Cut.NONE
    typed = quotes.marks_are_typed(lines)
    at = 0
    while at < len(lines):
        ending = _ending(lines, at)
        if ending is not Cut.NONE:
            return _finish(kept, lines[at:], ending)
        count, marked = quotes.attribution(lines, at)
        if count and not marked:
            return _finish(kept, lines[at:], Cut.BELOW)
        if count or not (_is_own(lines, at) or typed):
            cut = Cut.MARKS
            if count:
                _drop_rulers(kept)
        else:
            kept.append(lines[at])
        at += count or 1
    return Split(_tidy(kept), "", cut)


def _ending(lines: list[str], at: int) -> Cut:
    """How the sender's words end at this line; not at all, mostly."""
    if quotes.asks_to_write_above(lines[at]):
        return Cut.MARKER
    if quotes.is_forward(lines[at]):
        return Cut.FORWARD
    if quotes.is_original(lines[at]) or quotes.header_block(lines, at):
        return Cut.BELOW
    return Cut.NONE


def _is_own(lines: list[str], at: int) -> bool:
    return not (quotes.is_marked(lines[at]) or quotes.is_remnant(lines, at))


def _finish(kept: list[str], below: list[str], cut: Cut) -> Split:
    _drop_rulers(kept)
    return Split(_tidy(kept), "\n".join(below).strip(), cut)


def _drop_rulers(kept: list[str]) -> None:
    """Take away the rulers that a client drew above the quote."""
    last = len(kept)
    while last and (not kept[last - 1].strip() or quotes.is_ruler(kept[last - 1])):
        last -= 1
        if kept[last].strip():
            del kept[last:]


def _tidy(lines: list[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _without_marked_signature(own: str, html: str) -> str:
    """Cut off a signature that the HTML form marks as one, when the text ends with the same words."""
    for fragment in html_quotes.signatures(html) if html else ():
        signature = html_to_text(fragment).split()
        starts = [match.start() for match in re.finditer(r"\S+", own)]
        if 0 < len(signature) < len(starts) and own.split()[-len(signature) :] == signature:
            own = own[: starts[-len(signature)]].rstrip()
    return own
