"""Screening: every row of the table, and the order of the rows."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest

from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.mail.screening.table import TABLE, Kind, Policy, Screening, screen
from helpdesk_daemon.tickets.tracking import Party
from tests.unit.making import CUSTOMER, SIGNER, SUPPORT, TICKET_ID, message, multipart

OURS = "mx.helpdesk.example"
POLICY = Policy(
    own_addresses=frozenset({SUPPORT, "help@helpdesk.example"}),
    is_own_id=lambda identifier: SIGNER.read_message_id(identifier) is not None,
    loop_value="loopmark",
    authserv_id=OURS,
    suppressed=frozenset({"gone@customer.example"}),
    spam_score=5.0,
)
FORGED = f"Authentication-Results: {OURS}; dmarc=fail"
OWN_ID = SIGNER.message_id(TICKET_ID, Party.CUSTOMER, "helpdesk.example")
STATUS = "Content-Type: message/delivery-status"
DSN = parse(multipart([(STATUS, b"Final-Recipient: rfc822; a@x.example\r\nAction: failed\r\n")], "report"))
MDN = parse(multipart([("Content-Type: message/disposition-notification", b"Disposition: automatic\r\n")], "report"))

ARF = parse(multipart([("Content-Type: message/feedback-report", b"Feedback-Type: abuse\r\n")], "report"))
WARNING = "Delivery to the following recipient has been delayed:\n\n  ada@x.example\n"


class Seen(NamedTuple):
    name: str
    message: Message


ROWS = [
    Seen("own mail", message(message_id=OWN_ID)),
    Seen("own mail", message(extra="X-Helpdesk-Loop: loopmark")),
    Seen("own form", message(sender=f"Form <{SUPPORT}>", extra="Reply-To: Visitor <visitor@x.example>")),
    Seen("own address", message(sender=f"Support <{SUPPORT}>")),
    Seen("own address", message(sender="HELP@helpdesk.example", extra=f"Reply-To: {SUPPORT}")),
    Seen("bounce", DSN),
    Seen("bounce", message(extra="X-Failed-Recipients: a@x.example")),
    Seen("bounce", message(sender="MAILER-DAEMON@mx.example", subject="Undelivered Mail Returned to Sender")),
    Seen("bounce", message(subject="Delivery Status Notification (Failure)", extra="Return-Path: <>")),
    Seen("bounce", message(WARNING, sender="MAILER-DAEMON@mx.example", subject="Delivery Status Notification (Delay)")),
    Seen("complaint", ARF),
    Seen("automatic reply", message(extra="Auto-Submitted: auto-replied")),
    Seen("automatic reply", message(extra="Auto-Submitted: Auto-Replied; owner-email=a@x.example")),
    Seen("automatic reply", message(extra="X-Autoreply: yes")),
    Seen("automatic reply", message(extra="X-Autorespond: away")),
    Seen("automatic reply", message(extra="Precedence: auto_reply")),
    Seen("automatic reply", message(extra="Delivered-To: autoresponder")),
    Seen("automatic reply", message(subject="Out of Office: back on Monday")),
    Seen("automatic reply", message(subject="Automatic reply: Black screen")),
    Seen("automatic reply", message(subject="Automatische Antwort: Urlaub")),
    Seen("automatic reply", message(subject="Réponse automatique : absence")),
    Seen("automatic reply", message(subject="=?utf-8?b?6Ieq5Yqo5Zue5aSN?=: x")),
    Seen("automatic reply", MDN),
    Seen("automatic mail", message(extra="Auto-Submitted: auto-generated")),
    Seen("automatic mail", message(extra="X-Auto-Response-Suppress: All")),
    Seen("automatic mail", message(extra="X-Auto-Response-Suppress: DR, AutoReply")),
    Seen("list", message(extra="List-Id: News <news.x.example>")),
    Seen("list", message(extra="List-Unsubscribe: <https://x.example/off>")),
    Seen("list", message(extra="Precedence: bulk")),
    Seen("null return path", message(extra="Return-Path: <>")),
    Seen("no-reply sender", message(sender="no-reply@x.example")),
    Seen("no-reply sender", message(sender="DoNotReply@x.example")),
    Seen("no-reply sender", message(sender="orders-noreply@x.example")),
    Seen("no-reply sender", message(extra="Reply-To: noreply@x.example")),
    Seen("no-reply sender", message(sender="nicht-antworten@x.example")),
    Seen("no-reply sender", message(sender="ne-pas-repondre@x.example")),
    Seen("no-reply sender", message(sender="no_responder@x.example")),
    Seen("no-reply sender", message(sender="naoresponda@x.example")),
    Seen("no-reply sender", message(sender="non.rispondere@x.example")),
    Seen("no-reply sender", message(sender="niet-beantwoorden@x.example")),
    Seen("no-reply sender", message(sender="nie-odpowiadaj@x.example")),
    Seen("no-reply sender", message(sender="svara-inte@x.example")),
    Seen("no-reply sender", message(sender="noreply2@x.example")),
    Seen("suppressed", message(sender="gone@customer.example")),
    Seen("DMARC failure", message(extra=FORGED)),
    Seen("spam", message(extra="X-Spam-Score: 9.1")),
    Seen("no address", message(sender="")),
    Seen("several Reply-To", message(extra="Reply-To: a@x.example, b@x.example")),
    Seen("person", message()),
    Seen("person", message(extra="Reply-To: other@x.example")),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_row_hits_and_gives_its_answers(row: Seen) -> None:
    found = screen(row.message, POLICY)
    said = next(r for r in TABLE if r.name == row.name)
    assert found.row == row.name
    assert found.reason
    assert (found.kind, found.acknowledge, found.reopen) == (said.kind, said.acknowledge, said.reopen)
    assert found.to_triage == said.to_triage
    if isinstance(said.ticket, bool):
        assert found.ticket == said.ticket


def test_every_row_is_hit() -> None:
    assert {row.name for row in ROWS} == {row.name for row in TABLE}


def answers(found: Screening) -> tuple[bool, bool, bool]:
    return found.ticket, found.acknowledge, found.reopen


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("own mail", (False, False, False)),
        ("own form", (True, True, True)),
        ("own address", (False, False, False)),
        ("bounce", (False, False, False)),
        ("automatic reply", (False, False, False)),
        ("list", (True, False, True)),
        ("no-reply sender", (True, False, True)),
        ("suppressed", (True, False, True)),
        ("complaint", (True, False, False)),
        ("DMARC failure", (True, False, False)),
        ("spam", (True, False, False)),
        ("person", (True, True, True)),
    ],
)
def test_may_it_become_a_ticket_be_acknowledged_and_reopen(name: str, expected: tuple[bool, bool, bool]) -> None:
    found = [screen(row.message, POLICY) for row in ROWS if row.name == name]
    assert found
    assert {answers(f) for f in found} == {expected}


@pytest.mark.parametrize(
    ("mail", "row"),
    [
        (message(sender=SUPPORT, message_id=OWN_ID, extra="Reply-To: visitor@x.example"), "own mail"),
        (message(sender=SUPPORT, extra="Reply-To: visitor@x.example\nAuto-Submitted: auto-generated"), "own form"),
        (message(sender=SUPPORT, extra="X-Failed-Recipients: a@x.example"), "own address"),
        (message(sender="mailer-daemon@x.example", subject="Undeliverable", extra="X-Autoreply: yes"), "bounce"),
        (message(extra="Auto-Submitted: auto-replied\nList-Id: <a.b>"), "automatic reply"),
        (message(subject="Out of office", extra="Auto-Submitted: auto-generated"), "automatic reply"),
        (message(extra="X-Auto-Response-Suppress: All\nPrecedence: bulk"), "automatic mail"),
        (message(sender="noreply@x.example", extra="List-Id: <a.b>"), "list"),
        (message(sender="noreply@x.example", extra="Return-Path: <>"), "null return path"),
        (message(sender="gone@customer.example", extra=FORGED), "suppressed"),
        (message(extra=f"{FORGED}\nReply-To: a@x.example, b@x.example"), "DMARC failure"),
        (message(extra=f"{FORGED}\nX-Spam-Score: 9"), "DMARC failure"),
        (message(extra="X-Autoreply: yes\nX-Spam-Score: 9"), "automatic reply"),
    ],
)  # fmt: skip
def test_the_first_row_that_matches_wins(mail: Message, row: str) -> None:
    assert screen(mail, POLICY).row == row


@pytest.mark.parametrize(
    "mail",
    [
        message(extra="Auto-Submitted: no"),
        message(extra="Auto-Submitted: NO; a=b"),
        message(extra="X-Auto-Response-Suppress: DR, RN, NRN"),
        message(extra="X-Autoreply: no"),
        message(extra="Precedence: first-class"),
        message(extra="Return-Path: <ada@customer.example>"),
        message(subject="I get an automatic reply whenever I write to sales"),
        message(subject="Undeliverable parcel"),
        message(sender="replying@x.example"),
        message(sender="reply@x.example"),
        message(extra="X-Helpdesk-Loop: forged"),
        message(extra="X-Helpdesk-Category: Billing\nX-Helpdesk-Ticket: HD-00000000"),
        message(extra="Authentication-Results: mx.evil.example; dmarc=fail"),
        message(to="a@x.example", extra="Cc: support@helpdesk.example, help@helpdesk.example"),
    ],
)
def test_a_person_is_taken_for_a_person(mail: Message) -> None:
    assert screen(mail, POLICY).row == "person"


def test_a_null_return_path_alone_is_no_bounce() -> None:
    assert screen(message(extra="Return-Path: <>"), POLICY).kind == Kind.PERSON


def test_automatic_mail_opens_tickets_as_configured() -> None:
    away, alarm = message(extra="Auto-Submitted: auto-replied"), message(extra="Auto-Submitted: auto-generated")
    as_shipped = POLICY
    other = replace(POLICY, auto_replies="ticket", auto_generated="ignore")
    assert (screen(away, as_shipped).ticket, screen(alarm, as_shipped).ticket) == (False, True)
    assert (screen(away, other).ticket, screen(alarm, other).ticket) == (True, False)


def test_a_form_is_for_its_visitor() -> None:
    found = screen(message(sender=f"Form <{SUPPORT}>", extra="Reply-To: Vera <vera@x.example>"), POLICY)
    assert str(found.requester) == "Vera <vera@x.example>"


@pytest.mark.parametrize(
    ("reply_to", "requester"),
    [
        ("", CUSTOMER),
        ("other@x.example", "other@x.example"),
        (f"other@x.example, {SUPPORT}", "other@x.example"),
        (SUPPORT, CUSTOMER),
        ("a@x.example, b@x.example", CUSTOMER),
    ],
)
def test_the_requester_is_a_single_foreign_reply_to_else_the_sender(reply_to: str, requester: str) -> None:
    found = screen(message(extra=f"Reply-To: {reply_to}\nCc: bob@x.example" if reply_to else ""), POLICY)
    assert found.requester.email == requester


def test_a_single_foreign_reply_to_is_acknowledged_though_ours_stands_beside_it() -> None:
    found = screen(message(extra=f"Reply-To: other@x.example, {SUPPORT}"), POLICY)
    assert found.requester.email == "other@x.example"
    assert found.acknowledge


def test_headers_of_our_own_list_are_ignored() -> None:
    policy = replace(POLICY, own_lists=frozenset({"support.groups.helpdesk.example"}))
    own = "List-Id: Support <support.groups.helpdesk.example>"
    assert screen(message(extra=own), policy).row == "person"
    assert screen(message(extra=own), POLICY).row == "list"
    assert screen(message(extra="List-Id: <news.x.example>"), policy).row == "list"


def test_whatever_our_own_list_stamps_is_ignored() -> None:
    policy = replace(POLICY, own_lists=frozenset({"support.groups.helpdesk.example"}))
    stamped = (
        "List-Id: Support <support.groups.helpdesk.example>\nPrecedence: list\n"
        "List-Post: <mailto:support@groups.helpdesk.example>\n"
        "List-Unsubscribe: <https://groups.helpdesk.example/support/off>"
    )
    assert screen(message(extra=stamped), policy).acknowledge


def test_suppression_looks_at_whom_the_answer_would_go_to() -> None:
    assert screen(message(extra="Reply-To: gone@customer.example"), POLICY).row == "suppressed"


def test_forgeries_spam_and_complaints_open_tickets_as_configured() -> None:
    forged, spam = message(extra=FORGED), message(extra="X-Spam-Score: 9")
    other = replace(POLICY, forged="ignore", spam="ignore", complaints="ignore")
    assert [screen(m, POLICY).ticket for m in (forged, spam, ARF)] == [True, True, True]
    assert [screen(m, other).ticket for m in (forged, spam, ARF)] == [False, False, False]


def test_without_a_threshold_no_spam_header_is_believed() -> None:
    assert screen(message(extra="X-Spam-Flag: YES"), replace(POLICY, spam_score=None)).row == "person"


@pytest.mark.parametrize(
    "extra",
    [
        "Auto-Submitted: auto-replied",
        "X-Auto-Response-Suppress: All",
        "List-Id: <news.x.example>",
        "Return-Path: <>",
        "Precedence: bulk",
    ],
)
@pytest.mark.parametrize("people", [CUSTOMER, "@customer.example"])
def test_the_operator_may_say_who_is_a_person(extra: str, people: str) -> None:
    policy = replace(POLICY, people=frozenset({people}))
    assert screen(message(extra=extra), policy).acknowledge
    assert not screen(message(extra=extra, sender="eve@other.example"), policy).acknowledge


@pytest.mark.parametrize(
    ("mail", "row"),
    [
        (message(message_id=OWN_ID), "own mail"),
        (message(extra="X-Failed-Recipients: a@x.example"), "bounce"),
        (message(extra=FORGED), "DMARC failure"),
        (message(extra="X-Spam-Score: 9"), "spam"),
    ],
)
def test_a_person_by_order_is_still_no_bounce_forgery_or_mail_of_ours(mail: Message, row: str) -> None:
    assert screen(mail, replace(POLICY, people=frozenset({CUSTOMER}))).row == row
