"""Patterns that nearly every mail is searched for."""

from __future__ import annotations

from typing import Any

import re2


def linear(words: str) -> Any:
    """A pattern of RE2, which ignores case: linear in the length of a mail, and up to a hundred times faster than `re`.

    Args:
        words: in the syntax of RE2 (https://github.com/google/re2/wiki/Syntax).
    """
    options = re2.Options()
    options.case_sensitive, options.max_mem = False, 64 << 20  # with less it forgets what it learned, and is slow
    return re2.compile(words, options)
