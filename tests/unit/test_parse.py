"""`parse`: any bytes become a Message, and nothing of a mail is lost on the way."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.mail.parse import Limits, parse, split_head
from tests.unit.making import mail, multipart

VALID = (
    mail(),
    mail("Grüße\n", subject="=?utf-8?B?R3LDvMOfZQ==?=", extra="Content-Type: text/plain; charset=utf-8"),
    multipart(
        [
            ("Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable", b"caf=E9"),
            ("Content-Type: text/html", b"<p>caf&eacute; <a href='https://a.example'>x</a></p>"),
            ("Content-Type: image/png; name*=utf-8''%C3%BC.png\nContent-Transfer-Encoding: base64", b"iVBORw0KGgo="),
            ("Content-Type: message/rfc822", mail("inner")),
        ]
    ),
    multipart([("Content-Type: message/delivery-status", b"Final-Recipient: rfc822; a@b.example\r\n")], "report"),
)


def texts(found: Message) -> Iterator[str]:
    """Every text of a message that will be stored, shown or sent."""
    yield from (found.subject, found.text, found.html, found.new_text, found.message_id, found.report)
    yield from (found.content_type, *found.defects, *found.in_reply_to, *found.references)
    for address in (found.sender, *found.reply_to, *found.to, *found.cc):
        yield from (address.name, address.email)
    for name, value in found.headers:
        yield from (name, value)
    for attachment in found.attachments:
        yield from (attachment.name, attachment.content_type, attachment.content_id)


def assert_storable(found: Message) -> None:
    for text in texts(found):
        text.encode("utf-8")


@given(st.binary(max_size=2_000))
@example(b"")
@example(b"\x00")
@example(b"From:")
@example(b"Content-Type: multipart/mixed\r\n\r\n--\r\n")
def test_any_bytes_become_a_message(raw: bytes) -> None:
    assert_storable(parse(raw))


@given(st.sampled_from(VALID), st.integers(0, 2**32), st.integers(1, 12))
def test_a_damaged_mail_becomes_a_message(raw: bytes, seed: int, damages: int) -> None:
    rng = random.Random(seed)
    broken = bytearray(raw)
    for _ in range(damages):
        at = rng.randrange(len(broken))
        kind = rng.randrange(3)
        if kind == 0:
            broken[at] = rng.randrange(256)
        elif kind == 1:
            del broken[at : at + rng.randrange(1, 30)]
        else:
            broken[at:at] = rng.choice([b"\r\n", b"\r\n\r\n", b"=?", b"--cut", b";", b'"', b"\xff", b"\x00", b"*=''"])
        if not broken:
            break
    assert_storable(parse(bytes(broken)))


@pytest.mark.parametrize("charset", ["utf-7", "unicode_escape", "raw_unicode_escape", "utf-16", "punycode", "idna"])
def test_no_charset_makes_text_that_cannot_be_stored(charset: str) -> None:
    found = parse(
        mail(
            b"one +2AA- two \\ud800 three",
            subject=f"=?{charset}?Q?a_+2AA-_\\ud800_b?=",
            extra=f"Content-Type: text/plain; charset={charset}",
        )
    )
    assert_storable(found)
    assert "one" in found.text or charset == "utf-16"


@pytest.mark.parametrize("charset", ["idna", "undefined", "punycode", "unicode_escape", "zip", "\xfc", "a" * 500])
def test_a_senseless_charset_costs_neither_body_nor_headers(charset: str) -> None:
    found = parse(mail(b"words \xff\xfe and more", extra=f"Content-Type: text/plain; charset={charset}"))
    assert found.sender.email == "ada@customer.example"
    assert found.subject == "Black screen"
    assert found.text.startswith("words ")
    assert found.text.endswith("and more")
    assert not [d for d in found.defects if "reading failed" in d]


@pytest.mark.parametrize("charset", ["idna", "undefined", "punycode"])
def test_a_senseless_charset_in_the_subject_costs_no_other_field(charset: str) -> None:
    found = parse(mail(subject=f"=?{charset}?Q?=FF=FE?= rest"))
    assert found.sender.email == "ada@customer.example"
    assert found.subject.endswith("rest")
    assert found.text.strip() == "My screen stays black."


def test_all_fields_of_a_plain_mail() -> None:
    found = parse(
        mail(
            extra="Cc: Bob <bob@x.example>\nReply-To: other@x.example\nIn-Reply-To: <0@x.example>\n"
            "References: <a@x.example>\n <b@x.example>"
        )
    )
    assert str(found.sender) == "Ada Byron <ada@customer.example>"
    assert found.sender_source == "From"
    assert [a.email for a in found.to] == ["support@helpdesk.example"]
    assert [a.email for a in found.cc] == ["bob@x.example"]
    assert [a.email for a in found.reply_to] == ["other@x.example"]
    assert found.subject == "Black screen"
    assert found.message_id == "<1@customer.example>"
    assert found.in_reply_to == ("<0@x.example>",)
    assert found.references == ("<a@x.example>", "<b@x.example>")
    assert found.answers == ("<0@x.example>", "<b@x.example>", "<a@x.example>")
    assert found.text.strip() == "My screen stays black."
    assert found.defects == ()


def test_an_mbox_separator_and_empty_lines_before_the_head_are_passed_over() -> None:
    assert parse(b"\r\n\r\n" + mail()).subject == "Black screen"
    assert parse(b"From ada@customer.example Mon May  4 09:30:00 2026\r\n" + mail()).subject == "Black screen"


def test_bare_carriage_returns_end_lines() -> None:
    found = parse(mail().replace(b"\r\n", b"\r"))
    assert (found.subject, found.text.strip()) == ("Black screen", "My screen stays black.")


def test_a_missing_from_is_recovered_and_noted() -> None:
    found = parse(mail(sender="", extra="Sender: Eve <eve@x.example>"))
    assert (found.sender.email, found.sender_source) == ("eve@x.example", "Sender")
    assert "no usable From, sender taken from Sender" in found.defects
    nobody = parse(mail(sender=""))
    assert (nobody.sender.email, nobody.sender_source) == ("", "none")


def test_text_beyond_the_limit_is_cut_and_noted() -> None:
    found = parse(mail("x" * 500), Limits(text_chars=100))
    assert len(found.text) == 100
    assert any("cut to 100" in d for d in found.defects)


def test_too_many_header_lines_are_cut_and_the_body_stays() -> None:
    found = parse(mail(extra="\n".join(f"X-Line: {n}" for n in range(300))), Limits(header_fields=50))
    assert found.sender.email == "ada@customer.example"
    assert found.text.strip() == "My screen stays black."
    assert any("cut to 50" in d for d in found.defects)


def test_an_oversized_header_block_is_cut_and_the_body_stays() -> None:
    found = parse(mail(extra="X-Long: " + "y" * 5_000), Limits(header_bytes=1_000))
    assert found.sender.email == "ada@customer.example"
    assert found.text.strip() == "My screen stays black."


def test_a_text_without_any_header_or_empty_line_is_kept_whole() -> None:
    found = parse("\r\n".join(f"this is line {n}" for n in range(3_000)).encode())
    assert "this is line 0" in found.text
    assert "this is line 2999" in found.text


def test_deep_nesting_ends_and_is_noted() -> None:
    raw = mail(b"", extra='Content-Type: multipart/mixed; boundary="b0"')
    for n in range(120):
        raw += b'--b%d\r\nContent-Type: multipart/mixed; boundary="b%d"\r\n\r\n' % (n, n + 1)
    found = parse(raw + b"--b120\r\n\r\ndeep\r\n")
    assert found.sender.email == "ada@customer.example"
    assert "parts beyond the limits left in the raw mail" in found.defects


def test_media_types_never_hold_a_line_end() -> None:
    raw = multipart([("Content-Type: application/x\n y: z; name=a.bin", b"x"), ("Content-Type: text/plain", b"hi")])
    found = parse(raw.replace(b"multipart/mixed", b"multipart/\r\n mixed"))
    kinds = [found.content_type, *(a.content_type for a in found.attachments)]
    assert not [k for k in kinds if "\r" in k or "\n" in k]


def test_a_folded_media_type_is_still_read() -> None:
    raw = mail("hi", extra="Content-Type: text/plain;\n charset=utf-8")
    assert parse(raw).content_type == "text/plain"
    assert parse(raw).text == "hi"


@given(st.binary(max_size=400))
def test_split_head_loses_only_line_ends(raw: bytes) -> None:
    head, body = split_head(raw)
    assert raw.startswith(head)
    assert raw.endswith(body)
    assert raw[len(head) : len(raw) - len(body)].strip(b"\r\n") == b""


def test_split_head_takes_every_line_end() -> None:
    assert split_head(b"A: b\r\n\r\nbody") == (b"A: b", b"body")
    assert split_head(b"A: b\n\nbody") == (b"A: b", b"body")
    assert split_head(b"A: b\r\rbody") == (b"A: b", b"body")
    assert split_head(b"A: b") == (b"A: b", b"")
