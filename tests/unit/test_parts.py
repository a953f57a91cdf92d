"""The MIME tree: text from the best part, every other part an attachment with its bytes."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk_daemon.mail.mime.names import NAME_CHARS, safe_name
from helpdesk_daemon.mail.mime.texts import unflow
from helpdesk_daemon.mail.parse import parse
from tests.unit.making import mail, multipart

PLAIN = "Content-Type: text/plain; charset=utf-8"
HTML = "Content-Type: text/html; charset=utf-8"


def test_plain_is_the_text_and_html_is_kept_beside_it() -> None:
    found = parse(multipart([(PLAIN, b"plain words"), (HTML, b"<p>html words</p>")], "alternative"))
    assert found.text == "plain words"
    assert found.html == "<p>html words</p>"
    assert found.attachments == ()


def test_html_is_the_text_when_plain_is_empty() -> None:
    found = parse(multipart([(PLAIN, b" \r\n"), (HTML, b"<p>html <b>words</b></p>")], "alternative"))
    assert found.text == "html words"


@pytest.mark.parametrize(
    ("plain", "html", "text"),
    [
        ("Please use a reader that shows HTML.", "<p>The invoice of May was charged twice to my card.</p>",
         "The invoice of May was charged twice to my card."),
        ("My HTML newsletter is broken", "<p>My HTML <i>newsletter</i> is broken</p>", "My HTML newsletter is broken"),
        ("The html export fails", "<p>see picture</p>", "The html export fails"),
    ],
)  # fmt: skip
def test_a_plain_part_that_only_asks_for_an_html_reader_is_not_the_text(plain: str, html: str, text: str) -> None:
    found = parse(multipart([(PLAIN, plain.encode()), (HTML, html.encode())], "alternative"))
    assert found.text == text


def test_two_texts_of_a_mixed_mail_are_both_the_body() -> None:
    found = parse(multipart([(PLAIN, b"first"), ("Content-Type: image/gif", b"GIF"), (PLAIN, b"second")]))
    assert found.text == "first\n\nsecond"
    assert [a.content for a in found.attachments] == [b"GIF"]


def test_an_alternative_keeps_every_stretch_of_its_html() -> None:
    # Some clients put the words before and after a picture into two HTML parts of one alternative.
    inner = (
        b"--in\r\nContent-Type: text/html\r\n\r\n<p>before</p>\r\n--in\r\nContent-Type: image/png; name=a\r\n\r\nPNG"
        b"\r\n--in\r\nContent-Type: text/html\r\n\r\n<p>after</p>\r\n--in--"
    )
    mixed = "Content-Type: multipart/mixed; boundary=in"
    found = parse(multipart([(PLAIN, b"before after"), (mixed, inner)], "alternative"))
    assert found.text == "before after"
    assert "before" in found.html
    assert "after" in found.html
    only_html = parse(multipart([(mixed, inner)], "alternative"))
    assert "before" in only_html.text
    assert "after" in only_html.text


def test_pictures_of_a_related_mail_are_inline() -> None:
    png = base64.b64encode(b"\x89PNG").decode()
    picture = "Content-Type: image/png\nContent-ID: <logo@x>\nContent-Transfer-Encoding: base64"
    found = parse(multipart([(HTML, b'<img src="cid:logo@x">words'), (picture, png.encode())], "related"))
    (attachment,) = found.attachments
    assert attachment.inline
    assert (attachment.content_id, attachment.content) == ("logo@x", b"\x89PNG")
    assert attachment.name


def test_a_text_file_is_an_attachment_not_the_body() -> None:
    found = parse(multipart([(PLAIN, b"body"), (f"{PLAIN}; name=log.txt", b"log line")]))
    assert found.text == "body"
    assert [(a.name, a.content) for a in found.attachments] == [("log.txt", b"log line")]


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "x-uuencode", "7bit", "8bit", "binary", "nonsense"])
def test_transfer_encodings(encoding: str) -> None:
    bodies = {
        "base64": b"aGVsbG8sIHdvcmxk",
        "quoted-printable": b"hello=2C world",
        "x-uuencode": b"begin 644 a\r\n,:&5L;&\\L('=O<FQD\r\n \r\nend",
    }
    found = parse(
        multipart([(f"{PLAIN}\nContent-Transfer-Encoding: {encoding}", bodies.get(encoding, b"hello, world"))])
    )
    assert found.text.strip() == "hello, world"


def test_broken_base64_keeps_what_can_be_read() -> None:
    head = "Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64"
    found = parse(multipart([(PLAIN, b"body"), (head, b"JVBERi0x*LjQK!!\r\nA")]))
    assert found.text == "body"
    assert found.attachments[0].content.startswith((b"%PDF-1", b"JVBERi0x"))
    assert any(d.startswith("MIME:") for d in found.defects)


def test_an_attached_mail_is_a_mail_file() -> None:
    found = parse(multipart([(PLAIN, b"see below"), ("Content-Type: message/rfc822", mail("inner words"))]))
    (attachment,) = found.attachments
    assert attachment.content_type == "message/rfc822"
    assert attachment.name.endswith(".eml")
    assert b"inner words" in attachment.content
    assert found.text == "see below"


def test_a_delivery_report_is_read() -> None:
    report = b"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; a@b.example\r\nAction: failed\r\n"
    found = parse(multipart([(PLAIN, b"sorry"), ("Content-Type: message/delivery-status", report)], "report"))
    assert "Final-Recipient: rfc822; a@b.example" in found.report
    assert found.text == "sorry"


def test_a_missing_closing_boundary_loses_nothing() -> None:
    raw = multipart([(PLAIN, b"first"), (PLAIN, b"second")]).replace(b"--cut--\r\n", b"")
    found = parse(raw)
    assert "first" in found.text
    assert "second" in found.text


def test_the_charset_of_html_may_stand_in_the_html() -> None:
    body = '<html><head><meta charset="iso-8859-7"></head><body>Καλημέρα</body></html>'.encode("iso-8859-7")
    assert parse(mail(body, extra="Content-Type: text/html")).text == "Καλημέρα"


def tnef(name: bytes, content: bytes) -> bytes:
    """A winmail.dat that carries one file (MS-OXTNEF)."""

    def attribute(number: int, value: bytes) -> bytes:
        size, check = len(value).to_bytes(4, "little"), (sum(value) & 0xFFFF).to_bytes(2, "little")
        return b"\x02" + number.to_bytes(4, "little") + size + value + check

    rendering = b"\x01\x00" + b"\x00" * 12
    parts = [(0x00069002, rendering), (0x00018010, name + b"\x00"), (0x0006800F, content)]
    return b"\x78\x9f\x3e\x22\x01\x00" + b"".join(attribute(n, v) for n, v in parts)


def test_tnef_is_opened() -> None:
    head = "Content-Type: application/ms-tnef; name=winmail.dat\nContent-Transfer-Encoding: base64"
    packed = base64.b64encode(tnef(b"prices.csv", b"a;1\r\nb;2\r\n"))
    found = parse(multipart([(PLAIN, b"body"), (head, packed)]))
    assert ("prices.csv", b"a;1\r\nb;2\r\n") in [(a.name, a.content) for a in found.attachments]


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ('Content-Disposition: attachment; filename="plan.pdf"', "plan.pdf"),
        ("Content-Disposition: attachment; filename*=utf-8''%E2%82%AC%20rates.pdf", "€ rates.pdf"),
        ("Content-Disposition: attachment; filename*0=long; filename*1=er.pdf", "longer.pdf"),
        ("Content-Disposition: attachment; filename*0*=utf-8''%C3%BC; filename*1=.pdf", "ü.pdf"),
        ('Content-Disposition: attachment; filename="=?utf-8?q?=C3=BC.pdf?="', "ü.pdf"),
        ("Content-Disposition: attachment; filename*=nobody-knows''x%FF.pdf", None),
        ('Content-Disposition: attachment; filename="../../etc/passwd"', "passwd"),
        ('Content-Disposition: attachment; filename="C:\\\\Users\\\\me\\\\a.doc"', "a.doc"),
        ('Content-Disposition: attachment; filename=".."', "attachment-1.bin"),
        ("Content-Disposition: attachment", "attachment-1.bin"),
        ('Content-Disposition: attachment; filename="a\tb.txt"', "a b.txt"),
    ],
)
def test_file_names(head: str, name: str | None) -> None:
    (found,) = parse(multipart([(f"Content-Type: application/x-thing\n{head}", b"x")])).attachments
    assert found.content == b"x"
    assert found.name == name if name else found.name.endswith(".pdf")


@given(st.text(max_size=400), st.sampled_from(["text/plain", "application/x", "message/rfc822"]))
def test_a_safe_name_stays_in_its_folder(name: str, kind: str) -> None:
    found = safe_name(name, kind, 3)
    assert 0 < len(found) <= NAME_CHARS
    assert found not in (".", "..")
    assert not set(found) & set('/\\<>:"|?*\r\n\x00')
    assert found == found.strip(" .")


def test_a_right_to_left_mark_cannot_hide_an_ending() -> None:
    assert "\u202e" not in safe_name("invoice\u202efdp.exe", "application/x", 1)


def test_a_long_name_keeps_its_ending() -> None:
    found = safe_name("n" * 300 + ".pdf", "application/pdf", 1)
    assert len(found) == NAME_CHARS
    assert found.endswith(".pdf")


@pytest.mark.parametrize(
    ("flowed", "delsp", "text"),
    [
        ("one \ntwo\nthree", False, "one two\nthree"),
        ("one \ntwo\n", True, "onetwo\n"),
        ("> a \n> b\nc", False, "> a b\nc"),
        ("> a \nb", False, "> a \nb"),
        (" From here", False, "From here"),
        (" >not a quote", False, ">not a quote"),
        ("bye\n-- \nAda", False, "bye\n-- \nAda"),
        ("", False, ""),
    ],
)
def test_unflow(flowed: str, delsp: bool, text: str) -> None:
    assert unflow(flowed, delsp) == text


def test_a_flowed_mail_is_unflowed() -> None:
    found = parse(mail("One long \r\nline.\r\nNext.\r\n", extra="Content-Type: text/plain; format=flowed"))
    assert found.text.strip("\n") == "One long line.\nNext."
