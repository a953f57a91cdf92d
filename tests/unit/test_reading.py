"""The small readers below the MIME tree: parameters, transfer encodings, header blocks, RTF, TNEF, S/MIME."""

from __future__ import annotations

import base64
import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk_daemon.mail.formats.rtf import decompress, read_rtf
from helpdesk_daemon.mail.formats.signed import open_signed
from helpdesk_daemon.mail.formats.tnef import open_tnef
from helpdesk_daemon.mail.mime.entity import Budget, read_entity
from helpdesk_daemon.mail.mime.head import read_head
from helpdesk_daemon.mail.mime.names import free_name, implied_name
from helpdesk_daemon.mail.mime.parameters import disposition, media_type
from helpdesk_daemon.mail.mime.texts import calendar_text, unenriched
from helpdesk_daemon.mail.mime.transfer import take_embedded, transfer_decode
from helpdesk_daemon.mail.parse import parse
from tests.unit.making import mail, multipart


@pytest.mark.parametrize(
    ("written", "kind", "parameters"),
    [
        ("text/plain", "text/plain", {}),
        ("TEXT/HTML; Charset=UTF-8", "text/html", {"charset": "UTF-8"}),
        ("text/plain charset=utf-8", "text/plain", {"charset": "utf-8"}),
        ("text / plain ;; charset = utf-8 ;", "text/plain", {"charset": "utf-8"}),
        ("text", "text/plain", {}),
        ("html; charset=utf-8", "text/html", {"charset": "utf-8"}),
        ("", "text/plain", {}),
        ('multipart/mixed; boundary="a;b=c"', "multipart/mixed", {"boundary": "a;b=c"}),
        ('multipart/mixed; boundary="a\\"b"', "multipart/mixed", {"boundary": 'a"b'}),
        ("multipart/mixed; boundary*0=long; boundary*1=er", "multipart/mixed", {"boundary": "longer"}),
        ('image/png; name="a.png" charset=x', "image/png", {"name": "a.png", "charset": "x"}),
        ("application/x; name=first; name=second", "application/x", {"name": "first"}),
        ("text/plain;\r\n\tcharset=utf-8", "text/plain", {"charset": "utf-8"}),
    ],
)
def test_media_types(written: str, kind: str, parameters: dict[str, str]) -> None:
    found = media_type(written)
    assert (found.value, found.parameters) == (kind, parameters)


def test_dispositions() -> None:
    assert disposition("Attachment; filename=a.txt").value == "attachment"
    assert disposition("filename=a.txt").parameters == {"filename": "a.txt"}
    assert disposition("filename=a.txt").value == ""
    assert disposition("").value == ""


@given(st.text(alphabet=" ;=\"\\'*%a1utf-8\udcff", max_size=80))
def test_no_parameter_list_is_too_broken(value: str) -> None:
    for text in media_type(value).parameters.values():
        text.encode("utf-8")
    for text in disposition(value).parameters.values():
        text.encode("utf-8")


@given(st.binary(max_size=300))
def test_every_transfer_encoding_gives_back_what_was_encoded(content: bytes) -> None:
    assert transfer_decode(base64.encodebytes(content), "Base64") == (content, "")
    assert transfer_decode(binascii.b2a_qp(content, istext=False), " quoted-printable ")[0] == content
    lines = b"".join(binascii.b2a_uu(content[n : n + 45]) for n in range(0, len(content), 45))
    assert transfer_decode(b"begin 644 a\n" + lines + b"`\nend\n", "x-uuencode") == (content, "")


@given(st.binary(max_size=300), st.sampled_from(["base64", "x-uuencode", "x-yenc", "quoted-printable", "8bit", "x"]))
def test_no_content_is_too_broken_to_decode(content: bytes, encoding: str) -> None:
    decoded, defect = transfer_decode(content, encoding)
    assert len(decoded) <= 64 * len(content)
    assert isinstance(defect, str)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (b"aGVsbG8=", b"hello"),
        (b"aGVsbG8", b"hello"),
        (b"aGVs\r\nbG8=\r\n", b"hello"),
        (b"aGVs*bG8=", b"hello"),
        (b"aGVsbG8=aGVsbG8=", b"hellohello"),
        (b"aGVsbG8gd29ybGQsIGhvdyBhcmU=\r\n\r\n--\r\nA footer.", b"hello world, how are"),
        (b"this is, after all, no base64", b"this is, after all, no base64"),
    ],
)
def test_base64_as_it_comes(written: bytes, meant: bytes) -> None:
    assert transfer_decode(written, "base64")[0] == meant


def test_a_text_about_uuencode_keeps_its_words() -> None:
    text = b"We begin 644 things\nbegin 644 and never end\nwords\n"
    assert take_embedded(text) == (text, [])


def test_two_files_leave_a_text_and_their_order_stays() -> None:
    one = b"begin 644 a.txt\n#86%A\n`\nend\n"
    text, files = take_embedded(b"first\n" + one + b"second\n" + one.replace(b"a.txt", b"b.txt") + b"third\n")
    assert text.split() == [b"first", b"second", b"third"]
    assert [(f.name, f.content) for f in files] == [(b"a.txt", b"aaa"), (b"b.txt", b"aaa")]


def fields(raw: bytes, *, root: bool = True) -> tuple[dict[str, str], bytes]:
    head = read_head(raw, 0, len(raw), 10_000, 100, root=root)
    return {name: value.strip() for name, value in head.fields}, raw[head.end :]


@pytest.mark.parametrize(
    ("raw", "found", "body"),
    [
        (b"A: 1\r\nB: 2\r\n\r\nbody", {"A": "1", "B": "2"}, b"body"),
        (b"A: 1\n  2\n\t3\n\nbody", {"A": "1 2 3"}, b"body"),
        (b"A : 1\n\nbody", {"A": "1"}, b"body"),
        (b"A: 1\n \n two\n\nbody", {"A": "1 two"}, b"body"),
        (b"A: 1\n \nbody", {"A": "1"}, b"body"),
        (b"A: 1\nwords\nTo: x\n\nbody", {"A": "1 words", "To": "x"}, b"body"),
        (b"A: 1\nwords and words\n\nmore", {"A": "1"}, b"words and words\n\nmore"),
        (b"From x\nA: 1\n\nbody", {"A": "1"}, b"body"),
        (b"no header\nat all", {}, b"no header\nat all"),
        (b"A: 1", {"A": "1"}, b""),
        (b"", {}, b""),
    ],
)
def test_header_blocks(raw: bytes, found: dict[str, str], body: bytes) -> None:
    assert fields(raw) == (found, body)


def test_a_part_that_begins_with_words_and_a_colon_has_no_head() -> None:
    assert fields(b"Dear all: hello\n\nmore", root=False) == ({}, b"Dear all: hello\n\nmore")
    assert fields(b"Content-Type: text/plain\n\nmore", root=False) == ({"Content-Type": "text/plain"}, b"more")


def test_an_attached_mail_stays_byte_for_byte() -> None:
    inner = b"from:  A <a@b.example>\nSUBJECT : x\r\nX-Odd:\t\xff\r\n\r\nbody \r\n\tend"
    found = parse(multipart([("Content-Type: message/rfc822", inner)]))
    assert found.attachments[0].content == inner


def test_a_body_is_cut_without_copies_of_its_neighbours() -> None:
    raw = multipart([("Content-Type: text/plain", b"one"), ("Content-Type: text/plain", b"two")])
    root = read_entity(raw, Budget())
    assert [child.body for child in root.children or ()] == [b"one", b"two"]
    assert all(child.raw is raw for child in root.children or ())


def test_a_returned_mail_in_a_plain_body_is_not_taken_apart() -> None:
    words = "Sorry, this did not arrive.\r\n\r\n--- Below is the message:\r\n\r\n"
    words += "--in\r\nContent-Type: text/plain\r\n\r\nhello\r\n--in--"
    found = parse(mail(words))
    assert "Sorry" in found.text
    assert "hello" in found.text


@pytest.mark.parametrize(
    ("packed", "meant"),
    [  # the examples of MS-OXRTFCP section 3
        (
            "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0",
            rb"{\rtf1\ansi\ansicpg1252\pard hello world}" + b"\r\n",
        ),
        ("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0", rb"{\rtf1 WXYZWXYZWXYZWXYZWXYZ}"),
    ],
)
def test_compressed_rtf(packed: str, meant: bytes) -> None:
    assert decompress(bytes.fromhex(packed)) == meant


@given(st.binary(max_size=200))
def test_no_rtf_is_too_broken(content: bytes) -> None:
    decompress(b"\0" * 4 + b"\xff\xff\0\0LZFu\0\0\0\0" + content)
    for text in read_rtf(content):
        text.encode("utf-8")


@pytest.mark.parametrize(
    ("rtf", "text"),
    [
        (rb"{\rtf1\ansi one\par two}", "one\ntwo"),
        (rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}}{\colortbl;\red0;}words}", "words"),
        (rb"{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8\'e2\'e5\'f2}", "Привет"),
        (rb"{\rtf1\ansi\ansicpg932 \'93\'fa\'96\'7b}", "日本"),
        (rb"{\rtf1\ansi\uc1 \u26085?\u26412?}", "日本"),
        (rb"{\rtf1\ansi C:\\new\\table \{x\}}", r"C:\new\table {x}"),
        (rb"{\rtf1\ansi{\*\generator Me;}words}", "words"),
    ],
)
def test_plain_rtf(rtf: bytes, text: str) -> None:
    assert read_rtf(rtf) == (text, "")


@given(st.binary(max_size=200))
def test_no_tnef_and_no_signature_is_too_broken(content: bytes) -> None:
    opened = open_tnef(b"\x78\x9f\x3e\x22\x01\x00" + content)
    assert opened is None or opened.text or opened.html or opened.files
    assert open_signed(b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" + content) is None
    assert open_signed(content) is None


def test_a_signature_in_pieces_of_indefinite_length_is_opened() -> None:
    signed = (
        b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01\x31\x00"
        b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x80\x24\x80"
        b"\x04\x1eContent-Type: text/plain\r\n\r\nhe\x04\x03llo\x00\x00\x00\x00"
    )
    assert open_signed(signed) == b"Content-Type: text/plain\r\n\r\nhello"


def test_what_is_only_signed_is_not_called_sealed() -> None:
    signed = bytes.fromhex("3080 0609 2a864886f70d010702 a080 3080 020101 3100 3080 0609 2a864886f70d010701 a080 0403")
    found = parse(mail(signed + b"\n\nx", extra="Content-Type: application/pkcs7-mime; name=smime.p7m"))
    assert (found.content_type, found.text) == ("multipart/signed", "x")
    assert [a.name for a in found.attachments] == ["smime.p7m"]


def test_an_invitation_says_what_when_and_where() -> None:
    assert calendar_text("BEGIN:VEVENT\nSUMMARY;LANGUAGE=en:One\\, two\nDTSTART:20260506T090000Z\nEND:VEVENT") == (
        "One, two\nStart: 20260506T090000Z"
    )
    assert calendar_text("SUMMARY:outside of an event") == ""


def test_enriched_text() -> None:
    assert unenriched("<bold>a</bold>\nb\n\nc <<tag>") == "a b\nc <tag>"


def test_names_for_the_nameless() -> None:
    assert implied_name("image/jpeg", "photo.jpg@x", "") == "photo.jpg"
    assert implied_name("image/jpeg", "part1.06@x", "") == "image.jpg"
    assert implied_name("message/rfc822", "", "Re: hello") == "Re: hello.eml"
    assert implied_name("message/delivery-status", "", "") == "delivery-status.txt"
    assert implied_name("application/x", "", "") == ""
    assert free_name("a.png", {"a.png", "a1.png"}) == "a2.png"
    assert free_name("a", {"a"}) == "a1"
