"""Operators' patterns in linear time (RE2): whatever is written in a rule cannot hang on what a stranger wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import re2

MOST_CHARS = 2_000  # of a pattern as written
MOST_STEPS = 5_000  # instructions of a compiled pattern: over 20,000 characters that is two seconds at the very worst
EDGE = re.compile(r"\\b[^\x00-\x7f]|[^\x00-\x7f](?:[?*+])?\\b")
TOO_LARGE = "it takes too long to match", "Repeat less, or look for fewer words at once"
# What RE2 says when it meets what linear time does not allow, and what to write instead.
ADVICE = (
    ("invalid perl operator", "looking ahead or behind is not possible",
     "Say it with two conditions, or with an earlier rule"),
    ("invalid escape sequence", "it holds an escape that is not known", "References back such as \\1 are not possible"),
    ("too large", *TOO_LARGE),
    ("invalid repetition size", *TOO_LARGE),
)  # fmt: skip


class BadPattern(ValueError):
    """A pattern that cannot be used.

    Attributes:
        problem: what is wrong with it.
        mend: what to write instead.
    """

    def __init__(self, problem: str, mend: str) -> None:
        super().__init__(problem)
        self.problem, self.mend = problem, mend


@dataclass(frozen=True, slots=True)
class Linear:
    """A compiled pattern, case ignored; `\\w` and `\\b` know ASCII letters only, `\\pL` is a letter of any alphabet."""

    pattern: str
    compiled: Any = field(repr=False, compare=False, hash=False)

    def search(self, text: str) -> object | None:
        """A match anywhere in a text, or None."""
        found: object | None = self.compiled.search(text.encode("utf-8", "replace"))
        return found


def compile_pattern(words: str) -> Linear:
    """Compile a pattern in the syntax of RE2 (https://github.com/google/re2/wiki/Syntax).

    Raises:
        BadPattern: it cannot be used.
    """
    if len(words) > MOST_CHARS:
        raise BadPattern(*TOO_LARGE)
    if EDGE.search(words):
        raise BadPattern(r"\b knows the edges of ASCII words only", r"Leave it out there, or write (^|\PL) instead")
    options = re2.Options()
    options.case_sensitive, options.log_errors = False, False
    try:
        compiled = re2.compile(words.encode("utf-8", "replace"), options)
    except re2.error as error:
        raise _refusal(error) from error
    if compiled.programsize > MOST_STEPS:
        raise BadPattern(*TOO_LARGE)
    return Linear(words, compiled)


def _refusal(error: Exception) -> BadPattern:
    said = error.args[0] if error.args else ""
    said = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    for words, problem, mend in ADVICE:
        if words in said:
            return BadPattern(f"{problem} ({said})", mend)
    return BadPattern(said, "Escape special characters with a backslash")
