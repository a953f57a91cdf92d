"""What stands below and around a sender's own words: signatures, "Sent from my phone", disclaimers, list footers.

Works on text from which quotes are gone already. Precision first: what may be content stays.
"""

from __future__ import annotations

import re
from itertools import pairwise

from helpdesk_daemon.mail.body import closing_phrases as phrases

MAX_LINE = 300  # characters of a line that is looked at
SIGNATURE_LINES = 15  # non-empty lines below `-- ` that can be a signature
SIGNATURE_WIDTH = 160  # characters of its longest line
CONTACT_LINES = 10  # non-empty lines of a signature that begins with a closing phrase or with a name
CONTACT_WIDTH = 90
CLOSED_LINES = 4  # non-empty lines of a closing phrase with names, without contacts
FOOTER_LINES = 8  # non-empty lines of a mailing list's footer
LEGAL_SPAN = 3_000  # characters of a paragraph in which the words of a disclaimer are looked for

DELIMITER = re.compile(r"(?:--|—|– )[ \t\xa0]{0,3}$")
RULER = re.compile(r"[ \t]{0,4}(?:_{2,200}|-{5,200}|={5,200}|\*{5,200})[ \t]{0,4}$")
FOOTER = re.compile(r"https?://|www\.|mailing list|unsubscribe|\S@\S", re.IGNORECASE)
SENT_FROM = re.compile(rf"[ \t*_]{{0,4}}(?:{'|'.join(phrases.SENT_FROM)})[ \t*_]{{0,4}}$", re.IGNORECASE)
CLIENT = re.compile(
    rf"[ \t*_]{{0,4}}(?:{'|'.join((*phrases.SENT_FROM, *phrases.APPENDED))})[ \t*_]{{0,4}}$", re.IGNORECASE
)
BANNER = re.compile(rf"(?:{'|'.join(phrases.BANNER)})", re.IGNORECASE)
DISCLAIMER = re.compile(rf"(?:{'|'.join(phrases.DISCLAIMER)})", re.IGNORECASE)
LEGAL = re.compile(rf"(?:{phrases.LEGAL_WORDS})", re.IGNORECASE)
CLOSING = re.compile(
    rf"[ \t]{{0,4}}(?:{'|'.join(phrases.CLOSINGS)})[ \t]{{0,3}}[,.!]{{0,3}}[ \t]{{0,4}}$", re.IGNORECASE
)

PHONE = re.compile(r"(?:\b(?:tel|phone|mobile|mob|cell|fax|office|direct|telefon|telefax|handy|mobil|tél|téléphone|teléfono|telefone|telefoon|тел)\w{0,4}\b"
                   r"|^[ \t]{0,4}[PTMFD])[ \t]{0,3}[.:/|]{0,2}[ \t]{0,3}[+(]?\d[\d\s()./-]{5,24}\d|^[ \t]{0,4}\+?[(\d][\d\s()./-]{7,20}\d[ \t]{0,4}$", re.IGNORECASE)  # fmt: skip
WEB = re.compile(
    r"^[ \t]{0,4}(?:\w{1,10}[ \t]{0,2}[:|][ \t]{0,2})?[<(]?(?:https?://|www\.|[\w.+-]{1,60}@)[\w.-]{1,100}\S{0,100}[ \t]{0,4}$",
    re.IGNORECASE,
)
POSITION = re.compile(rf"(?<!\w)(?:{phrases.POSITIONS})(?!\w)")
COMPANY = re.compile(rf"(?<!\w)(?:{phrases.COMPANIES})(?!\w)")
CONTACTS = (PHONE, WEB, POSITION, COMPANY)
NAME = re.compile(
    r"[ \t]{0,4}(?:(?:Dr|Mr|Mrs|Ms|Prof|Dipl)\.?-?\w{0,5}\.? ){0,2}[^\W\d_][\w'’-]{0,20}\.?(?: [^\W\d_][\w'’.-]{0,20}){1,3},?[ \t]{0,4}$"
)
REGISTER = re.compile(rf"(?<!\w)(?:{phrases.REGISTER})", re.IGNORECASE)
NUMBERED = re.compile(r"\b(?:order|invoice|ticket|customer|account|serial|case|bestell|kunden|rechnung|commande|client|pedido|cliente|factura|ordine|fattura|zamówi|заказ)\w{0,12}"
                      r"[ \t]{0,2}(?:no|nr|number|nummer|id|n°|#|№)?\.?[ \t]{0,2}[:#]?[ \t]{0,2}\S{0,4}\d|^\s{0,4}p\.?\s?s\b", re.IGNORECASE)  # fmt: skip


def without_signature(text: str, ends: bool = False) -> str:
    """Own text without what stands below it and around it.

    Args:
        text: what the sender wrote, quotes gone.
        ends: nothing of the sender's comes after a quote, so what is below "Sent from my phone" is a bare quote.

    Returns:
        Text without leading and trailing empty lines; empty when there were no other words.
    """
    lines = text.split("\n")
    if ends:
        lines = lines[: _client_end(lines)]
    lines = [line for line in lines if not CLIENT.match(line[:MAX_LINE])]
    lines = _without_legal(lines)
    for cut in (_footer, _delimited, _registered, _closed, _named):
        lines = lines[: cut(lines)]
    found = "\n".join(lines).strip()
    return found if any(map(str.isalnum, found)) or not any(map(str.isalnum, text)) else ""


def is_signature(text: str, name: str = "") -> bool:
    """Whether nothing but a signature stands here, as below a command that needs no answer.

    Args:
        text: what stands below it.
        name: display name of the sender.
    """
    lines = _tail(text.split("\n"), 0)
    stand_in = "word"  # signatures are told by standing below something
    if not lines or without_signature(f"{stand_in}\n\n{text}") == stand_in:
        return True
    if CLOSING.match(lines[0][:MAX_LINE]):
        return len(lines) <= CLOSED_LINES and not any(_is_sentence(line) for line in lines[1:])
    named = {word.casefold() for word in re.findall(r"\w+", name)}
    signed = {word.casefold() for word in re.findall(r"\w+", lines[0])}
    return bool(signed) and signed <= named and _all_contact(lines)


def is_footer(lines: list[str]) -> bool:
    """Whether these lines are what a mailing list or a gateway puts below a mail: a ruler, then a few lines."""
    mark = lines[0][:MAX_LINE]
    return bool(RULER.match(mark) or DELIMITER.match(mark)) and len(_tail(lines, 1)) <= FOOTER_LINES


def _is_sentence(line: str) -> bool:
    return len(line.split()) > 5 or line.endswith(("?", "!", ":"))


def _client_end(lines: list[str]) -> int:
    """Where a client's own line stands alone between empty lines, below some words."""
    above = False
    for at, line in enumerate(lines):
        alone = (at == 0 or not lines[at - 1].strip()) and (at + 1 == len(lines) or not lines[at + 1].strip())
        if above and alone and SENT_FROM.match(line[:MAX_LINE]):
            return at
        above = above or bool(line.strip())
    return len(lines)


def _without_legal(lines: list[str]) -> list[str]:
    """Drop paragraphs that are disclaimers; a banner only where the mail begins."""
    kept: list[str] = []
    for start, end in _paragraphs(lines):
        paragraph = " ".join(lines[start:end])[:LEGAL_SPAN].strip(" \t*_-=")
        banner = not any(map(str.strip, kept)) and BANNER.match(paragraph)
        if banner or (DISCLAIMER.match(paragraph) and len({m.lower() for m in LEGAL.findall(paragraph)}) >= 2):
            continue
        kept += [*lines[start:end], ""]
    return kept


def _paragraphs(lines: list[str]) -> list[tuple[int, int]]:
    """The stretches between empty lines; an empty line of its own is one of no lines."""
    bounds = [-1, *(at for at, line in enumerate(lines) if not line.strip()), len(lines)]
    return [(a + 1, b) for a, b in pairwise(bounds)]


def _tail(lines: list[str], at: int) -> list[str]:
    return [line.strip() for line in lines[at:] if line.strip()]


def _footer(lines: list[str]) -> int:
    """Where a mailing list's footer begins: a ruler, then a few lines with addresses, then nothing."""
    last = max(len(lines) - 2 * FOOTER_LINES, 0)
    for at in range(len(lines) - 1, last - 1, -1):
        if RULER.match(lines[at][:MAX_LINE]):
            tail = _tail(lines, at + 1)
            fits = 0 < len(tail) <= FOOTER_LINES and sum(
                bool(FOOTER.search(line[:MAX_LINE])) for line in tail
            ) * 2 >= len(tail)
            if fits or not tail:
                return at
    return len(lines)


def _delimited(lines: list[str]) -> int:
    """Where a signature behind `-- ` begins (RFC 3676 section 4.3); a long text below the mark is content."""
    below, begins = 0, len(lines)
    for at in range(len(lines) - 1, -1, -1):
        if DELIMITER.match(lines[at]):
            begins = at
        elif lines[at].strip():
            below += 1
            if below > SIGNATURE_LINES or len(lines[at]) > SIGNATURE_WIDTH:
                break
    return begins


def _registered(lines: list[str]) -> int:
    """Where a company's particulars begin, below a closing phrase: its register, its managers, its tax number."""
    below = False
    for at in range(max(len(lines) - 4 * CONTACT_LINES, 0), len(lines)):
        below = below or bool(CLOSING.match(lines[at][:MAX_LINE]))
        if below and REGISTER.search(lines[at][:MAX_LINE]):
            tail = _tail(lines, at)
            told = {m.lower() for line in tail for m in REGISTER.findall(line[:MAX_LINE])}
            fits = len(told) >= 2 and 3 * sum(bool(REGISTER.search(line[:MAX_LINE])) for line in tail) >= len(tail)
            return at if fits and not any(line.endswith("?") for line in tail) else len(lines)
    return len(lines)


def _closed(lines: list[str]) -> int:
    """Where a signature with contacts below a closing phrase begins; a mere name stays with the phrase."""
    for at in range(len(lines) - 1, max(len(lines) - 2 * CONTACT_LINES, 0) - 1, -1):
        if CLOSING.match(lines[at][:MAX_LINE]):
            tail = _tail(lines, at + 1)
            return at if len(tail) >= 2 and _all_contact(tail) and _contacts(tail[1:]) >= 1 else len(lines)
    return len(lines)


def _named(lines: list[str]) -> int:
    """Where a signature begins that only its contacts tell: a name after an empty line, then phone and address."""
    for at in range(max(len(lines) - 2 * CONTACT_LINES, 1), len(lines)):
        if NAME.match(lines[at][:MAX_LINE]) and not lines[at - 1].strip():
            tail = _tail(lines, at)
            above = next((line.strip() for line in reversed(lines[:at]) if line.strip()), "")
            if above and not above.endswith((":", "：")) and _all_contact(tail) and _contacts(tail[1:]) >= 2:
                return at
    return len(lines)


def _all_contact(tail: list[str]) -> bool:
    """Whether nothing in these lines reads like a sentence or like a number that the sender refers to."""
    if len(tail) > CONTACT_LINES or any(len(line) > CONTACT_WIDTH or NUMBERED.search(line) for line in tail):
        return False
    return not any(line.endswith(("?", ":", "：")) or (line.endswith(".") and len(line.split()) >= 6) for line in tail)


def _contacts(tail: list[str]) -> int:
    return sum(any(pattern.search(line) for pattern in CONTACTS) for line in tail)
