"""Read header fields as real mail writes them: RFC 2047 words, raw 8-bit, broken addresses.

The standard library's `policy.default` raises on one to three of a hundred real mails and can take
seconds on a hostile one, so fields are taken raw and decoded here, in linear time.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re

from helpdesk_daemon.mail.message import Address
from helpdesk_daemon.mail.mime.charset import decode

MAX_FIELD = 64_000  # characters of one field we look at; the rest stays in the raw mail
MAX_LIST = 512_000  # the same for address lists: ours may be the last of thousands
MAX_ADDRESSES = 10_000
MAX_MAILBOX = 2_000  # characters of one address with its name
# The text of a word may hold question marks that should have been encoded, but no second beginning.
WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?((?:[^?=]|\?(?!=)|=(?!\?(?!=)))*)\?=")
GAP = re.compile(r"(\?=)[ \t\r\n]+(?==\?[^?\s]{1,60}\?[bBqQ]\?)")
IDENTIFIER = re.compile(r"<([^<>\s]{1,900})>")
EMAIL = re.compile(r"[^\s<>()\[\],;:\"@\x00-\x1f]{1,256}@[^\s<>()\[\],;:\"@\x00-\x1f]{1,255}")
COMMENT = re.compile(r"\([^()]*\)")
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]+")
# Embeddings, overrides and isolates make a line read otherwise than it is; the plain marks of right-to-left text stay.
TURNING = re.compile(r"[\u202a-\u202e\u2066-\u2069]")


def one_line(value: str) -> str:
    """Fold white space and control characters, so that no value can break out of its line or turn its direction."""
    return " ".join(TURNING.sub("", CONTROL.sub(" ", value)).split())


def raw_text(value: str) -> str:
    """A field as the parser hands it over (bytes as surrogates) turned into text."""
    if value.isascii():
        return value
    return decode(value.encode("utf-8", "surrogateescape"))[0]


def _word_bytes(encoding: str, payload: str) -> bytes:
    data = payload.encode("utf-8", "surrogateescape")
    if encoding in "qQ":
        return quopri.decodestring(data, header=True)
    data = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4))
    except binascii.Error:
        return base64.b64decode(data[: len(data) // 4 * 4])


def decode_words(value: str) -> str:
    """A field's text with the encoded words of RFC 2047 decoded, also those that were encoded twice."""
    value = value[:MAX_FIELD]
    if "=?" not in value:
        return one_line(raw_text(value))
    found = _decode_words(value)
    return _decode_words(found) if WORD.fullmatch(found) else found


def _decode_words(value: str) -> str:
    """Adjacent words of one charset are joined before decoding: senders split multi-byte characters between them."""
    value = GAP.sub(r"\1", value)
    out: list[str] = []
    pending, pending_charset, at = b"", "", 0
    for match in WORD.finditer(value):
        charset, encoding, payload = match.groups()
        between = value[at : match.start()]
        if pending and (between or charset.lower() != pending_charset.lower()):
            out.append(decode(pending, pending_charset)[0])
            pending = b""
        out.append(raw_text(between))
        pending += _word_bytes(encoding, payload)
        pending_charset, at = charset, match.end()
    if pending:
        out.append(decode(pending, pending_charset)[0])
    out.append(raw_text(value[at:]))
    return one_line("".join(out))


def _split(value: str) -> list[str]:
    """Cut an address list at its commas and semicolons, minding quotes, comments and angle brackets."""
    parts: list[str] = []
    start, depth, quoted, angled, escaped = 0, 0, False, False, False
    for at, char in enumerate(value):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == '"' and not depth:
            quoted = not quoted
        elif quoted:
            continue
        elif char == "(":
            depth += 1
        elif char == ")" and depth:
            depth -= 1
        elif char == "<":
            angled = True
        elif char == ">":
            angled = False
        elif char in ",;" and not depth and not angled:
            parts.append(value[start:at])
            start = at + 1
            if len(parts) >= MAX_ADDRESSES:
                return parts
    parts.append(value[start:])
    return parts


def _lower(email: str) -> str:
    """In lower case, unless that would turn a letter into one it only looks like: the Kelvin sign into k."""
    lower = email.lower()
    return email if lower.isascii() and not email.isascii() else lower


def _unquote(name: str) -> str:
    name = name.strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return name.strip().strip("'\"").strip()


def _address(part: str) -> Address | None:
    if "@" not in part:
        return None
    part = part.strip()[-MAX_MAILBOX:]
    angled = re.search(r"<\s*([^<>]*)\s*>?", part)
    if angled:
        inside = angled.group(1)
        if "(" in inside:  # comments may stand anywhere (RFC 5322 section 4.4)
            inside = "".join(COMMENT.sub("", inside).split())
        found = EMAIL.search(inside) or EMAIL.search(part)
        name = part[: angled.start()] or part[angled.end() :].strip(" ()")
    else:
        # A group's label (RFC 5322 section 3.4) may look like an address, but nobody writes from it.
        label, colon, members = part.partition(":")
        part = members if colon and "@" in members and not set(label) & set('"[(') else part
        found = EMAIL.search(part)
        comment = re.search(r"\(([^()]*)\)", part)
        name = comment.group(1) if comment else (part[: found.start()] if found else "")
    if not found:
        return None
    email = _lower(found.group().strip(".'").removeprefix("mailto:"))
    group_label = re.match(r"^[^\"<@]*:\s*", name)  # "undisclosed: a@b;" of RFC 5322 section 3.4
    if group_label and not angled:
        name = name[group_label.end() :]
    name = decode_words(_unquote(name))
    return Address(_unquote(name) if name.lower() != email else "", email)


def display_name(value: str) -> str:
    """The words of an address field whose address is missing or unusable."""
    name = decode_words(_unquote(value.partition("<")[0].strip()))
    return "" if "@" in name else _unquote(name)[:200]


def addresses(values: list[str]) -> tuple[Address, ...]:
    """All addresses of header values, in order, tolerant of what RFC 5322 forbids and mail does."""
    found: list[Address] = []
    for value in values:
        plain = value[:MAX_LIST].replace("\r", " ").replace("\n", " ")
        if "@" not in plain and "=?" in plain:  # the whole field, address included, in encoded words
            plain = decode_words(plain)
        found += [a for part in _split(plain) if (a := _address(part))]
    return tuple(found[:MAX_ADDRESSES])


def identifiers(value: str) -> tuple[str, ...]:
    """Message identifiers of a field, with their brackets (RFC 5322 section 3.6.4)."""
    return tuple(f"<{found}>" for found in IDENTIFIER.findall(value[:MAX_FIELD]))
