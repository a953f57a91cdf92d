"""What a bounce reports: whom, for good or for now, and why."""

from __future__ import annotations

import pytest

from helpdesk_daemon.mail.bounce.verdict import failed_recipients, read_bounce
from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.mail.parse import parse
from tests.unit.making import message, multipart

DAEMON = "Mail Delivery System <MAILER-DAEMON@mx.example>"


def report(*blocks: str) -> Message:
    text = "\r\n\r\n".join(("Reporting-MTA: dns; mx.example", *blocks)) + "\r\n"
    return parse(multipart([("Content-Type: message/delivery-status", text.encode())], "report"))


def bounced(body: str, subject: str = "Undelivered Mail Returned to Sender", sender: str = DAEMON) -> Message:
    return message(body, sender=sender, subject=subject)


# --- the machine's part (RFC 3464) ---------------------------------------------------------------


def test_failed_recipients_in_order_and_lower_case() -> None:
    found = report(
        "Final-Recipient: rfc822; Ada@X.example\r\nAction: failed\r\nStatus: 5.1.1",
        "Original-Recipient: rfc822;bob@x.example\r\nAction: FAILED",
        "Final-Recipient: rfc822; ada@x.example\r\nAction: failed",
    )
    assert failed_recipients(found) == ("ada@x.example", "bob@x.example")


def test_delays_and_deliveries_are_no_failures() -> None:
    found = read_bounce(
        report(
            "Final-Recipient: rfc822; a@x.example\r\nAction: delayed",
            "Final-Recipient: rfc822; b@x.example\r\nAction: delivered",
            "Final-Recipient: rfc822; c@x.example\r\nAction: relayed (to mx.example)",
        )
    )
    assert found
    assert (found.failed, found.delayed, found.delivered) == ((), ("a@x.example",), ("b@x.example", "c@x.example"))
    assert found.still_tried


def test_the_original_recipient_goes_first_as_it_is_the_address_we_wrote_to() -> None:
    block = "Final-Recipient: rfc822; mailbox7@inside.example\r\nOriginal-Recipient: rfc822; ada@x.example\r\nAction: failed"
    assert failed_recipients(report(block)) == ("ada@x.example",)


def test_an_original_recipient_of_another_kind_is_passed_by() -> None:
    block = "Original-Recipient: x400; /G=Ada@X/\r\nFinal-Recipient: rfc822; ada@x.example\r\nAction: failed"
    assert failed_recipients(report(block)) == ("ada@x.example",)


def test_folded_diagnostics_and_comments() -> None:
    found = read_bounce(
        report(
            "Final-Recipient: rfc822; a@x.example\r\nAction: failed (given up)\r\nStatus: 5.1.1 (bad address)\r\n"
            "Diagnostic-Code: smtp; 550 5.1.1\r\n <a@x.example>: user unknown"
        )
    )
    assert found
    (failed,) = found.failed
    assert (failed.status, failed.hard) == ("5.1.1", True)
    assert failed.diagnostic == "smtp; 550 5.1.1 <a@x.example>: user unknown"


def test_internationalised_reports() -> None:
    part = (
        "Content-Type: message/global-delivery-status",
        "Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: utf-8; zoë@x.example\r\nAction: failed".encode(),
    )
    assert failed_recipients(parse(multipart([part], "report"))) == ("zoë@x.example",)


def test_two_recipients_without_an_empty_line_between_them() -> None:
    block = (
        "Final-Recipient: rfc822; a@x.example\r\nOriginal-Recipient: rfc822; a@x.example\r\nAction: failed\r\nStatus: 5.2.2\r\n"
        "Final-Recipient: rfc822; b@x.example\r\nOriginal-Recipient: rfc822; b@x.example\r\nAction: failed\r\nStatus: 5.1.1"
    )
    found = read_bounce(report(block))
    assert found
    assert [(f.address, f.hard) for f in found.failed] == [("a@x.example", False), ("b@x.example", True)]


def wrapped(sender: str) -> Message:
    inner = multipart(
        [("Content-Type: message/delivery-status", b"Final-Recipient: rfc822; a@x.example\r\nAction: failed\r\n")],
        "report; report-type=delivery-status",
    ).replace(b"cut", b"inner")
    outer = multipart(
        [("Content-Type: message/rfc822", inner), ("Content-Type: text/plain", b"This mail is confidential.")]
    )
    mail = outer.replace(b"Ada Byron <ada@customer.example>", sender.encode(), 1)
    return parse(mail.replace(b"Black screen", b"Delivery Status Notification (Failure)", 1))


def test_a_report_that_a_gateway_wrapped_is_read_and_one_that_a_person_attached_is_not() -> None:
    assert failed_recipients(wrapped("postmaster@x.example")) == ("a@x.example",)
    assert read_bounce(wrapped("ada@customer.example")) is None


def test_a_report_part_in_a_persons_mail_is_what_they_ask_about() -> None:
    part = ("Content-Type: message/delivery-status", b"Final-Recipient: rfc822; a@x.example\r\nAction: failed\r\n")
    question = ("Content-Type: text/plain", b"What does this mean?")
    assert read_bounce(parse(multipart([question, part]))) is None


@pytest.mark.parametrize(
    ("status", "diagnostic", "hard"),
    [
        ("5.1.1", "550 5.1.1 user unknown", True),
        ("5.0.0", "", True),
        ("5.1.2", "host not found", True),
        ("5.0.0", "550 no such user here", True),
        ("5.2.2", "552 mailbox full", False),
        ("5.0.0", "user is over quota", False),
        ("5.7.1", "message refused by policy", False),
        ("5.3.4", "message too large", False),
        ("4.4.1", "connection timed out", False),
        ("4.2.0", "user unknown, try again later", False),
        ("5.7.1", "", False),
        ("", "", False),
    ],
)
def test_only_a_dead_address_is_hard(status: str, diagnostic: str, hard: bool) -> None:
    block = f"Final-Recipient: rfc822; a@x.example\r\nAction: failed\r\nStatus: {status}\r\nDiagnostic-Code: smtp; {diagnostic}"
    found = read_bounce(report(block))
    assert found
    assert found.hard is hard


# --- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "Hi. This is the qmail-send program at mx.example.\nI wasn't able to deliver your message.\n\n<ada@x.example>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n--- Below this line is a copy of the message.\n\nTo: other@y.example\n",
        "This is the mail system at host mx.example.\n\nYour message could not be delivered. Please contact <help@mx.example>\n\n<ada@x.example>: host mx2.example said: 550 5.1.1 User unknown\n",
        "A message that you sent could not be delivered to its recipients.\nThe following address(es) failed:\n\n  ada@x.example\n    Unrouteable address\n\n------ This is a copy of the message ------\nTo: other@y.example\n",
        "Your message\n  Subject: Black screen\ndid not reach the following recipient(s):\n\nada@x.example on Mon, 4 May 2026 09:30\n    The recipient name is not recognized\n",
        "There was an error delivering your mail to <ada@x.example>.\n\nmx.example did not like our RCPT TO:\n550 5.1.1 <ada@x.example>: user unknown\n\nOriginal message follows.\n\nTo: other@y.example\n",
        "   ----- The following addresses had permanent fatal errors -----\n<ada@x.example>\n    (reason: 550 5.1.1 User unknown)\n\n   ----- Transcript of session follows -----\n550 5.1.1 <ada@x.example>... User unknown\n",
        "Ihre Nachricht an den folgenden Empfänger wurde nicht zugestellt:\n\n  ada@x.example\n\nGrund: Postfach unbekannt\n",
        "Votre message n'a pas pu être remis à ada@x.example.\n",
        "No se pudo entregar el mensaje al destinatario ada@x.example.\n",
        "次のアドレスに配信できませんでした。\n\n<ada@x.example>: 550 User unknown\n",
        "Unable to deliver message.\n\n>>> RCPT TO:<ada@x.example>\n<<< 550 5.1.1 unknown\n",
        "Failed Recipient: ada@x.example\nReason: Remote host said: 550 unknown user\n",
        "Could not deliver your mail, see the attached copy.\n\n--- Original message ---\nReceived: from a.example by b.example\nTo: Ada <ada@x.example>\nSubject: Black screen\n",
    ],
)  # fmt: skip
def test_whom_the_words_of_a_server_name(body: str) -> None:
    assert failed_recipients(bounced(body)) == ("ada@x.example",)


def test_several_recipients_each_with_its_own_reason() -> None:
    body = (
        "Hi. This is the qmail-send program at mx.example.\n\n<ada@x.example>:\nno such user (#5.1.1)\n\n"
        "<bob@x.example>:\n552 5.2.2 mailbox full\n\n--- Below this line is a copy of the message.\n"
    )
    found = read_bounce(bounced(body, "failure notice"))
    assert found
    assert {f.address: f.hard for f in found.failed} == {"ada@x.example": True, "bob@x.example": False}


def test_the_header_of_some_servers() -> None:
    found = message(extra="X-Failed-Recipients: a@x.example, B@x.example")
    assert failed_recipients(found) == ("a@x.example", "b@x.example")


def test_the_returned_mail_tells_whom_when_the_notice_names_nobody() -> None:
    notice = ("Content-Type: text/plain", b"Your message could not be delivered.")
    returned = ("Content-Type: text/rfc822-headers", b"From: support@helpdesk.example\r\nTo: Ada <ada@x.example>\r\n")
    mail = multipart([notice, returned]).replace(b"Ada Byron <ada@customer.example>", DAEMON.encode())
    assert failed_recipients(parse(mail)) == ("ada@x.example",)
    several = mail.replace(b"<ada@x.example>", b"<ada@x.example>, bob@x.example")
    assert failed_recipients(parse(several)) == ()


@pytest.mark.parametrize(
    ("body", "subject"),
    [
        ("Delivery to the following recipient has been delayed:\n\n  ada@x.example\n\nIt will be retried.", "Delivery Status Notification (Delay)"),
        ("Your message has not yet been delivered to ada@x.example.\nNo action is required on your part.", "Mail delivery delayed"),
        ("Die Zustellung an ada@x.example ist verzögert, es wird weiter versucht.", "Zustellung verzögert"),
    ],
)  # fmt: skip
def test_a_delay_is_no_failure(body: str, subject: str) -> None:
    found = read_bounce(bounced(body, subject))
    assert found
    assert (found.failed, found.delayed, found.still_tried) == ((), ("ada@x.example",), True)


def test_a_notification_of_a_mail_service() -> None:
    text = (
        '{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bouncedRecipients":'
        '[{"emailAddress":"Ada@x.example","status":"5.1.1","diagnosticCode":"smtp; 550 user unknown"}]}}'
    )
    found = read_bounce(message(text, sender="no-reply@sns.example", subject="AWS Notification Message"))
    assert found
    assert [(f.address, f.hard) for f in found.failed] == [("ada@x.example", True)]
    envelope = '{"Type": "Notification",\n "Message": "' + text.replace('"', '\\"') + '"}'
    assert failed_recipients(message(envelope)) == ("ada@x.example",)
    assert read_bounce(message('{"notificationType":"Bounce","bounce":7}')) is None
    assert read_bounce(message('{"notificationType":')) is None


# --- mail that is none ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mail",
    [
        message("Final-Recipient: rfc822; a@x.example\nAction: failed"),
        message("Hello,\n\nI got this: your message could not be delivered. Why?", subject="Undeliverable mail"),
        message("Dear team,\nmy parcel was returned to sender.", subject="Returned to sender"),
        message("My mail to bob@x.example could not be delivered. Please help.", subject="Delivery failed"),
        message("Mail is not delivered since Monday.", subject="Mail delivery problem", sender="admin@x.example"),
        message(
            "It says: undeliverable.\n\nFrom: a@x.example\nTo: b@x.example\n", subject="FW: Undeliverable: Black screen"
        ),
        message("My order could not be delivered to my house. What now?", subject="Delivery failed"),
        message("See below.\n\nThis is the mail system at host mx.example.\n<a@x.example>: unknown", subject="Fwd: x"),
        message("We are closed until Monday.", subject="Black screen", extra="Return-Path: <>"),
        message("Our postmaster here. Please list our domain.", sender="postmaster@x.example", subject="New domain"),
        message("The mailer-daemon writes to me all day.", subject="Question about the mailer daemon"),
    ],
)
def test_a_persons_mail_is_no_bounce(mail: Message) -> None:
    assert read_bounce(mail) is None
    assert failed_recipients(mail) == ()


@pytest.mark.parametrize(
    "line",
    ["a" * 100_000, "<" * 100_000, "a@" * 50_000, "@" * 100_000, "message " * 12_000, "delivery to " * 8_000 + "\n",
     ("x" * 190 + "@\n") * 500, "unable to deliver message to\n" + ("y" * 190 + "\n") * 500, "user " * 20_000,
     "{" * 50_000, '{"notificationType":' + "[" * 50_000],
)  # fmt: skip
def test_hostile_text_is_read_in_the_end(line: str) -> None:
    found = read_bounce(bounced(line))
    assert found is None or len(found.failed) < 1_000
