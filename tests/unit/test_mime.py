"""Mails written down as bytes, read back by the standard library."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpdesk_daemon.mail.message import Attachment
from helpdesk_daemon.outgoing.mime import write
from tests.unit.making import html, mail, plain, read

FIELDS = [("From", "a@x.example"), ("To", "b@x.example"), ("Subject", "words")]


def test_a_plain_mail() -> None:
    found = read(write(FIELDS, "one\ntwo\n", ""))
    assert found.get_content_type() == "text/plain"
    assert found.get_content().splitlines() == ["one", "two"]
    assert found["MIME-Version"] == "1.0"
    assert found["Subject"] == "words"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=600))
@example("From here on\n.\n..\nlong " + "x" * 3_000)
@example("trailing \nspaces\t\n")
def test_text_survives(text: str) -> None:
    raw = write(FIELDS, text, "")
    assert plain(raw).replace("\r\n", "\n").rstrip("\n") == text.rstrip("\n")
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert raw.isascii()


def test_every_line_ends_with_crlf() -> None:
    attachments = [Attachment("a.bin", "application/x", bytes(range(256)) * 9)]
    raw = write(FIELDS, "one\r\ntwo\rthree\n", "<p>x</p>", attachments, mail("inner\nlines"))
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")


def test_text_html_and_pictures() -> None:
    attachments = [
        Attachment("logo.png", "image/png", b"PNG", "logo@x", inline=True),
        Attachment("a.pdf", "application/pdf", b"PDF"),
    ]
    raw = write(FIELDS, "words", "<p>wörds</p>", attachments)
    found = read(raw)
    assert found.get_content_type() == "multipart/mixed"
    assert [p.get_content_type() for p in found.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png",
        "application/pdf",
    ]  # fmt: skip
    assert (plain(raw).strip(), html(raw).strip()) == ("words", "<p>wörds</p>")
    assert [p["Content-ID"] for p in found.walk() if p["Content-ID"]] == ["<logo@x>"]


@given(st.binary(max_size=500))
def test_an_attachment_survives_byte_for_byte(content: bytes) -> None:
    found = read(write(FIELDS, "x", "", [Attachment("a.bin", "application/octet-stream", content)]))
    (part,) = found.iter_attachments()
    assert part.get_payload(decode=True) == content


@pytest.mark.parametrize("kind", ["text/plain", "text/html", "text/calendar", "message/rfc822", "multipart/x", "x/ü"])
def test_an_attachment_of_any_type_survives_byte_for_byte(kind: str) -> None:
    content = b"From x\r\n--cut\nline\r\xff\x00"
    found = read(write(FIELDS, "x", "", [Attachment("a.bin", kind, content)]))
    (part,) = found.iter_attachments()
    assert part.get_payload(decode=True) == content
    assert part.get_filename() == "a.bin"


@pytest.mark.parametrize("name", ["plan.pdf", "Über uns.pdf", "日本.txt", "it's.txt", "a;b=c.txt", "n" * 140 + ".pdf"])
def test_a_file_name_survives(name: str) -> None:
    raw = write(FIELDS, "x", "", [Attachment(name, "application/pdf", b"x")])
    (part,) = read(raw).iter_attachments()
    assert part.get_filename() == name


@pytest.mark.parametrize("content_id", ["ü@x", "\ufffd", "", "x" * 300])
def test_an_odd_content_id_breaks_nothing(content_id: str) -> None:
    raw = write(FIELDS, "x", "<p>x</p>", [Attachment("a.png", "image/png", b"PNG", content_id, inline=True)])
    found = read(raw)
    assert [p.get_payload(decode=True) for p in found.walk() if p.get_content_type() == "image/png"] == [b"PNG"]


@pytest.mark.parametrize(
    "original",
    [
        mail("inner words"),
        mail("Grüße\n", extra="Content-Type: text/plain; charset=utf-8"),
        mail(b"\xff\xfe bytes"),
        mail("no end of line"),
        mail("from\n" * 3 + "From here\n.\n"),
        b"no head at all",
    ],
)
def test_an_original_is_attached_as_a_mail_and_survives(original: bytes) -> None:
    raw = write(FIELDS, "x", "<p>x</p>", (), original)
    (part,) = read(raw).iter_attachments()
    assert part.get_filename() == "original.eml"
    assert part.get_content_type() == "message/rfc822"
    lines = b"\r\n".join(original.rstrip().splitlines())
    assert lines in raw


@pytest.mark.parametrize("original", [mail("x" * 2_000), mail(b"nul \x00 byte"), mail(b"\x00" * 10)])
def test_an_original_that_cannot_stand_as_it_is_survives_byte_for_byte(original: bytes) -> None:
    (part,) = read(write(FIELDS, "x", "", (), original)).iter_attachments()
    assert part.get_payload(decode=True) == original
    assert part.get_filename() == "original.eml"


def test_a_field_cannot_bring_another_along() -> None:
    found = read(write([*FIELDS, ("X-A", "b\r\nBcc: eve@x.example\r\n\r\nbody")], "x", ""))
    assert found["Bcc"] is None
    assert found["X-A"] == "b Bcc: eve@x.example body"
    assert found.get_content().strip() == "x"
