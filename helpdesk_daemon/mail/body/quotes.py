"""Where in a body the words of others begin: attributions, header blocks, separators, forwards, reply markers.

Each function looks at the lines from one place on and says what begins there; `body` walks and decides.
"""

from __future__ import annotations

import re

from helpdesk_daemon.mail.body import quote_phrases as phrases

# Stands in every forward; a reply is cut above it, so that nothing inside can travel to a customer.
REPLY_MARKER = "— Please write above this line —"

MAX_LINE = 400  # characters of a line that can introduce a quote
MAX_FOLDED = 4  # lines an attribution may be folded over
MAX_ATTRIBUTION = 450  # characters of an attribution, unfolded
NEAR_START = 60  # characters within which a date stands that begins an attribution
BELOW = 4  # lines below an attribution in which its quote must begin to be told by its marks
MAX_FIELDS = 12  # lines of the header of a quoted mail that are looked at
LAST = 60  # characters in which the last word of an attribution is looked for
REMNANT = 40  # characters that a mail client may break off the end of a quoted line

RULE = r"[-_=*~#–—]"
MARK = re.compile(r"[ \t]{0,3}(?:>|&gt;)")
# What a person begins a line with: comparisons, faces, Python's prompt.
TYPED = re.compile(r"[ \t]{0,3}(?:>>> ?[A-Za-z_(\[\"']|>[=:;_<(.%\d-])")

ADDRESS = re.compile(r"[^\s<>()\[\]:;,@\"]{1,64}@[^\s<>()\[\]:;,@\"]{1,255}")
BRACKETED = re.compile(r"[<(\[]\s?(?:mailto:)?[^\s<>()\[\]@]{1,64}@[^\s<>()\[\]@]{1,255}\s?[>)\]]")
WHEN = re.compile(
    r"\b(?:19|20)\d{2}\b|\d{1,2}[:.h]\d{2}\b|\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|\d{1,2}\s?[月日]|\b\d{1,2}(?:st|nd|rd|th)?\.? [A-Za-z]{3}"
    r"|\b[A-Za-z]{3,9}\.? \d{1,2}\b",
)
DATE = re.compile(r"\b(?:19|20)\d{2}\b|\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|\d{4}年")
CLOCK = re.compile(r"\b\d{1,2}[:.h时点]\d{2}")
LEAD = rf"[ \t]{{0,20}}(?:{RULE}{{1,10}}[ \t]{{0,4}})?"
OPENING = re.compile(rf"{LEAD}(?:{phrases.words(phrases.OPENINGS)})(?=[\s\d:,，]|$)", re.IGNORECASE)
DATED = re.compile(rf"{LEAD}(?:\w{{2,12}}[.,]{{0,2}}\s)?\W{{0,2}}\d", re.IGNORECASE)
VERB = re.compile(rf"(?<![^\W_])(?:{phrases.words(phrases.VERBS)})|のメール|写道|寫道", re.IGNORECASE)
VERBS_LAST = tuple(phrase.lower() for table in phrases.VERBS for phrase in table.split(" | "))
COLON = re.compile(r"[:：]\s{0,4}[*_]{0,2}\s{0,4}$")
QUOTING = re.compile(rf"{LEAD}(?:Quoting|Zitat von|Citando)\s", re.IGNORECASE)

ORIGINAL = re.compile(
    rf"[ \t]{{0,20}}(?:{RULE}{{2,}}|\[)[ \t]{{0,4}}(?:{phrases.words(phrases.ORIGINAL)})[ \t]{{0,4}}[:：]?[ \t]{{0,4}}(?:{RULE}{{0,80}}|\])[ \t]{{0,20}}$",
    re.IGNORECASE,
)
FORWARDED = re.compile(
    rf"[ \t]{{0,20}}(?:{RULE}{{2,}}[ \t]{{0,4}}(?:{phrases.words(phrases.FORWARDED)})|(?:{phrases.words(phrases.BEGIN_FORWARDED)})[ \t]{{0,2}}[:：])",
    re.IGNORECASE,
)
RULER = re.compile(rf"[ \t]{{0,20}}{RULE}{{2,200}}[ \t]{{0,20}}$")
TITLED_RULER = re.compile(r"[ \t]{0,20}[-=*_]{3,80}[ \t]{0,4}[^-=*_\s][^\n]{0,60}[-=*_]{3,80}[ \t]{0,20}$")
ABOVE = re.compile(rf"(?:{phrases.words(phrases.ABOVE_LINE)})", re.IGNORECASE)
FRAMED = re.compile(rf"[ \t]{{0,20}}{RULE}.*{RULE}[ \t]{{0,20}}$")
MAX_ABOVE = 160  # characters of a line that asks to write above it
AROUND_ABOVE = 70  # letters of the request around the words that tell it


def _fields(kinds: dict[str, tuple[str, ...]]) -> re.Pattern[str]:
    named = "|".join(f"(?P<{kind}>{phrases.words((*table, *map(str.upper, table)))})" for kind, table in kinds.items())
    return re.compile(
        rf"[ \t]{{0,20}}(?P<bold>[*_]{{0,2}})(?:{named})[*_]{{0,2}}[ \t]?[*_]{{0,2}}[:：](?P<value>.{{0,400}})"
    )


FIELD = _fields(phrases.FIELDS)
FORM_FIELD = re.compile(rf"[ \t*]{{0,20}}(?:{phrases.words(phrases.FORM_FIELDS)})[ \t*]{{0,3}}[:：]", re.IGNORECASE)


def is_marked(line: str) -> bool:
    """Whether a line is quoted by a mark at its beginning."""
    return bool(MARK.match(line))


def asks_to_write_above(line: str) -> bool:
    """Whether a line is the request of a ticket system to write above it; what is below it is the system's."""
    if REPLY_MARKER[2:-2] in line:
        return True
    if len(line) > MAX_ABOVE or not FRAMED.match(line):
        return False
    found = ABOVE.search(line)
    return found is not None and sum(map(str.isalpha, line[: found.start()] + line[found.end() :])) <= AROUND_ABOVE


def attribution(lines: list[str], at: int) -> tuple[int, bool]:
    """Whether the lines from here on say who wrote the quote below.

    Returns:
        How many lines they are, 0 for none; and whether the quote below is told by marks.
    """
    if not lines[at].strip() or len(lines[at]) > MAX_LINE:
        return 0, False
    opens = bool(OPENING.match(lines[at]))
    starts = opens or at == 0 or not lines[at - 1].strip() or bool(DATED.match(lines[at]))
    joined = ""
    for count, line in enumerate(lines[at : at + MAX_FOLDED], 1):
        if not line.strip() or len(joined) + len(line) > MAX_ATTRIBUTION or _ends_fold(joined, line, opens):
            break
        joined = f"{joined} {line.strip()}".strip()
        if (count == 1 or starts) and (COLON.search(joined) or _ends_in_verb(joined)):
            marked = _marked_below(lines, at + count)
            if _attributes(joined) or (marked and _may_attribute(joined)):
                own_line = count > 1 and not opens and not WHEN.search(lines[at]) and attribution(lines, at + 1)[0]
                return (0, False) if own_line else (count, marked)
    return 0, False


def _ends_in_verb(joined: str) -> bool:
    """Whether the last word says that somebody wrote; asked of most lines, so without a search by pattern."""
    return " ".join(joined[-LAST:].lower().split()).rstrip(" :：*_-").endswith(VERBS_LAST)


def _ends_fold(joined: str, line: str, opens: bool) -> bool:
    """Whether a line cannot go on with what is joined so far: it is quoted, or begins an attribution itself."""
    if is_marked(line):
        return joined.count("<") <= joined.count(">") or len(line) > LAST
    return bool(joined) and not opens and bool(OPENING.match(line) or DATED.match(line))


def _attributes(joined: str) -> bool:
    """Whether this can only be an attribution, whatever follows."""
    verb = VERB.search(joined)
    bracketed = BRACKETED.search(joined)
    if verb is None:
        if QUOTING.match(joined):
            return bool(bracketed)
        # Any language: a date, a time, and an address right before the colon.
        last = ADDRESS.search(joined, max(0, len(joined) - 120))
        return bool(last and len(joined) - last.end() <= 25 and DATE.search(joined) and CLOCK.search(joined))
    if bracketed:
        return len(joined) - bracketed.end() <= 60
    when = WHEN.search(joined)
    begins = OPENING.match(joined) or DATED.match(joined)
    return bool(begins and (ADDRESS.search(joined) or (when and when.start() < NEAR_START)))


def _may_attribute(joined: str) -> bool:
    """Whether this is an attribution when marked lines follow."""
    if VERB.search(joined):
        return bool(OPENING.match(joined) or ADDRESS.search(joined) or WHEN.search(joined)) or len(joined.split()) <= 8
    return bool(QUOTING.match(joined) or (ADDRESS.search(joined) and (DATE.search(joined) or CLOCK.search(joined))))


def _marked_below(lines: list[str], at: int) -> bool:
    return any(is_marked(below) for below in lines[at : at + BELOW])


def header_block(lines: list[str], at: int) -> bool:
    """Whether the header fields of a quoted mail begin here, as Outlook and others write them."""
    first = FIELD.match(lines[at][:MAX_LINE])
    if first is None or first.lastgroup is None:
        return False
    found = dict(_block(lines, at))
    if "form" in found or "from" not in found:
        return False
    sender = found["from"].group("value")
    if _kind(first) != "from":
        return len(found) >= 3 and ("@" in sender or "sent" in found or "subject" in found)
    if "sent" in found or ("subject" in found and ("to" in found or "date" in found)):
        return True
    if "date" in found:
        return "@" in sender or bool(first.group("bold")) or bool(CLOCK.search(found["date"].group("value")))
    return "@" in sender and ("to" in found or "subject" in found)


def _kind(match: re.Match[str]) -> str:
    return next(kind for kind in phrases.FIELDS if match.group(kind))


def _block(lines: list[str], at: int) -> list[tuple[str, re.Match[str]]]:
    """The fields that stand together from here on; folded values and single empty lines may be between."""
    found: list[tuple[str, re.Match[str]]] = []
    between = 0
    for line in lines[at : at + MAX_FIELDS]:
        if form := FORM_FIELD.match(line[:MAX_LINE]):
            found.append(("form", form))
        elif match := FIELD.match(line[:MAX_LINE]):
            if any(kind == _kind(match) for kind, _ in found):
                break
            found.append((_kind(match), match))
            between = 0
        else:
            between += 1 if line.strip() else 2
            if between > 2:
                break
    return found


def is_original(line: str) -> bool:
    """Whether a line announces the answered mail: `-----Original Message-----`."""
    return bool(ORIGINAL.match(line[:MAX_LINE]))


def is_forward(line: str) -> bool:
    """Whether a line announces a forwarded mail."""
    return bool(FORWARDED.match(line[:MAX_LINE]))


def is_ruler(line: str) -> bool:
    """Whether a line only separates."""
    return bool(RULER.match(line[:MAX_LINE]) or TITLED_RULER.match(line[:MAX_LINE]))


def marks_are_typed(lines: list[str]) -> bool:
    """Whether every `>` at the beginning of a line was typed by the sender and quotes nothing."""
    marked = [line for line in lines if is_marked(line)]
    return all(TYPED.match(line) for line in marked)


def is_remnant(lines: list[str], at: int) -> bool:
    """Whether a line is the end of the quoted line above it, broken off by a mail client."""
    if not 0 < at < len(lines) - 1 or not (is_marked(lines[at - 1]) and is_marked(lines[at + 1])):
        return False
    above, line = lines[at - 1].rstrip(), lines[at].strip()
    return len(above) >= 60 and above[-1] not in ".?!:" and 0 < len(line) <= REMNANT and line[0].islower()
