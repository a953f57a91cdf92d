"""In which line of a TOML text a key stands: no TOML reader tells, and people look for lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

PART = r"""(?:"[^"]*"|'[^']*'|[\w-]+)"""
DOTTED = rf"{PART}(?:\s*\.\s*{PART})*"
HEADER = re.compile(rf"\s*(\[\[?)\s*({DOTTED})\s*\]")
KEY = re.compile(rf"\s*({DOTTED})\s*=")
TOML_SAYS = re.compile(r"\(at (?:line (\d+)|end of document)")
Steps = tuple[str, ...]


def line_said(problem: str, text: str) -> int:
    """The line that the TOML reader names; 0 when it names none."""
    said = TOML_SAYS.search(problem)
    return 0 if said is None else int(said[1]) if said[1] else len(text.splitlines())


def line_of(text: str, steps: Sequence[str]) -> int:
    """The line of a key, else of the nearest thing around it that is found; 0 when nothing is.

    Args:
        text: of the file.
        steps: to the key, such as `("rule", "2", "set", "priority")`; entries of a list count from 1.
    """
    wanted, lines = tuple(steps), text.splitlines()
    best, depth = 0, 0
    for number, path in _paths(lines):
        common = next((n for n, (a, b) in enumerate(zip(path, wanted, strict=False)) if a != b), len(path))
        if common == len(path) and depth < len(path) <= len(wanted):
            best, depth = number, len(path)
    return _within(lines, best, wanted[depth:]) if best else 0


def _paths(lines: Sequence[str]) -> Iterator[tuple[int, Steps]]:
    """The lines where tables and keys begin, with the steps to them."""
    table: Steps = ()
    entries: Counter[Steps] = Counter()
    for number, line in enumerate(lines, 1):
        if header := HEADER.match(line):
            table = _steps(header[2])
            if header[1] == "[[":
                entries[table] += 1
                table = (*table, str(entries[table]))
            elif entries[table[:1]]:  # a table below an entry of a list
                table = (table[0], str(entries[table[:1]]), *table[1:])
            yield number, table
        elif key := KEY.match(line):
            yield number, (*table, *_steps(key[1]))


def _within(lines: Sequence[str], start: int, left: Steps) -> int:
    """The first line from a key on, up to the next one, that names what is left of the way: an inline table."""
    names = [step for step in left if not step.isdigit()]
    if not names:
        return start
    named = re.compile(rf"(?<![\w-])[\"']?{re.escape(names[-1])}[\"']?\s*=")
    for number in range(start, len(lines) + 1):
        if number > start and (HEADER.match(lines[number - 1]) or lines[number - 1].lstrip().startswith("[[")):
            break
        if named.search(lines[number - 1]):
            return number
    return start


def _steps(dotted: str) -> Steps:
    return tuple(part.strip("\"'") for part in re.findall(PART, dotted))
