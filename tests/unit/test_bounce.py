"""Whom a bounce names."""

from __future__ import annotations

from helpdesk_daemon.mail.bounce import failed_recipients
from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.mail.parse import parse
from tests.unit.making import message, multipart


def report(*blocks: str) -> Message:
    text = "\r\n\r\n".join(("Reporting-MTA: dns; mx.example", *blocks)) + "\r\n"
    return parse(multipart([("Content-Type: message/delivery-status", text.encode())], "report"))


def test_failed_recipients_in_order_and_lower_case() -> None:
    found = report(
        "Final-Recipient: rfc822; Ada@X.example\r\nAction: failed\r\nStatus: 5.1.1",
        "Original-Recipient: rfc822;bob@x.example\r\nAction: FAILED",
        "Final-Recipient: rfc822; ada@x.example\r\nAction: failed",
    )
    assert failed_recipients(found) == ("ada@x.example", "bob@x.example")


def test_delays_and_deliveries_are_no_failures() -> None:
    found = report(
        "Final-Recipient: rfc822; a@x.example\r\nAction: delayed",
        "Final-Recipient: rfc822; b@x.example\r\nAction: delivered",
        "Final-Recipient: rfc822; c@x.example\r\nAction: relayed",
    )
    assert failed_recipients(found) == ()


def test_the_final_recipient_goes_before_the_original_one() -> None:
    block = "Original-Recipient: rfc822; alias@x.example\r\nFinal-Recipient: rfc822; real@x.example\r\nAction: failed"
    assert failed_recipients(report(block)) == ("real@x.example",)


def test_the_header_of_some_servers() -> None:
    found = message(extra="X-Failed-Recipients: a@x.example, B@x.example")
    assert failed_recipients(found) == ("a@x.example", "b@x.example")


def test_any_other_mail_names_nobody() -> None:
    assert failed_recipients(message("Final-Recipient: rfc822; a@x.example\nAction: failed")) == ()
