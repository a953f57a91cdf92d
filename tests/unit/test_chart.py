"""The chart of the digest, read back pixel by pixel."""

from __future__ import annotations

import struct
import zlib

from hypothesis import given
from hypothesis import strategies as st

from helpdesk_daemon.outgoing.chart import BAR, GAP, LINE, LOWER, UPPER, Bar, line, png, size


def pixels(picture: bytes) -> list[bytes]:
    """The rows of a PNG that was written without filters; its checksums are checked."""
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    at, chunks = 8, dict[bytes, bytes]()
    while at < len(picture):
        (length,) = struct.unpack_from(">I", picture, at)
        kind, content = picture[at + 4 : at + 8], picture[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", picture, at + 8 + length) == (zlib.crc32(kind + content),)
        chunks[kind], at = content, at + 12 + length
    assert list(chunks)[-1] == b"IEND"
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (depth, colour) == (8, 3)
    raw = zlib.decompress(chunks[b"IDAT"])
    assert len(raw) == height * (width + 1)
    return [raw[y * (width + 1) + 1 : (y + 1) * (width + 1)] for y in range(height)]


@given(st.lists(st.integers(0, 10_000).flatmap(lambda n: st.builds(Bar, st.just(n), st.integers(0, n))), max_size=20))
def test_bars_are_as_high_as_they_say(bars: list[Bar]) -> None:
    rows = pixels(png(bars))
    width, height = size(len(bars))
    assert (len(rows[0]), len(rows)) == (width, height)
    assert set(rows[-1]) == {LINE}
    most = max((bar.whole for bar in bars), default=0)
    for number, bar in enumerate(bars):
        column = bytes(row[GAP + number * (BAR + GAP) + BAR // 2] for row in rows)
        lower, upper = column.count(LOWER), column.count(UPPER)
        assert abs((lower + upper) - (height - 4) * bar.whole / max(most, 1)) <= 2
        assert (lower + upper > 0) == (bar.whole > 0), "what is not nothing is seen"
        assert column.strip(b"\0").startswith(bytes([UPPER]) * upper + bytes([LOWER]) * lower)


def test_a_month_fits_into_a_few_kilobytes() -> None:
    assert len(png([Bar(n * 7 % 31, n % 3) for n in range(31)])) < 4_000


def test_lines_of_text_show_the_same() -> None:
    assert line(Bar(10, 5), 10, 10) == "█████▒▒▒▒▒"
    assert line(Bar(0), 10) == ""
    assert line(Bar(1), 10_000) == "█"
    assert line(Bar(0), 0) == ""
