"""The text a mail is judged by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk_daemon.triage.text import MAX_CHARS, judged_text, text_of
from tests.unit.making import message


@pytest.mark.parametrize(
    ("subject", "body", "judged"),
    [
        ("Black screen", "It stays black.", "Black screen It stays black."),
        ("Re: AW: Fwd: Re[2]: Black screen", "", "Black screen"),
        ("Re: Black screen [HD-7K3M9QX2]", "", "Re: Black screen".removeprefix("Re: ")),
        ("Printer", "see HD-7K3M9QX2 please", "Printer see please"),
        ("Printer", "a\n\n  b\t c", "Printer a b c"),
        ("Printer", "one ---------- two ====== three", "Printer one two three"),
        ("Printer", "https://x.example/" + "a" * 80 + " end", "Printer end"),
        ("Printer", "https://x.example/short end", "Printer https://x.example/short end"),
        ("Regarding: refunds", "", "Regarding: refunds"),
        ("", "only a body", "only a body"),
        ("", "", ""),
    ],
)
def test_judged_text(subject: str, body: str, judged: str) -> None:
    assert judged_text(subject, body) == judged


@given(st.text(max_size=200), st.text(max_size=4_000))
def test_it_is_one_bounded_line(subject: str, body: str) -> None:
    found = judged_text(subject, body)
    assert len(found) <= MAX_CHARS
    assert found.strip() == found or len(found) == MAX_CHARS
    assert "\n" not in found


def test_quotes_are_not_judged() -> None:
    assert text_of(message("It works.\n\n> invoice and refund\n", subject="Re: x")) == "x It works."


def test_a_mail_of_quotes_only_is_judged_by_them() -> None:
    assert text_of(message("> invoice\n", subject="x")) == "x > invoice"
