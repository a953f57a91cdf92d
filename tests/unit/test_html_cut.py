"""Cutting HTML by its words."""

from __future__ import annotations

import pytest

from helpdesk_daemon.mail.body.html_cut import cut_out
from helpdesk_daemon.mail.formats.html import html_to_text


@pytest.mark.parametrize(
    ("html", "words", "skip", "part"),
    [
        ("<p>One two.</p><p>On Monday Ada wrote:</p>", "One two.", 0, "<p>One two.</p>"),
        ("<div>#close</div><div><b>Done</b> now.</div>", "#close Done now.", 1, "<div><b>Done</b> now.</div>"),
        ("<div>#close<br><br>Done.<br>Jo</div>", "#close Done. Jo", 1, "Done.<br>Jo</div>"),
        ("<div>#note</div><ul><li>a</li></ul>", "#note - a", 1, "<ul><li>a</li></ul>"),
        ('<p>See</p><img src="cid:a"><p>Ada wrote:</p>', "See", 0, '<p>See</p><img src="cid:a">'),
        ('<p><a href="https://x.example/">x</a></p><p>Q</p>', "x (https://x.example/)", 0,
         '<p><a href="https://x.example/">x</a></p>'),
        ("<p>Done.</p><hr><p>Ada wrote:</p>", "Done.", 0, "<p>Done.</p>"),
        ("words only", "words only", 0, "words only"),
        ("", "", 0, ""),
    ],
)  # fmt: skip
def test_a_stretch_is_cut_at_tags(html: str, words: str, skip: int, part: str) -> None:
    found = cut_out(html, words.split(), skip)
    assert found.startswith(part)
    assert html_to_text(found).split() == words.split()[skip:]


def test_words_in_the_middle_of_a_text_are_not_met() -> None:
    found = cut_out("<pre>Done.\nOn Monday Ada wrote:\nsecret</pre>", ["Done."])
    assert html_to_text(found).split() != ["Done."]
