"""Charts as numbers: where bars stand in a drawing 100 high; templates turn them into SVG, and tell them in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HEIGHT = 100.0
STEP, WIDTH = 10.0, 8.0  # of a bar with its gap, and of the bar
TOPS = (2, 4, 6, 8, 10, 20)  # ends of an axis: their halves are whole, too
SHADES = 5  # of a heat map, beside none


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a bar.

    Attributes:
        kind: what it counts, such as `ticket`; also part of its class in the style sheet.
        y: of its upper edge, from the top.
        height: of the part.
    """

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar over its place on the axis.

    Attributes:
        x: of its left edge.
        pieces: from the bottom up, those that count nothing left out.
        words: the whole of it for people who do not see it.
        href: of the tickets it counts; empty where there are none.
        tick: label below it, empty for most.
    """

    x: float
    pieces: tuple[Piece, ...]
    words: str
    href: str = ""
    tick: str = ""


@dataclass(frozen=True, slots=True)
class Bars:
    """A bar chart.

    Attributes:
        top: value at its upper edge; twice a whole number.
        bars: from left to right.
    """

    top: int
    bars: tuple[Bar, ...]

    @property
    def width(self) -> float:
        """Of the drawing."""
        return STEP * len(self.bars)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is counted."""
        return not any(bar.pieces for bar in self.bars)


def top_of(most: int) -> int:
    """The round number at the end of an axis on which `most` has room."""
    power = 1
    while True:
        for each in TOPS:
            if each * power >= most:
                return each * power
        power *= 10


def bars(
    kinds: Sequence[str], values: Iterable[tuple[Sequence[int], str, str, str]], least: int = 0
) -> Bars:  # fmt: skip
    """Bars of stacked values.

    Args:
        kinds: of the pieces, from the bottom up.
        values: of each bar: a value for each kind, its words, its link, its tick.
        least: that the axis reaches at least.
    """
    rows = list(values)
    top = top_of(max((sum(counts) for counts, *_ in rows), default=0) or least)
    return Bars(top, tuple(
        Bar(number * STEP + (STEP - WIDTH) / 2, tuple(_pieces(kinds, counts, top)), words, href, tick)
        for number, (counts, words, href, tick) in enumerate(rows)
    ))  # fmt: skip


def _pieces(kinds: Sequence[str], counts: Sequence[int], top: int) -> Iterable[Piece]:
    floor = HEIGHT
    for kind, count in zip(kinds, counts, strict=True):
        if count:
            height = max(count / top * HEIGHT, 1.0)  # one of thousands is still seen
            floor = max(floor - height, 0.0)
            yield Piece(kind, round(floor, 2), round(height, 2))


def shade(count: int, most: int) -> int:
    """How dark a cell of a heat map is: 0 for nothing, else 1 to `SHADES`."""
    return min(SHADES, 1 + (count - 1) * SHADES // most) if count else 0
