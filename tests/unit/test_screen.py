"""Screening: every row of the table, and the order of the rows."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest

from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.mail.screen import TABLE, Kind, Policy, Screening, screen
from helpdesk_daemon.tickets.tracking import Party
from tests.unit.making import CUSTOMER, SIGNER, SUPPORT, TICKET_ID, message, multipart

OURS = "mx.helpdesk.example"
POLICY = Policy(
    own_addresses=frozenset({SUPPORT, "help@helpdesk.example"}),
    is_own_id=lambda identifier: SIGNER.read_message_id(identifier) is not None,
    loop_value="loopmark",
    authserv_id=OURS,
    suppressed=frozenset({"gone@customer.example"}),
)
FORGED = f"Authentication-Results: {OURS}; dmarc=fail"
OWN_ID = SIGNER.message_id(TICKET_ID, Party.CUSTOMER, "helpdesk.example")
STATUS = "Content-Type: message/delivery-status"
DSN = parse(multipart([(STATUS, b"Final-Recipient: rfc822; a@x.example\r\nAction: failed\r\n")], "report"))
MDN = parse(multipart([("Content-Type: message/disposition-notification", b"Disposition: automatic\r\n")], "report"))


class Row(NamedTuple):
    name: str
    message: Message


ROWS = [
    Row("own mail", message(message_id=OWN_ID)),
    Row("own mail", message(extra="X-Helpdesk-Loop: loopmark")),
    Row("own form", message(sender=f"Form <{SUPPORT}>", extra="Reply-To: Visitor <visitor@x.example>")),
    Row("own address", message(sender=f"Support <{SUPPORT}>")),
    Row("own address", message(sender="HELP@helpdesk.example", extra=f"Reply-To: {SUPPORT}")),
    Row("bounce", DSN),
    Row("bounce", message(extra="X-Failed-Recipients: a@x.example")),
    Row("bounce", message(sender="MAILER-DAEMON@mx.example", subject="Undelivered Mail Returned to Sender")),
    Row("bounce", message(subject="Delivery Status Notification (Failure)", extra="Return-Path: <>")),
    Row("automatic reply", message(extra="Auto-Submitted: auto-replied")),
    Row("automatic reply", message(extra="Auto-Submitted: Auto-Replied; owner-email=a@x.example")),
    Row("automatic reply", message(extra="X-Autoreply: yes")),
    Row("automatic reply", message(extra="X-Autorespond: away")),
    Row("automatic reply", message(extra="Precedence: auto_reply")),
    Row("automatic reply", message(extra="Delivered-To: autoresponder")),
    Row("automatic reply", message(subject="Out of Office: back on Monday")),
    Row("automatic reply", message(subject="Automatic reply: Black screen")),
    Row("automatic reply", message(subject="Automatische Antwort: Urlaub")),
    Row("automatic reply", message(subject="Réponse automatique : absence")),
    Row("automatic reply", message(subject="=?utf-8?b?6Ieq5Yqo5Zue5aSN?=: x")),
    Row("automatic reply", MDN),
    Row("automatic mail", message(extra="Auto-Submitted: auto-generated")),
    Row("automatic mail", message(extra="X-Auto-Response-Suppress: All")),
    Row("automatic mail", message(extra="X-Auto-Response-Suppress: DR, AutoReply")),
    Row("list", message(extra="List-Id: News <news.x.example>")),
    Row("list", message(extra="List-Unsubscribe: <https://x.example/off>")),
    Row("list", message(extra="Precedence: bulk")),
    Row("null return path", message(extra="Return-Path: <>")),
    Row("no-reply sender", message(sender="no-reply@x.example")),
    Row("no-reply sender", message(sender="DoNotReply@x.example")),
    Row("no-reply sender", message(sender="orders-noreply@x.example")),
    Row("no-reply sender", message(extra="Reply-To: noreply@x.example")),
    Row("suppressed", message(sender="gone@customer.example")),
    Row("DMARC failure", message(extra=FORGED)),
    Row("no address", message(sender="")),
    Row("several Reply-To", message(extra="Reply-To: a@x.example, b@x.example")),
    Row("person", message()),
    Row("person", message(extra="Reply-To: other@x.example")),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_row_hits_and_gives_its_answers(row: Row) -> None:
    found = screen(row.message, POLICY)
    _, _, kind, opens, acknowledge, reopen, to_triage = next(r for r in TABLE if r[0] == row.name)
    assert found.row == row.name
    assert found.reason
    assert (found.kind, found.acknowledge, found.reopen, found.to_triage) == (kind, acknowledge, reopen, to_triage)
    if isinstance(opens, bool):
        assert found.ticket == opens


def test_every_row_is_hit() -> None:
    assert {row.name for row in ROWS} == {row[0] for row in TABLE}


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
        ("DMARC failure", (True, False, False)),
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
