"""Attachments go, everything else stays byte for byte."""

from __future__ import annotations

from email.message import EmailMessage

from hypothesis import given
from hypothesis import strategies as st

from helpdesk_daemon.mail.lighten import NOTE, lighten
from helpdesk_daemon.mail.parse import parse


def mail(**attachments: bytes) -> bytes:
    made = EmailMessage()
    made["From"], made["Subject"], made["Message-ID"] = "zoe@customer.example", "Invoice", "<m1@customer.example>"
    made.set_content("The invoice is wrong.\n")
    made.add_alternative("<p>The invoice is <b>wrong</b>.</p>" + "<p>x</p>" * 2_000, subtype="html")
    for name, content in attachments.items():
        made.add_attachment(content, "application", "octet-stream", filename=f"{name}.bin")
    return made.as_bytes()


def test_an_attachment_gives_way_to_a_note_and_the_text_stays() -> None:
    raw = mail(scan=b"\x00\x01" * 50_000, tiny=b"small")
    smaller = lighten(raw)
    assert len(smaller) < len(raw) / 2
    before, after = parse(raw), parse(smaller)
    assert (after.text, after.html, after.subject, after.message_id) == (
        before.text, before.html, before.subject, before.message_id,
    )  # fmt: skip
    assert [(a.name, a.content) for a in after.attachments] == [("scan.bin", NOTE), ("tiny.bin", b"small")]


def test_once_is_enough() -> None:
    once = lighten(mail(scan=b"\x00\x01" * 50_000))
    assert lighten(once) == once


def test_a_mail_without_attachments_is_left_alone() -> None:
    raw = mail()
    assert lighten(raw) == raw
    assert lighten(b"no mail at all") == b"no mail at all"


@given(st.binary(max_size=400))
def test_whatever_bytes_come(raw: bytes) -> None:
    assert isinstance(lighten(b"Content-Type: multipart/mixed; boundary=x\n\n--x\n" + raw), bytes)
