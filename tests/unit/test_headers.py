"""Header fields: RFC 2047 words, raw 8-bit, and address lists as mail really writes them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpdesk_daemon.mail.message import Address, Headers
from helpdesk_daemon.mail.mime.headers import addresses, decode_words, identifiers, one_line, raw_text

# A header as the parser hands it over: any text, with bytes it could not read as surrogates.
HANDED_OVER = st.binary(max_size=200).map(lambda b: b.decode("ascii", "surrogateescape")) | st.text(max_size=200)
WORDLIKE = st.tuples(
    st.sampled_from(["utf-8", "utf-7", "idna", "undefined", "punycode", "unicode_escape", "x", "iso-2022-jp", "big5"]),
    st.sampled_from("bBqQ"),
    st.text(alphabet="=+/-AZaz09_ \\u?8dDFf", max_size=30),
).map(lambda t: f"=?{t[0]}?{t[1]}?{t[2]}?=")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("plain words", "plain words"),
        ("=?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"),
        ("=?iso-8859-1?q?caf=E9_au_lait?=", "café au lait"),
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?q?a?=\r\n =?utf-8?q?b?=", "ab"),
        ("=?utf-8?q?a?= and =?utf-8?q?b?=", "a and b"),
        ("=?utf-8?B?w7w?=", "ü"),
        ("=?utf-8?B?R3LD?= =?utf-8?B?vMOfZQ==?=", "Grüße"),
        ("=?utf-8?q?=C3?= =?UTF-8?q?=BC?=", "ü"),
        ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        ("=?gb2312?B?1tDOxA==?=", "中文"),
        ("=?koi8-r?B?8NLJ18XU?=", "Привет"),
        ("=?utf-8?q?line=0D=0AEvil:_yes?=", "line Evil: yes"),
        ("=?utf-8*en?q?caf=C3=A9?=", "café"),
        ("Re:=?utf-8?q?_x?=y", "Re: xy"),
        ("=?not a word?=", "=?not a word?="),
    ],
)
def test_encoded_words(written: str, meant: str) -> None:
    assert decode_words(written) == meant


def test_raw_utf8_and_raw_latin1_fields_are_read() -> None:
    assert decode_words("Grüße".encode().decode("ascii", "surrogateescape")) == "Grüße"
    assert decode_words("Grüße aus Köln".encode("latin-1").decode("ascii", "surrogateescape")) == "Grüße aus Köln"


@given(HANDED_OVER | st.lists(WORDLIKE, max_size=4).map(" ".join))
@example("=?idna?q?=FF=FE?=")
@example("=?undefined?q?=FF?=")
@example("=?utf-7?q?+2AA-?=")
@example("=?unicode_escape?q?\\ud800?=")
def test_decoding_words_never_fails_and_gives_one_storable_line(value: str) -> None:
    found = decode_words(value)
    found.encode("utf-8")
    assert not set(found) & set("\r\n\x00\u2028\u2029\x85")


@given(st.lists(HANDED_OVER | WORDLIKE.map(lambda w: f"{w} <a@b.example>"), max_size=4))
@example(['=?idna?q?=FF?= <a@b.example>, "x'])
def test_reading_addresses_never_fails_and_gives_storable_lines(values: list[str]) -> None:
    for found in addresses(values):
        str(found).encode("utf-8")
        assert "@" in found.email
        assert not set(str(found)) & set("\r\n\x00")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=100))
def test_one_line_is_one_line(value: str) -> None:
    assert len(one_line(value).splitlines()) <= 1
    assert one_line(one_line(value)) == one_line(value)


def test_raw_text_leaves_ascii_alone() -> None:
    assert raw_text("a =?b?= c") == "a =?b?= c"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ada@x.example", [Address("", "ada@x.example")]),
        ("Ada Byron <Ada@X.Example>", [Address("Ada Byron", "ada@x.example")]),
        ('"Byron, Ada" <ada@x.example>', [Address("Byron, Ada", "ada@x.example")]),
        ('"Ada \\"A\\" Byron" <ada@x.example>', [Address('Ada "A" Byron', "ada@x.example")]),
        ("ada@x.example (Ada Byron)", [Address("Ada Byron", "ada@x.example")]),
        ("=?utf-8?q?Byron=2C_Ada?= <ada@x.example>", [Address("Byron, Ada", "ada@x.example")]),
        ("a@x.example, b@x.example; c@x.example", [Address("", f"{n}@x.example") for n in "abc"]),
        ("Team: a@x.example, b@x.example;", [Address("", "a@x.example"), Address("", "b@x.example")]),
        ("<ada@x.example", [Address("", "ada@x.example")]),
        ("mailto:ada@x.example", [Address("", "ada@x.example")]),
        ("'ada@x.example' <ada@x.example>", [Address("", "ada@x.example")]),
        ("undisclosed-recipients:;", []),
        ("nobody at all", []),
        ("", []),
        ("=?utf-8?b?QWRhIDxhZGFAeC5leGFtcGxlPg==?=", [Address("Ada", "ada@x.example")]),
    ],
)
def test_addresses(written: str, meant: list[Address]) -> None:
    assert list(addresses([written])) == meant


def test_several_fields_are_read_in_order() -> None:
    assert [a.email for a in addresses(["a@x.example", "b@x.example"])] == ["a@x.example", "b@x.example"]


def test_a_flood_of_addresses_is_bounded() -> None:
    assert len(addresses([", ".join(f"a{n}@x.example" for n in range(12_000))])) == 10_000


def test_identifiers() -> None:
    assert identifiers("<a@x> <b@y>\t<c d@z> junk") == ("<a@x>", "<b@y>")
    assert identifiers("none") == ()


def test_headers_are_found_in_any_case_and_in_order() -> None:
    fields = Headers((("X-A", "1"), ("x-a", "2"), ("B", "")))
    assert fields.get("x-A") == "1"
    assert fields.get_all("X-a") == ["1", "2"]
    assert fields.get("C", "none") == "none"
    assert "b" in fields
    assert "c" not in fields
    assert [name for name, _ in fields] == ["X-A", "x-a", "B"]


def test_domain_of_an_address() -> None:
    assert Address("", "ada@x.example").domain == "x.example"
    assert Address("", "").domain == ""
