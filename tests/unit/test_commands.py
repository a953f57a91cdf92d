"""Commands on the first lines of a reply."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk_daemon.mail.body.commands import Command, read_commands
from helpdesk_daemon.mail.body.signature import is_signature


@pytest.mark.parametrize(
    ("own", "commands", "rest"),
    [
        ("#category Billing", ["#category Billing"], ""),
        ("\n\n  #Category:  billing team.\nHello", ["#category billing team"], "Hello"),
        ('#CATEGORY = "Bug"\n#priority low\n\n#close\n\nOk.\n', ["#category Bug", "#priority low", "#close"], "Ok."),
        ("#note\nHe is angry.", ["#note"], "He is angry."),
        ("#note He is angry.", ["#note He is angry"], ""),
        ("\u200b#note\nsecret", ["#note"], "secret"),
        ("\xa0#close", ["#close"], ""),
        ("#größe 1", ["#größe 1"], ""),
        ("#teh-typo", ["#teh-typo"], ""),
        ("#1234 is done", [], "#1234 is done"),
        ("# 1", [], "# 1"),
        ("#1 in the list", [], "#1 in the list"),
        ("#", [], "#"),
        ("##close", [], "##close"),
        ("# close", [], "# close"),
        ("Hello,\nthe #2 works", [], "Hello,\nthe #2 works"),
        ("", [], ""),
    ],
)
def test_commands_are_read_off_the_top(own: str, commands: list[str], rest: str) -> None:
    found = read_commands(own)
    assert [str(c) for c in found.commands] == commands
    assert found.rest == rest
    assert found.stray == ""


@pytest.mark.parametrize("own", ["Hello Ada,\n#close", "#priority High\nText\n\n #Note he is angry"])
def test_a_command_further_down_is_noticed(own: str) -> None:
    assert read_commands(own).stray.lower().startswith("#")


def test_a_word_that_only_begins_like_a_command_is_text() -> None:
    found = read_commands("See\n#closed and #notes")
    assert (found.commands, found.stray) == ((), "")


@given(st.text(alphabet="#cates note1 \n\u200b", max_size=60))
def test_nothing_of_a_reply_is_lost_or_invented(own: str) -> None:
    found = read_commands(own)
    assert all(isinstance(c, Command) and c.name for c in found.commands)
    assert found.rest in own.replace("\u200b", "")
    assert not found.rest.startswith("#c")


@pytest.mark.parametrize(
    "text",
    [
        "", "-- \nJo Park\nDesk", "Best regards,\nJo Park", "Regards\nJo", "Viele Grüße\nJo Park\nTechnical Support",
        "Jo", "Jo Park\nTechnical Support\n+49 30 123456\nhttps://technical.example", "Sent from my iPhone",
    ],
)  # fmt: skip
def test_what_is_only_a_signature_is_no_answer(text: str) -> None:
    assert is_signature(text, "Jo Park")


@pytest.mark.parametrize(
    "text",
    [
        "Done.", "Please restart it.\n\nRegards\nJo", "Thanks for waiting, it is done.", "Yes", "Jo is away today.",
        "Thanks\nPlease write to us again when it comes back.", "Regards\nIs it solved now?",
    ],
)  # fmt: skip
def test_words_to_the_customer_are_an_answer(text: str) -> None:
    assert not is_signature(text, "Jo Park")
