"""Charsets: claimed, unknown and wrong ones all become text."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpdesk_daemon.mail.mime.charset import ALIASES, codec_for, decode, detect


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("utf-8", "Grüße, 日本"),
        ("UTF8", "Grüße"),
        ('"iso-8859-1"', "café"),
        ("gb2312", "中文"),
        ("ks_c_5601-1987", "한국어"),
        ("koi8-r", "Привет"),
        ("shift_jis", "日本"),
        ("windows-1256", "مرحبا"),
    ],
)
def test_a_right_label_is_trusted(name: str, text: str) -> None:
    assert decode(text.encode(codec_for(name)), name) == (text, "")


def test_latin1_means_windows_as_every_client_reads_it() -> None:
    assert decode(b"\x93quoted\x94 \x80 5", "iso-8859-1")[0] == "“quoted” € 5"


def test_a_wrong_label_on_utf8_is_seen() -> None:
    text, defect = decode("日本語".encode(), "us-ascii")
    assert (text, defect) == ("日本語", "")
    text, defect = decode("Grüße".encode(), "x-nobody-knows")
    assert text == "Grüße"
    assert "x-nobody-knows" in defect


def test_an_unknown_label_on_other_bytes_is_detected_and_noted() -> None:
    sentence = "Привет, у меня не работает принтер уже второй день, помогите пожалуйста. " * 3
    text, defect = decode(sentence.encode("koi8-r"), "unknown-8bit")
    assert text == sentence
    assert "read as" in defect


def test_a_few_bad_bytes_do_not_spoil_a_right_label() -> None:
    text, defect = decode("日本語のメールです。".encode() * 20 + b"\xff", "utf-8")
    assert text.count("日本語のメールです。") == 20
    assert "replaced" in defect


@pytest.mark.parametrize("name", ["zip", "base64", "rot13", "hex", "quopri", "bz2", "uu"])
def test_codecs_that_are_no_charsets_are_not_used(name: str) -> None:
    assert codec_for(name) == ""


@pytest.mark.parametrize("name", sorted({a for a in ALIASES.values() if a}))
def test_every_alias_leads_to_a_codec(name: str) -> None:
    assert codecs.lookup(name).name


LABELS = st.sampled_from(
    ["", "utf-8", "utf-7", "idna", "undefined", "punycode", "unicode_escape", "raw_unicode_escape", "utf-16-le", "\x00",
     "ü", "hz", "iso2022_kr", "big5", "oem", "mbcs", "a" * 300, "..", "aliases", "utf_8_sig"]
) | st.text(max_size=20)  # fmt: skip


@given(st.binary(max_size=200), LABELS)
@example(b"+2AA-", "utf-7")
@example(b"\\ud800", "unicode_escape")
@example(b"\xff\xfe", "idna")
@example(b"\xff\xfe", "undefined")
@example(b"\xff\xfe", "punycode")
@example(b"\x00\xd8", "utf-16-le")
def test_decoding_never_fails_and_gives_storable_text(content: bytes, name: str) -> None:
    text, defect = decode(content, name)
    text.encode("utf-8")
    assert isinstance(defect, str)


@given(st.binary(max_size=200))
def test_detection_always_names_a_codec(content: bytes) -> None:
    content.decode(detect(content), "replace")
    assert codecs.lookup(detect(content))
