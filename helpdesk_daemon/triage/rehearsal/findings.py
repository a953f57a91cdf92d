"""What is wrong or odd about routing rules, in words and with the place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Kind(StrEnum):
    """What sort of finding; errors keep a file from being used."""

    ERROR = "error"
    UNREACHABLE = "unreachable"
    PARTLY = "partly unreachable"
    NEVER = "never hit"
    OVERLAP = "overlap"
    UNUSED = "unused"
    OURS = "our own address"
    NAME = "name used twice"

    @property
    def is_note(self) -> bool:
        """Worth a look, but nothing has to be mended."""
        return self in (Kind.NEVER, Kind.OVERLAP)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an operator should know.

    Attributes:
        kind: what sort.
        key: dotted path in the file; entries of a list count from 1. Empty for the file itself.
        problem: what is wrong.
        mend: what to do about it.
        line: where it stands, 0 when unknown.
        quote: that line.
    """

    kind: Kind
    key: str
    problem: str
    mend: str
    line: int = 0
    quote: str = ""

    def at(self, line: int, text: str) -> Finding:
        """The same with its place in a text."""
        lines = text.splitlines()
        return replace(self, line=line, quote=lines[line - 1].strip() if 0 < line <= len(lines) else "")
