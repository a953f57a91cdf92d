"""What an agent orders on the first lines of a reply: `#category NAME`, `#note`, `#close` and so on."""

from __future__ import annotations

import re
from dataclasses import dataclass

NAMES = ("category", "priority", "note", "close", "spam")
MAX_VALUE = 200  # characters of a name that are looked at
# A word behind the mark: `#1234` is a number somebody speaks of, `# Title` a heading.
LINE = re.compile(r"[^\S\n]{0,20}#([^\W\d_][\w-]{0,40})[^\S\n]{0,3}[:=]?[^\S\n]*(.*)")
KNOWN = re.compile(rf"[^\S\n]{{0,20}}#(?:{'|'.join(NAMES)})\b", re.IGNORECASE)
AROUND = " \t\xa0\"'“”„‘’`.,;:<>"
UNSEEN = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))  # would hide a mark from us, not from a reader


@dataclass(frozen=True, slots=True)
class Command:
    """One command line.

    Attributes:
        name: the word behind the mark, lower-cased; need not be one of `NAMES`.
        value: what follows it on its line, without quotation marks and full stop around.
    """

    name: str
    value: str

    def __str__(self) -> str:
        return f"#{self.name} {self.value}".rstrip()


@dataclass(frozen=True, slots=True)
class Orders:
    """The own words of a reply, taken apart.

    Attributes:
        commands: in the order written.
        rest: what comes below them.
        stray: the first line further down that begins with a known command, empty for none.
    """

    commands: tuple[Command, ...]
    rest: str
    stray: str = ""


def read_commands(own: str) -> Orders:
    """Take the command lines off the top of a reply; empty lines may stand between them.

    Args:
        own: what the sender wrote, without quotes.
    """
    lines = own.translate(UNSEEN).split("\n")
    commands: list[Command] = []
    at = 0
    while at < len(lines):
        match = LINE.match(lines[at])
        if match:
            commands.append(Command(match[1].lower(), match[2][:MAX_VALUE].strip(AROUND)))
        elif lines[at].strip():
            break
        at += 1
    rest = lines[at:]
    stray = next((line.strip() for line in rest if KNOWN.match(line)), "")
    return Orders(tuple(commands), "\n".join(rest).strip(), stray)
