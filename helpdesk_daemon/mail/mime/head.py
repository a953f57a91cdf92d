"""Read the header block of a mail or of a part line by line, as damaged as it comes (RFC 5322 section 2.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

FIELD = re.compile(rb"([!-9;-~\x80-\xff]{1,200})[ \t]{0,20}:")
# A line like this proves that a header block goes on.
KNOWN = re.compile(
    rb"(?:From|To|Cc|Subject|Date|Received|Message-ID|Return-Path|Reply-To|Sender|MIME-Version|In-Reply-To|References"
    rb"|Delivered-To|Content-[A-Za-z-]{2,40}|X-[A-Za-z-]{2,60}|List-[A-Za-z-]{2,40}|DKIM-Signature|Authentication-Results)"
    rb"[ \t]{0,20}:",
    re.IGNORECASE,
)
LOOK_AHEAD = 64_000  # bytes in which fields are looked for below a line that is none
SEPARATOR = (b"From ", b">From ")  # of an mbox


@dataclass(frozen=True, slots=True)
class Head:
    """A header block.

    Attributes:
        fields: name and unfolded value, 8-bit bytes as surrogates.
        end: where the body begins.
        envelope: the mbox separator line, empty without one.
        defects: what was wrong.
    """

    fields: tuple[tuple[str, str], ...]
    end: int
    envelope: str = ""
    defects: list[str] = field(default_factory=list)

    def get(self, name: str) -> str:
        """The first value of a field, empty when absent."""
        wanted = name.lower()
        return next((value for key, value in self.fields if key.lower() == wanted), "")


class _Reader:
    def __init__(self, raw: bytes, start: int, end: int, max_bytes: int, max_fields: int, root: bool) -> None:
        self.raw, self.at, self.end = raw, start, end
        self.stop = min(end, start + max_bytes)
        self.max_fields, self.root = max_fields, root
        self.fields: list[tuple[bytes, list[bytes]]] = []
        self.defects: list[str] = []
        self.envelope = b""
        self.known_until: int | None = None

    def line(self) -> tuple[bytes, int]:
        """The line here without its end, and where the next begins."""
        eol = self.raw.find(b"\n", self.at, self.end)
        after = self.end if eol < 0 else eol + 1
        return self.raw[self.at : min(after, self.stop)].rstrip(b"\r\n"), after

    def read(self) -> int:
        """Take lines until the block ends; where the body begins."""
        begin = self.at
        while self.at < self.end:
            if self.at >= self.stop or len(self.fields) > self.max_fields:
                return self.cut(begin)
            line, after = self.line()
            if not line or (line.isspace() and not self.goes_on(after)):
                return after
            if not self.take(line, after):
                return self.at
            self.at = after
        return self.end

    def take(self, line: bytes, after: int) -> bool:
        """Keep one line; False when it belongs to the body."""
        found = FIELD.match(line)
        if found:
            self.fields.append((found[1], [line[found.end() :]]))
        elif line[:1] in b" \t" and self.fields:
            self.fields[-1][1].append(b" " + line.strip() if not line.isspace() else b"")
        elif line.startswith(SEPARATOR) and not self.fields:
            self.envelope = line
        elif self.block_goes_on(after):
            self.note("a line of the header block is no field")
            if self.fields:
                self.fields[-1][1].append(b" " + line)
        else:
            self.note("no empty line between head and body" if self.fields else "")
            return False
        return True

    def note(self, defect: str) -> None:
        if defect and defect not in self.defects:
            self.defects.append(defect)

    def goes_on(self, after: int) -> bool:
        """Whether a line of white space is folding rather than the end: the next is a continuation or a field."""
        following = self.raw[after : after + 300].split(b"\n", 1)[0]
        if not self.fields or not following.strip():
            return False
        return following[:1] in b" \t" or bool(KNOWN.match(following))

    def block_goes_on(self, after: int) -> bool:
        """Whether a known field follows before the next empty line (the very next line, before any field)."""
        if not self.fields:
            return bool(KNOWN.match(self.raw, after, min(self.end, after + 300)))
        if self.known_until is None:
            block = self.raw[after : min(self.stop, after + LOOK_AHEAD)]
            empty = re.search(rb"\n\r?\n", block)
            last = [m.start() for m in KNOWN_LINE.finditer(block, 0, empty.start() + 1 if empty else len(block))]
            self.known_until = after + last[-1] if last else -1
        return after <= self.known_until

    def cut(self, begin: int) -> int:
        """Skip the rest of a block that is too long."""
        empty = re.compile(rb"\n\r?\n").search(self.raw, max(begin, self.at - 2), self.end)
        end = empty.end() if empty else self.end
        if len(self.fields) > self.max_fields:
            self.fields.pop()
            self.note(f"header of more than {self.max_fields} fields cut to {self.max_fields}")
        else:
            self.note(f"header block of {end - begin} bytes cut to {self.stop - begin}")
        return end


KNOWN_LINE = re.compile(rb"^" + KNOWN.pattern, re.IGNORECASE | re.MULTILINE)


def read_head(raw: bytes, start: int, end: int, max_bytes: int, max_fields: int, *, root: bool = True) -> Head:
    """Read a header block.

    White space before the colon, lines of white space inside folding, lines that are no field and a
    missing empty line below are all met with and survived.

    Args:
        raw: the bytes it is part of.
        start: where it begins.
        end: where the entity ends.
        max_bytes: size looked at.
        max_fields: fields looked at.
        root: whether this is the mail's own head; a part's head must have a field that a part has.

    Returns:
        The fields and where the body begins.
    """
    reader = _Reader(raw, start, end, max_bytes, max_fields, root)
    body = reader.read()
    if not root and reader.fields and not any(KNOWN.match(name + b":") for name, _ in reader.fields):
        return Head((), start)
    if root and not reader.fields:
        return Head((), start, defects=["no header fields"])
    fields = tuple(
        (name.decode("latin-1"), b"".join(pieces).decode("ascii", "surrogateescape")) for name, pieces in reader.fields
    )
    return Head(fields, body, reader.envelope.decode("ascii", "surrogateescape"), reader.defects)
