"""RTF as Outlook wraps it: compressed (MS-OXRTFCP), with HTML inside (MS-OXRTFEX), or plain words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from helpdesk_daemon.mail.mime.charset import codec_for

MAX_RTF = 2_000_000  # bytes, unpacked
MAX_DEPTH = 500
LZFU, MELA = b"LZFu", b"MELA"
# The dictionary every compressed text starts from (MS-OXRTFCP section 2.1.2.1).
DICTIONARY = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    + b"\r\n"
    + rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
WINDOW = 4096
TOKEN = re.compile(
    rb"\\'([0-9a-fA-F]{2})|\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\([^a-zA-Z'])|([{}])|([^\\{}\r\n]+)|[\r\n\\]"
)
WORDS = {"par": "\n", "line": "\n", "sect": "\n", "page": "\n", "tab": "\t", "cell": "\t", "row": "\n", "emdash": "—",
         "endash": "–", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "bullet": "•"}  # fmt: skip
SYMBOLS = {"~": "\u00a0", "_": "-", "-": "", "\n": "\n", "\r": "\n", "\\": "\\", "{": "{", "}": "}"}
SILENT = frozenset(
    ["fonttbl", "colortbl", "stylesheet", "info", "pict", "header", "footer", "object", "themedata", "generator"]
)


def decompress(packed: bytes) -> bytes:
    """Unpack compressed RTF; what is not compressed comes back as it is, what is damaged as far as it goes."""
    if packed[8:12] == MELA:
        return packed[16 : 16 + MAX_RTF]
    if packed[8:12] != LZFU:
        return packed[:MAX_RTF]
    wanted = min(int.from_bytes(packed[4:8], "little"), MAX_RTF)
    out = bytearray(b"\0" * (WINDOW - len(DICTIONARY)) + DICTIONARY)  # so that any distance reaches back into it
    at, base = 16, len(out)
    while at < len(packed) and len(out) - base < wanted:
        control, at = packed[at], at + 1
        for bit in range(8):
            if at >= len(packed):
                break
            if not control >> bit & 1:
                out.append(packed[at])
                at += 1
                continue
            reference, at = int.from_bytes(packed[at : at + 2], "big"), at + 2
            here = (len(out) - base + len(DICTIONARY)) % WINDOW
            distance = (here - (reference >> 4)) % WINDOW
            if not distance:
                return bytes(out[base : base + wanted])
            for _ in range((reference & 0xF) + 2):
                out.append(out[-distance])
    return bytes(out[base : base + wanted])


@dataclass(slots=True)
class _Group:
    """What holds until the group closes."""

    silent: bool = False  # fonts, colours and the like
    html: bool = False  # an HTML tag that was in the mail
    unhtml: bool = False  # RTF that only shows what an HTML tag says
    skip: int = 1  # characters that stand after \u for those who cannot read it


@dataclass(slots=True)
class _Text:
    """Text under way: bytes wait until a whole run can be decoded, for letters of several bytes."""

    codec: str = "cp1252"
    parts: list[str] = field(default_factory=list)
    waiting: bytearray = field(default_factory=bytearray)

    def say(self, text: str) -> None:
        self.flush()
        self.parts.append(text)

    def flush(self) -> None:
        if self.waiting:
            self.parts.append(bytes(self.waiting).decode(self.codec, "replace"))
            self.waiting.clear()


def read_rtf(rtf: bytes) -> tuple[str, str]:
    """The text of RTF.

    Returns:
        Plain text and HTML; the one that was there, the other empty.
    """
    rtf = rtf[:MAX_RTF]
    encapsulated = b"\\fromhtml" in rtf[:2_000]
    text = _Reader(encapsulated).read(rtf)
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "")
    return ("", text.strip()) if encapsulated else (text.strip(), "")


class _Reader:
    def __init__(self, encapsulated: bool) -> None:
        self.encapsulated = encapsulated
        self.text = _Text()
        self.group = _Group()
        self.stack: list[_Group] = []
        self.starred = False  # the group began with \*
        self.pass_over = 0  # characters left to skip after \u

    def read(self, rtf: bytes) -> str:
        for token in TOKEN.finditer(rtf):
            byte, word, number, symbol, brace, plain = token.groups()
            if brace:
                self.brace(brace == b"{")
            elif word:
                self.word(word.decode("ascii"), int(number) if number else None)
            elif symbol == b"*":
                self.starred = True
            elif symbol:
                self.character(SYMBOLS.get(symbol.decode("latin-1"), ""), b"")
            elif byte:
                self.character("", bytes.fromhex(byte.decode("ascii")))
            elif plain:
                skipped = min(self.pass_over, len(plain))
                self.pass_over -= skipped
                self.emit(plain[skipped:])
        self.text.flush()
        return "".join(self.text.parts)

    def brace(self, opens: bool) -> None:
        self.pass_over, self.starred = 0, False
        if opens:
            if len(self.stack) < MAX_DEPTH:
                self.stack.append(self.group)
            self.group = _Group(self.group.silent, self.group.html, self.group.unhtml, self.group.skip)
        elif self.stack:
            self.group = self.stack.pop()

    def word(self, word: str, number: int | None) -> None:
        group = self.group
        if self.starred or word in SILENT:
            group.html = word == "htmltag"
            group.silent = group.silent or not group.html
            self.starred = False
        elif word == "ansicpg":
            self.text.codec = codec_for(f"cp{number}") or codec_for("utf-8" if number == 65001 else "cp1252")
        elif word == "htmlrtf":
            group.unhtml = number != 0
        elif word == "uc":
            group.skip = max(0, min(number or 0, 10))
        elif word == "u" and number is not None:
            self.character(chr(number % 65536), b"")
            self.pass_over = group.skip
        elif word in WORDS:
            self.character(WORDS[word], b"")

    def shown(self) -> bool:
        return not self.group.silent and not (self.encapsulated and self.group.unhtml and not self.group.html)

    def character(self, text: str, byte: bytes) -> None:
        if self.pass_over:
            self.pass_over -= 1
        elif text and self.shown():
            self.text.say(text)
        elif byte:
            self.emit(byte)

    def emit(self, content: bytes) -> None:
        if self.shown():
            self.text.waiting += content
