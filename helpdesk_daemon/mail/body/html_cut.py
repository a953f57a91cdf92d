"""Cut a stretch out of clean HTML by the words it shows."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from helpdesk_daemon.mail.formats.html import html_to_text

BETWEEN = re.compile(r"(?:</[^<>]*>|<br[^<>]*>|&nbsp;|\s)*")
EMPTY = r"<(?:p|div)(?:\s[^<>]{0,200})?>(?:&nbsp;|<br[^<>]*>|\s){0,20}</(?:p|div)>"
RULED = re.compile(rf"(?:<hr[^<>]*>|<br[^<>]*>|&nbsp;|\s|{EMPTY}){{1,100}}((?:</(?:div|body|html)>){{0,100}})$")


def cut_out(html: str, words: Sequence[str], skip: int = 0) -> str:
    """The part of a document that shows its first words, but for some at the very beginning.

    Cuts only at tags, so elements may be left open at its end and closed that were never opened.

    Args:
        html: balanced HTML without comments, scripts and styles.
        words: the words with which its text begins.
        skip: how many of them to leave out.

    Returns:
        The part; the caller checks what it shows, as words and tags may not meet.
    """
    tags = [match.start() for match in re.finditer("<", html)] + [len(html)]

    def shown(at: int) -> int:
        return len(html_to_text(html[:at]).split())

    last = bisect_right(tags, len(words), key=shown) - 1  # pictures behind the last word stay
    end = tags[last] if last >= 0 else 0
    begin = 0
    if skip:
        begin = tags[min(bisect_left(tags, skip, key=shown), len(tags) - 1)]
        begin = BETWEEN.match(html, begin).end()  # type: ignore[union-attr]  # it matches nothing, too
    return RULED.sub(r"\1", html[begin:end])
