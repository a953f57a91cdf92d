"""Header fields of outgoing mail: exact names, safe values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_string
from email.header import decode_header, make_header
from email.utils import parseaddr, parsedate_to_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpdesk_daemon.mail.mime.headers import one_line
from helpdesk_daemon.outgoing.headers import date, helpdesk_fields, phrase, reply_subject, written
from helpdesk_daemon.tickets.ticket import Priority
from tests.unit.making import ticket

VALUES = st.text(max_size=400) | st.lists(
    st.sampled_from(["word", "ü", "\r\nEvil: x", "\n", "a" * 90, " "]), max_size=20
).map("".join)


@given(VALUES)
@example("a\r\nBcc: eve@x.example")
@example("x" * 3_000)
@example("ü" * 1_000)
def test_a_written_value_stays_one_field_and_says_the_same(value: str) -> None:
    raw = f"Subject: {written('Subject', value)}\nX-End: 1\n\n"
    found = message_from_string(raw)
    assert found.keys() == ["Subject", "X-End"]
    assert one_line(str(make_header(decode_header(found["Subject"].replace("\n", ""))))) == one_line(value)


@given(VALUES)
@example("x" * 3_000)
@example("a " * 2_000)
@example("[HD-7K3M9QX2] " + "x" * 1_200)
def test_no_line_of_a_value_is_longer_than_servers_take(value: str) -> None:
    lines = f"Subject: {written('Subject', value)}".split("\n")
    assert max(len(line.encode()) for line in lines) <= 998  # RFC 5322 section 2.1.1


@given(st.text(max_size=80))
@example('Ada "the" \\ Byron')
@example("Byron, Ada")
@example("evil@x.example")
@example("a\r\nBcc: b@x.example")
@example("Grüße, Köln")
def test_a_phrase_holds_exactly_one_address(name: str) -> None:
    made = phrase(name, "ada@x.example")
    assert len(made.splitlines()) == 1
    assert made.isascii()
    assert parseaddr(made)[1] == "ada@x.example"


@pytest.mark.parametrize("name", ["Ada Byron", 'Ada "the" Byron', "Byron, Ada (ret.)", "Ängström, Åsa", "日本 太郎"])
def test_a_name_survives(name: str) -> None:
    shown, email = parseaddr(phrase(name, "ada@x.example"))
    assert (str(make_header(decode_header(shown))), email) == (name, "ada@x.example")


def test_a_name_that_looks_like_an_address_misleads_nobody() -> None:
    assert "boss@bank.example" not in phrase("boss@bank.example", "eve@x.example")
    assert phrase("", "ada@x.example") == "ada@x.example"


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2026, 5, 4, 9, 30, tzinfo=UTC), "Mon, 04 May 2026 09:30:00 +0000"),
        (datetime(2026, 5, 4, 9, 30, tzinfo=timezone(timedelta(hours=2))), "Mon, 04 May 2026 09:30:00 +0200"),
    ],
)
def test_dates(at: datetime, expected: str) -> None:
    assert date(at) == expected
    assert parsedate_to_datetime(date(at)) == at


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Black screen", "Re: Black screen [HD-7K3M9QX2]"),
        ("Re: RE: Aw: Black screen", "Re: Black screen [HD-7K3M9QX2]"),
        ("Re: Black screen [HD-7K3M9QX2]", "Re: Black screen [HD-7K3M9QX2]"),
        ("", "Re: [HD-7K3M9QX2]"),
        ("a\r\nBcc: x", "Re: a Bcc: x [HD-7K3M9QX2]"),
        ("Refund", "Re: Refund [HD-7K3M9QX2]"),
    ],
)
def test_reply_subject(subject: str, expected: str) -> None:
    assert reply_subject(subject, "HD-7K3M9QX2") == expected


def test_an_endless_subject_still_ends_with_the_tracking_id() -> None:
    found = reply_subject("x" * 5_000, "HD-7K3M9QX2")
    assert found.endswith("[HD-7K3M9QX2]")
    assert len(found) < 300


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        (Priority.HIGH, ("High", "high", "urgent", "1")),
        (Priority.MEDIUM, ("Medium", "normal", "normal", "3")),
        (Priority.LOW, ("Low", "low", "non-urgent", "5")),
    ],
)
def test_urgency(priority: Priority, expected: tuple[str, ...]) -> None:
    found = dict(helpdesk_fields(ticket(priority=priority), 0.5, "default"))
    names = ("X-Helpdesk-Priority", "Importance", "Priority", "X-Priority")
    assert tuple(found[name] for name in names) == expected


@pytest.mark.parametrize(
    ("confidence", "expected"),
    [(0, "0.00"), (1, "1.00"), (0.875, "0.88"), (1.2, "1.00"), (-0.1, "0.00"), (0.999, "1.00")],
)
def test_confidence(confidence: float, expected: str) -> None:
    assert dict(helpdesk_fields(ticket(), confidence, "default"))["X-Helpdesk-Confidence"] == expected


@pytest.mark.parametrize(("hours", "expected"), [(4.0, "4"), (0.5, "0.5"), (24, "24")])
def test_hours(hours: float, expected: str) -> None:
    assert dict(helpdesk_fields(replace(ticket(), sla_hours=hours), 0.5, "r"))["X-Helpdesk-SLA-Hours"] == expected


def test_the_other_fields() -> None:
    found = dict(helpdesk_fields(ticket(category=""), 0.5, "outage"))
    assert found["X-Helpdesk-Ticket"] == "HD-7K3M9QX2"
    assert found["X-Helpdesk-Category"] == "Unclassified"
    assert found["X-Helpdesk-Department"] == "Technical Support"
    assert found["X-Helpdesk-SLA-Due"] == "Mon, 04 May 2026 13:30:00 +0000"
    assert found["X-Helpdesk-Rule"] == "outage"
