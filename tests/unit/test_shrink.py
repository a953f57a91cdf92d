"""A mail made to fit a smaller server."""

from __future__ import annotations

from helpdesk_daemon.mail.message import Attachment
from helpdesk_daemon.outgoing.mime import write
from helpdesk_daemon.outgoing.shrink import ROOM, shrink
from tests.unit.making import TICKET_ID, html, mail, plain, read

FIELDS = [("From", "a@x.example"), ("To", "b@x.example"), ("Subject", "wörds"), ("X-Helpdesk-Ticket", TICKET_ID)]
BIG = Attachment("film.bin", "application/octet-stream", bytes(range(256)) * 400)
SMALL = Attachment("note.bin", "application/octet-stream", bytes(range(256)))


def names(mime: bytes) -> list[str | None]:
    return [p.get_filename() for p in read(mime).walk() if p.get_filename()]


def test_the_largest_goes_first_and_the_rest_stays_byte_for_byte() -> None:
    raw = write(FIELDS, "wörds", "<p>wörds</p>", [SMALL, BIG])
    found = shrink(raw, 20_000, TICKET_ID)
    assert found is not None
    assert len(found) <= 20_000
    assert names(found) == ["note.bin"]
    assert [p.get_payload(decode=True) for p in read(found).walk() if p.get_filename()] == [SMALL.content]
    assert (plain(found).strip(), html(found).strip()) == ("wörds", "<p>wörds</p>")
    assert read(found)["Subject"] == "wörds"
    assert read(found)["X-Helpdesk-Ticket"] == TICKET_ID


def test_it_says_what_was_left_out_and_where_it_is() -> None:
    found = shrink(write(FIELDS, "words", "", [BIG]), 20_000, TICKET_ID)
    assert found is not None
    note = "\n".join(str(p.get_content()) for p in read(found).walk() if p.get_content_maintype() == "text")
    assert "film.bin" in note
    assert f"tickets show {TICKET_ID}" in note


def test_an_attached_mail_that_stays_is_unchanged() -> None:
    original = mail("Grüße\nFrom here\n", extra="Content-Type: text/plain; charset=utf-8")
    found = shrink(write(FIELDS, "words", "", [BIG], original), 20_000, TICKET_ID)
    assert found is not None
    assert b"\r\n".join(original.rstrip().splitlines()) in found


def test_a_mail_without_attachments_cannot_be_made_smaller() -> None:
    assert shrink(write(FIELDS, "words " * 5_000, ""), 10_000, TICKET_ID) is None
    assert shrink(write(FIELDS, "words " * 5_000, "<p>x</p>"), 10_000, TICKET_ID) is None


def test_a_text_too_large_by_itself_cannot_be_made_to_fit() -> None:
    assert shrink(write(FIELDS, "words " * 5_000, "", [BIG]), 10_000, TICKET_ID) is None


def test_many_long_names_still_fit() -> None:
    many = [Attachment(f"{n:03d}{'n' * 140}.bin", "application/x", b"x" * 900) for n in range(120)]
    limit = 40_000
    found = shrink(write(FIELDS, "words", "", many), limit, TICKET_ID)
    assert found is not None
    assert len(found) <= limit


def test_what_fits_keeps_its_attachments() -> None:
    raw = write(FIELDS, "words", "", [SMALL])
    found = shrink(raw, len(raw) + ROOM, TICKET_ID)
    assert found is not None
    assert names(found) == ["note.bin"]
