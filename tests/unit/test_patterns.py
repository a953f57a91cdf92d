"""Operators' patterns: what they find, what is refused with which advice, and that none can hang."""

from __future__ import annotations

import pytest

from helpdesk_daemon.adapters.rules.patterns import MOST_CHARS, BadPattern, compile_pattern
from helpdesk_daemon.triage.rules import TEXT_CHARS


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (r"\boutage\b", "An OUTAGE again"),
        ("störung", "Große STÖRUNG im Netz"),
        (r"(^|\PL)änderung", "Eine Änderung"),
        (r"^two$", "two"),
        ("", "anything"),
        (r"a\.b", "a.b"),
        ("я", "Я"),
        ("broken", "lone \ud800 surrogate, broken"),
    ],
)
def test_what_is_found(words: str, text: str) -> None:
    assert compile_pattern(words).search(text)


@pytest.mark.parametrize(("words", "text"), [(r"\bout\b", "outage"), (r"^two$", "two three"), (r"a\.b", "axb")])
def test_what_is_not_found(words: str, text: str) -> None:
    assert not compile_pattern(words).search(text)


@pytest.mark.parametrize(
    ("words", "problem", "mend"),
    [
        ("(a", "missing )", "backslash"),
        ("(?=a)b", "looking ahead or behind", "two conditions"),
        ("(?<!a)b", "looking ahead or behind", "two conditions"),
        (r"(a)\1", "an escape that is not known", "References back"),
        ("(a{1000}){1000}", "too long", "Repeat less"),
        (r"[\pL]{500}", "too long", "Repeat less"),
        ("a" * (MOST_CHARS + 1), "too long", "Repeat less"),
        (r"\bänderung", "ASCII", r"(^|\PL)"),
        (r"café\b", "ASCII", r"(^|\PL)"),
    ],
)
def test_what_cannot_be_used_is_refused_with_advice(words: str, problem: str, mend: str) -> None:
    with pytest.raises(BadPattern) as caught:
        compile_pattern(words)
    assert problem in caught.value.problem
    assert mend in caught.value.mend


@pytest.mark.parametrize("words", ["(a+)+$", "(a|aa)*$b", "(.*a){20}z", r"^(\w+\s?)*$!", "(x?){400}x{400}y"])
def test_no_pattern_hangs_on_a_long_text(words: str) -> None:
    """Some of these take longer than the universe is old where the engine goes back and tries again."""
    for text in ("a" * TEXT_CHARS + "!", "x" * TEXT_CHARS, "word " * (TEXT_CHARS // 5)):
        assert not compile_pattern(words).search(text)


def test_patterns_are_alike_by_what_was_written() -> None:
    assert compile_pattern("a") == compile_pattern("a")
    assert compile_pattern("a") != compile_pattern("b")
