"""A small chart of stacked bars as a PNG, drawn by hand: mail clients show no SVG, and bars are worth no library.

PNG: W3C Recommendation "Portable Network Graphics", third edition; colour type 3, a palette with one transparent entry.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

HEIGHT, BAR, GAP = 160, 48, 16  # pixels, at twice the size they are shown in
# Palette: nothing, the lower and upper part of a bar, the base line. They can be told apart on white, on black, and
# by people who see few colours.
COLOURS = ((0, 0, 0), (0x3B, 0x82, 0xC4), (0xE6, 0x9F, 0x00), (0x8A, 0x94, 0xA6))
LOWER, UPPER, LINE = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: `part` of `whole` in the second colour, on top."""

    whole: int
    part: int = 0


def size(count: int) -> tuple[int, int]:
    """Width and height, in pixels, of a chart of some bars."""
    return count * (BAR + GAP) + GAP, HEIGHT


def png(bars: Sequence[Bar]) -> bytes:
    """The chart; the tallest bar fills it."""
    width, height = size(len(bars))
    most, room = max((bar.whole for bar in bars), default=0) or 1, height - 4
    rows = []
    for y in range(height):
        from_base = height - 3 - y  # pixels above the base line
        if from_base <= 0:
            rows.append(bytes([LINE]) * width)
            continue
        row = bytearray(GAP)
        for bar in bars:
            whole, lower = _pixels(bar.whole, most, room), _pixels(bar.whole - bar.part, most, room)
            colour = LOWER if from_base <= lower else UPPER if from_base <= whole else 0
            row += bytes([colour]) * BAR + bytes(GAP)
        rows.append(bytes(row))
    return _written(width, height, rows)


def _pixels(count: int, most: int, room: int) -> int:
    """Height of a count; what is not nothing is seen."""
    return max(round(count / most * room), 2) if count > 0 else 0


def _written(width: int, height: int, rows: Sequence[bytes]) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    palette = b"".join(map(bytes, COLOURS))
    chunks = ((b"IHDR", head), (b"PLTE", palette), (b"tRNS", b"\0"), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def line(bar: Bar, most: int, width: int = 30) -> str:
    """The bar in characters, for the plain text: `█` is the lower part, `▒` the upper."""
    whole, lower = _pixels_of_text(bar.whole, most, width), _pixels_of_text(bar.whole - bar.part, most, width)
    return "█" * lower + "▒" * (whole - lower)


def _pixels_of_text(count: int, most: int, width: int) -> int:
    return max(round(count / max(most, 1) * width), 1) if count > 0 else 0
