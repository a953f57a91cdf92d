"""A mail is recognised again by any route, and no other mail is taken for it."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from helpdesk_daemon.mail.digest import digest
from tests.unit.making import mail

KEY = b"secret"
LINES = st.lists(st.text(alphabet="abc ä>.\t", max_size=20), max_size=8)
TRACE = b"Received: from a by b; Mon, 4 May 2026 09:30:00 +0000\r\n"


@given(LINES)
def test_line_ends_make_no_difference(lines: list[str]) -> None:
    raw = mail("\r\n".join(lines), extra="References: <a@x>\n <b@x>")
    assert digest(raw, KEY) == digest(raw.replace(b"\r\n", b"\n"), KEY)


@given(LINES, st.integers(1, 4))
def test_trace_fields_make_no_difference(lines: list[str], hops: int) -> None:
    raw = mail("\r\n".join(lines))
    assert digest(raw, KEY) == digest(TRACE * hops + b"X-Spam-Score: 1\r\nDelivered-To: a@b.example\r\n" + raw, KEY)


@given(LINES, LINES)
def test_another_body_is_another_mail(one: list[str], two: list[str]) -> None:
    assume("".join("".join(one).split()) != "".join("".join(two).split()))
    assert digest(mail("\r\n".join(one)), KEY) != digest(mail("\r\n".join(two)), KEY)


@pytest.mark.parametrize(
    "other",
    [
        mail(message_id="<2@customer.example>"),
        mail(message_id=""),
        mail(subject="Another"),
        mail(sender="eve@x.example"),
        mail(to="sales@helpdesk.example"),
        mail(extra="Reply-To: eve@x.example"),
        mail(extra="In-Reply-To: <0@x>"),
        mail(extra="Date: Mon, 4 May 2026 09:30:00 +0000"),
        mail("My screen stays black!\n"),
    ],
)
def test_two_mails_that_differ_in_what_their_senders_wrote_differ(other: bytes) -> None:
    assert digest(other, KEY) != digest(mail(), KEY)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (b"My printer burns.\n", b"My mouse squeaks.\n"),
        (b"My printer burns.\n", b""),
        (b"Hello,\r\nmy printer burns.\r\n\r\nNora\r\n", b"Hello,\r\nmy mouse squeaks.\r\n\r\nNora\r\n"),
        (b"X-Only: one\r\n", b"words without any head\r\n"),
    ],
)
def test_two_texts_without_any_header_are_two_mails(one: bytes, two: bytes) -> None:
    assert digest(one, KEY) != digest(two, KEY)


def test_the_key_matters() -> None:
    assert digest(mail(), b"one") != digest(mail(), b"two")


def test_folding_spaces_and_order_of_fields_make_no_difference() -> None:
    one = b"From: a@b.example\r\nSubject: one  two\r\n\r\nbody  \r\n\r\n"
    two = b"\r\nsubject:  one\r\n\ttwo\r\nfrom: a@b.example\r\n\r\nbody\r\n"
    assert digest(one, KEY) == digest(two, KEY)


@given(st.binary(max_size=300))
def test_any_bytes_have_a_digest(raw: bytes) -> None:
    assert len(digest(raw, KEY)) == 64
    assert digest(raw, KEY) == digest(raw, KEY)


@pytest.mark.timeout(10)  # a guard against a hang, not a measurement: this takes milliseconds or minutes
def test_a_hostile_body_does_not_block_others() -> None:
    assert len(digest(mail(b" " * 80_000 + b"x"), KEY)) == 64
