"""Undo the transfer encodings of RFC 2045, and uuencode and yEnc, keeping whatever can be read."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass

MAX_PIECES = 200_000  # stretches of base64 that end with padding, in one part
MAX_LINES = 1_500_000  # of one uuencoded part
MAX_EMBEDDED = 50  # files taken out of one text
SPACES = b" \t\r\n\v\f"
BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
NOT_BASE64 = bytes(n for n in range(256) if n not in BASE64 + SPACES)
FULL_LINE = re.compile(rb"^[A-Za-z0-9+/]{20,}={0,2}[ \t]{0,9}\r?$", re.MULTILINE)
LAST_LINE = re.compile(rb"\n(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?[ \t]{0,9}\r?(?=\n|\Z)")
UU_BEGIN = re.compile(rb"(?:^|\n)begin [0-7]{3,4} ([^\r\n]{0,255})\r?\n(?=[\x20-\x60])")
UU_END = re.compile(rb"\nend[ \t]{0,80}(?:\r?\n|\Z)")
YENC_BEGIN = re.compile(rb"(?:^|\n)=ybegin [^\r\n]{0,200}?name=([^\r\n]{1,255})\r?\n(?:=ypart [^\r\n]{0,200}\r?\n)?")
YENC_END = re.compile(rb"\n=yend[^\r\n]{0,200}(?:\r?\n|\Z)")
YENC_TABLE = bytes((n - 42) % 256 for n in range(256))


@dataclass(frozen=True, slots=True)
class Embedded:
    """A file found inside a text."""

    name: bytes
    content: bytes


def transfer_decode(content: bytes, encoding: str) -> tuple[bytes, str]:
    """Undo a Content-Transfer-Encoding.

    Args:
        content: the body as sent.
        encoding: the field's value.

    Returns:
        Decoded bytes and a defect; an unknown encoding leaves the bytes as they are.
    """
    words = encoding.replace('"', " ").replace(";", " ").split()
    name = words[0].lower() if words else ""
    decoder = DECODERS.get(name)
    if decoder is not None:
        return decoder(content)
    return content, "" if name in UNCHANGED else f"MIME: unknown transfer encoding {name[:40]!r}"


def _base64(content: bytes) -> tuple[bytes, str]:
    """Decode base64 over junk and inner padding, and cut short as it may be."""
    junk = len(content) - len(content.translate(None, NOT_BASE64))
    if content.count(b" ") * 20 > len(content):
        return content, "MIME: said to be base64, but is not"
    defect = "MIME: characters in base64 that do not belong there" if junk else ""
    if junk and (end := _end_of_base64(content)):
        content, defect = content[:end], "MIME: text after the end of base64 left out"
    out: list[bytes] = []
    for chunk in content.split(b"=", MAX_PIECES):
        clean = chunk.translate(None, SPACES + NOT_BASE64)
        if len(clean) % 4 == 1:
            clean, defect = clean[:-1], defect or "MIME: base64 cut short"
        if clean:
            out.append(binascii.a2b_base64(clean + b"=" * (-len(clean) % 4)))
    return b"".join(out), defect


def _end_of_base64(content: bytes) -> int:
    """Where base64 ends below which something else was added; 0 when its lines are themselves impure."""
    end = 0
    for line in FULL_LINE.finditer(content):
        end = line.end()
    last = LAST_LINE.match(content, end) if end else None
    end = last.end() if last else end
    return end if len(content[:end].translate(None, NOT_BASE64)) == end else 0


def _quoted_printable(content: bytes) -> tuple[bytes, str]:
    return binascii.a2b_qp(content), ""


def _uuencoded(content: bytes) -> tuple[bytes, str]:
    begin = UU_BEGIN.search(content)
    end = UU_END.search(content, begin.end() - 1) if begin else None
    lines = content[begin.end() if begin else 0 : end.start() if end else len(content)]
    return _uu_lines(lines), "" if begin and end else "MIME: uuencoded part without begin or end"


def _uu_lines(lines: bytes) -> bytes:
    out: list[bytes] = []
    for line in lines.split(b"\n", MAX_LINES)[:MAX_LINES]:
        line = line.rstrip(b"\r\n")
        length = ((line[0] - 32) & 63) if line and 32 <= line[0] <= 96 else 0
        if not length or line == b"end":
            continue
        wanted = 1 + (length + 2) // 3 * 4
        try:
            out.append(binascii.a2b_uu(line[:wanted]))
        except binascii.Error:
            continue
    return b"".join(out)


def _yenc(content: bytes) -> tuple[bytes, str]:
    begin = YENC_BEGIN.search(content)
    end = YENC_END.search(content, begin.end() - 1) if begin else None
    return _yenc_lines(content[begin.end() if begin else 0 : end.start() if end else len(content)]), ""


def _yenc_lines(lines: bytes) -> bytes:
    plain = lines.replace(b"\r", b"").replace(b"\n", b"")
    first, *escaped = plain.split(b"=")
    moved = [bytes([(part[0] - 64) % 256]) + part[1:] for part in escaped if part]
    return b"".join([first, *moved]).translate(YENC_TABLE)


DECODERS: dict[str, Callable[[bytes], tuple[bytes, str]]] = {
    "base64": _base64,
    "b64": _base64,
    "quoted-printable": _quoted_printable,
    "quopri": _quoted_printable,
    "qp": _quoted_printable,
    "x-uuencode": _uuencoded,
    "uuencode": _uuencoded,
    "x-uue": _uuencoded,
    "uue": _uuencoded,
    "x-yenc": _yenc,
    "yenc": _yenc,
}
UNCHANGED = frozenset(["", "7bit", "8bit", "binary", "7-bit", "8-bit", "none"])


def take_embedded(content: bytes) -> tuple[bytes, list[Embedded]]:
    """Take uuencoded and yEnc files out of a text, as mailers without MIME put them in.

    Only what has a beginning and an end, and decodes to something, is taken.

    Returns:
        The text without them, and the files.
    """
    files: list[Embedded] = []
    for begin_mark, end_mark, decoder in EMBEDDED:
        kept: list[bytes] = []
        at = 0
        while len(files) < MAX_EMBEDDED and (begin := begin_mark.search(content, at)):
            end = end_mark.search(content, begin.end() - 1)
            decoded = decoder(content[begin.end() : end.start()]) if end else b""
            if end is None:
                break
            if decoded:
                kept.append(content[at : begin.start()] + b"\n")
                files.append(Embedded(begin[1].strip(), decoded))
            else:
                kept.append(content[at : end.end()])
            at = end.end() - (1 if content[end.end() - 1 : end.end()] == b"\n" else 0)
        content = b"".join([*kept, content[at:]])
    return content, files


EMBEDDED: tuple[tuple[re.Pattern[bytes], re.Pattern[bytes], Callable[[bytes], bytes]], ...] = (
    (UU_BEGIN, UU_END, _uu_lines),
    (YENC_BEGIN, YENC_END, _yenc_lines),
)
