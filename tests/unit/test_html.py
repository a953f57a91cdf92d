"""HTML to text: every word a person would have read, and none they would not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk_daemon.mail.formats.html import html_to_text

TAGS = st.sampled_from(
    ["<p>", "</p>", "<br>", "<blockquote>", "</blockquote>", "<pre>", "</pre>", "<li>", "</ul>", "<a href='x'>", "</a>",
     "<td>", "</table>", "<script>", "</script>", "<!--", "-->", "<![CDATA[", "&amp;", "&#xD800;", "&#0;", "<img alt='",
     "<svg>", "<template>", "<body>", "<html>", "<frameset>", "<", ">", "words", "\n", " "]
)  # fmt: skip


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("<div>one</div><div>two</div>", "one\ntwo"),
        ("<ul><li>one<li>two</ul>", "- one\n- two"),
        ("see <a href='https://x.example/a'>the page</a> now", "see the page (https://x.example/a) now"),
        ("<a href='https://x.example'>https://x.example/</a>", "https://x.example/"),
        ("<a href='mailto:a@x.example'>a@x.example</a>", "a@x.example"),
        ("<a href='javascript:alert(1)'>press</a>", "press"),
        ("<style>p{color:red}</style><script>evil()</script><p>words</p>", "words"),
        ("<head><title>no</title></head><body>yes</body>", "yes"),
        ("<blockquote>old<br>words</blockquote><p>new</p>", "> old\n> words\n\nnew"),
        ("<pre>  a\n    b</pre>", "a\n    b"),
        ("fish &amp; chips &lt;3 &euro;&nbsp;5", "fish & chips <3 € 5"),
        ("<p>a\n   b\t c</p>", "a b c"),
        ("un<b>break</b>able", "unbreakable"),
        ("<b>two</b> <i>words</i>", "two words"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<img alt='a cat' src='x'> here", "a cat here"),
        ("<!-- hidden -->seen", "seen"),
        ("", ""),
        ("no markup at all", "no markup at all"),
        ("<p>never closed", "never closed"),
    ],
)
def test_html(html: str, text: str) -> None:
    assert html_to_text(html) == text


def test_nested_quotes_are_marked_twice() -> None:
    found = html_to_text("<blockquote>one<blockquote>two</blockquote></blockquote>now")
    assert "> one" in found
    assert "> > two" in found
    assert found.endswith("\nnow")


def test_deep_nesting_is_read() -> None:
    assert html_to_text("<div>" * 3_000 + "deep") == "deep"


@given(st.lists(TAGS | st.text(max_size=12), max_size=40).map("".join))
def test_any_text_becomes_storable_text(html: str) -> None:
    html_to_text(html).encode("utf-8")


@given(st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), min_size=1, max_size=20))
def test_no_word_is_lost(words: list[str]) -> None:
    found = html_to_text("".join(f"<div><span>{word}</span></div>" for word in words))
    assert found.split() == words


@pytest.mark.timeout(10)  # a guard against a hang, not a measurement: this takes milliseconds or minutes
def test_a_long_run_of_spaces_does_not_block_others() -> None:
    assert html_to_text("<pre>" + " " * 120_000 + "x</pre>").strip() == "x"


def test_deep_quotes_do_not_blow_the_text_up() -> None:
    html = "<blockquote>a" * 500
    assert len(html_to_text(html)) <= 10 * len(html)
