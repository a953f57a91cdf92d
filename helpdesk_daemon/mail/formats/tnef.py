"""Open winmail.dat, in which Outlook wraps attachments and sometimes the text (MS-OXTNEF, MS-OXPROPS).

Read here rather than by a library: the format is full of counts, and a reader that believes them
is kept busy for minutes by fifty bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from helpdesk_daemon.mail.formats.rtf import decompress, read_rtf
from helpdesk_daemon.mail.mime.charset import codec_for, decode

SIGNATURE = b"\x78\x9f\x3e\x22"
MAX_ATTRIBUTES = 20_000
MAX_PROPERTIES = 50_000  # of all lists together
MAX_VALUES = 1_000  # of one property
MAX_DEPTH = 4  # messages within messages
# Attributes (the low half of their number).
BODY, RENDERING, TITLE, DATA, TRANSPORT_NAME = 0x800C, 0x9002, 0x8010, 0x800F, 0x9001
PROPERTIES, ATTACHMENT_PROPERTIES, CODEPAGE = 0x9003, 0x9005, 0x9007
# Properties.
TEXT, RTF, HTML, SUBJECT = 0x1000, 0x1009, 0x1013, 0x0037
DISPLAY_NAME, SHORT_NAME, LONG_NAME, ATTACHED, CONTENT_ID = 0x3001, 0x3704, 0x3707, 0x3701, 0x3712
INTERNET_CODEPAGE, MESSAGE_CODEPAGE = 0x3FDE, 0x3FFD
NAMED = 0x8000  # properties from here on carry a name
MULTIPLE = 0x1000
UNICODE, STRING, OBJECT, BINARY = 0x1F, 0x1E, 0x0D, 0x102
VARIABLE = frozenset([UNICODE, STRING, OBJECT, BINARY])
SIZES = {0x02: 4, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}
# What a property that is an object begins with when the object is a message.
MESSAGE_OBJECT = bytes.fromhex("0703020000000000c000000000000046")


@dataclass(frozen=True, slots=True)
class Opened:
    """What a TNEF part holds: plain text, HTML, files as (name, bytes, Content-ID)."""

    text: str
    html: str
    files: tuple[tuple[str, bytes, str], ...]


@dataclass(slots=True)
class _Filed:
    """An attachment while it is read."""

    title: bytes = b""
    content: bytes = b""
    properties: dict[int, tuple[int, bytes]] = field(default_factory=dict)


@dataclass(slots=True)
class _Allowance:
    """What may still be read of one part: the format's own counts are not to be believed."""

    properties: int = MAX_PROPERTIES
    rtf: int = 2


def open_tnef(content: bytes) -> Opened | None:
    """Take a TNEF part apart; None when nothing is found in it, what there is when it ends early."""
    return _open(content, 0, _Allowance())


def _open(content: bytes, depth: int, allowed: _Allowance) -> Opened | None:
    if not content.startswith(SIGNATURE) or depth > MAX_DEPTH:
        return None
    codec, body = "cp1252", b""
    properties: dict[int, tuple[int, bytes]] = {}
    attached: list[_Filed] = []
    for name, value in _attributes(content):
        if name == CODEPAGE:
            codec = codec_for(f"cp{int.from_bytes(value[:4], 'little')}") or codec
        elif name == BODY:
            body = value
        elif name == PROPERTIES:
            properties |= dict(_properties(value, allowed))
        elif name == RENDERING:
            attached.append(_Filed())
        elif attached:
            _file_attribute(attached[-1], name, value, allowed)
    text, html = _bodies(properties, body, codec, allowed)
    files = [file for one in attached for file in _files(one, codec, depth, allowed)]
    return Opened(text, html, tuple(files)) if text.strip() or html.strip() or files else None


def _attributes(content: bytes) -> Iterator[tuple[int, bytes]]:
    at = 6
    for _ in range(MAX_ATTRIBUTES):
        if at + 9 > len(content):
            return
        _, number, length = struct.unpack_from("<BII", content, at)
        yield number & 0xFFFF, content[at + 9 : at + 9 + length]
        at += 9 + length + 2


def _file_attribute(filed: _Filed, name: int, value: bytes, allowed: _Allowance) -> None:
    if name in (TITLE, TRANSPORT_NAME):
        filed.title = filed.title or value
    elif name == DATA:
        filed.content = value
    elif name == ATTACHMENT_PROPERTIES:
        filed.properties |= dict(_properties(value, allowed))


def _properties(value: bytes, allowed: _Allowance) -> Iterator[tuple[int, tuple[int, bytes]]]:
    """Properties as number, type and bytes, until the bytes run out."""
    try:
        at = 4
        for _ in range(int.from_bytes(value[:4], "little")):
            allowed.properties -= 1
            if allowed.properties < 0:
                return
            kind, number = struct.unpack_from("<HH", value, at)
            at = _past_name(value, at + 4) if number >= NAMED else at + 4
            found, at = _property(value, at, kind)
            if number < NAMED:
                yield number, (kind & ~MULTIPLE, found)
    except (struct.error, ValueError):
        return


def _past_name(value: bytes, at: int) -> int:
    (how,) = struct.unpack_from("<I", value, at + 16)
    if how == 0:
        return at + 24
    (length,) = struct.unpack_from("<I", value, at + 20)
    return at + 24 + _padded(length)


def _property(value: bytes, at: int, kind: int) -> tuple[bytes, int]:
    """The bytes of a property, the first value of several, and where the next property begins."""
    base = kind & ~MULTIPLE
    if base in VARIABLE:
        (count,) = struct.unpack_from("<I", value, at)
        first, at = b"", at + 4
        for position in range(min(count, MAX_VALUES)):
            (length,) = struct.unpack_from("<I", value, at)
            if position == 0:
                first = value[at + 4 : at + 4 + length]
            at += 4 + _padded(length)
        return first, at
    if base not in SIZES:
        raise ValueError(f"property of type {base:#x}")
    if kind & MULTIPLE:
        (count,) = struct.unpack_from("<I", value, at)
        size = 2 if base in (0x02, 0x0B) else SIZES[base]
        return value[at + 4 : at + 4 + size], at + 4 + _padded(size * count)
    return value[at : at + SIZES[base]], at + SIZES[base]


def _padded(length: int) -> int:
    return (length + 3) // 4 * 4


def _text(found: tuple[int, bytes] | None, codec: str) -> str:
    """A string property as text."""
    if not found:
        return ""
    kind, value = found
    if kind == UNICODE:
        return value.decode("utf-16-le", "replace").replace("\x00", "")
    return decode(value, codec)[0].replace("\x00", "")


def _bodies(properties: dict[int, tuple[int, bytes]], body: bytes, codec: str, allowed: _Allowance) -> tuple[str, str]:
    """Plain text and HTML; RTF is read when neither is there, since it is made from one of them."""
    named = properties.get(INTERNET_CODEPAGE) or properties.get(MESSAGE_CODEPAGE)
    html_codec = codec_for(_codepage(int.from_bytes(named[1][:4], "little"))) if named else ""
    text = _text(properties.get(TEXT), codec) or decode(body, codec)[0].replace("\x00", "")
    html = _text(properties.get(HTML), html_codec)
    if not html.strip() and RTF in properties and allowed.rtf:
        allowed.rtf -= 1
        rtf_text, html = read_rtf(decompress(properties[RTF][1]))
        text = text if text.strip() else rtf_text
    return text.replace("\r\n", "\n"), html


def _codepage(number: int) -> str:
    """The charset of a Windows code page number."""
    return {65001: "utf-8", 20127: "us-ascii", 20866: "koi8-r", 21866: "koi8-u", 50220: "iso-2022-jp", 51932: "euc-jp",
            51949: "euc-kr", 54936: "gb18030", 52936: "hz"}.get(number) or (
        f"iso-8859-{number - 28590}" if 28591 <= number <= 28605 else f"cp{number}")  # fmt: skip


def _files(filed: _Filed, codec: str, depth: int, allowed: _Allowance) -> list[tuple[str, bytes, str]]:
    """The files an attachment holds: itself, or for a message its text and its files."""
    long_name, short, shown = (_text(filed.properties.get(n), codec) for n in (LONG_NAME, SHORT_NAME, DISPLAY_NAME))
    name = long_name or short or decode(filed.title.rstrip(b"\x00"), codec)[0] or shown
    content = filed.content
    if ATTACHED in filed.properties:
        kind, value = filed.properties[ATTACHED]
        interface, value = (value[:16], value[16:]) if kind == OBJECT else (b"", value)
        inner = _open(value, depth + 1, allowed) if interface == MESSAGE_OBJECT else None
        if inner is not None:
            words = (inner.html or inner.text).encode()
            own = [(f"{name or 'message'}{'.html' if inner.html else '.txt'}", words, "")] if words else []
            return [*own, *inner.files]
        content = value or content
    return [(name, content, _text(filed.properties.get(CONTENT_ID), codec).strip("<> "))] if content else []
