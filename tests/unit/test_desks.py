"""At which desk a mail is decided, whichever of its copies comes first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.outgoing.compose import Identity
from helpdesk_daemon.ports import Arrival, Known
from helpdesk_daemon.stages.case import Case, Desk
from helpdesk_daemon.stages.desks import Desks, at_desk
from helpdesk_daemon.tickets.tracking import Party
from tests.unit.making import NOW, SIGNER, TICKET_ID, mail, ticket
from tests.unit.test_plan import make_desk

NORTH, SOUTH = "care@north.example", "care@south.example"
OTHER = "friend@elsewhere.example"


def desk(name: str, address: str) -> Desk:
    made = make_desk()
    policy = replace(
        made.policy, own_addresses=frozenset({NORTH, SOUTH}), authserv_id=f"mx.{name}.example",
        people=frozenset({f"boss@{name}.example"}),
    )  # fmt: skip
    identity = Identity(name, address, True, name)
    return replace(made, policy=policy, composer=replace(made.composer, identity=identity))


DESKS = Desks(
    {"north": desk("north", NORTH), "south": desk("south", SOUTH)}, {NORTH: ("north",), SOUTH: ("south",)}
)  # fmt: skip


def considered(raw: bytes, came_by: str, known: Known | None = None, desks: Desks = DESKS) -> Case:
    return at_desk(Arrival(1, came_by, raw, "digest", NOW, 1), parse(raw), known or Known(), desks, NOW)


@pytest.mark.parametrize("came_by", ["north", "south"])
@pytest.mark.parametrize(
    ("to", "cc", "expected"),
    [
        (f"{NORTH}, {SOUTH}", "", "north"),
        (f"{SOUTH}, {NORTH}", "", "south"),
        (f"{OTHER}, {SOUTH}", NORTH, "south"),
        (OTHER, f"{SOUTH}, {NORTH}", "south"),
        ("care+anything@south.example", NORTH, "south"),
    ],
)
def test_the_first_of_our_addresses_decides_for_every_copy(came_by: str, to: str, cc: str, expected: str) -> None:
    case = considered(mail(to=to, extra=f"Cc: {cc}" if cc else ""), came_by)
    assert case.desk.mailbox == expected
    assert "addressed to" in case.because


@pytest.mark.parametrize("came_by", ["north", "south"])
def test_a_blind_copy_is_decided_where_it_came(came_by: str) -> None:
    case = considered(mail(to=OTHER, extra=f"Delivered-To: {NORTH}"), came_by)
    assert (case.desk.mailbox, case.because) == (came_by, "it came by it")


@pytest.mark.parametrize("came_by", ["north", "south"])
def test_mailboxes_that_share_an_address_keep_what_came_by_them(came_by: str) -> None:
    shared = replace(DESKS, receivers={NORTH: ("north", "south")})
    assert considered(mail(to=NORTH), came_by, desks=shared).desk.mailbox == came_by


def on_ticket(mailbox: str) -> Known:
    return Known(tickets={TICKET_ID: replace(ticket(), mailbox=mailbox)})


@pytest.mark.parametrize("came_by", ["north", "south"])
def test_a_mail_on_a_ticket_is_decided_at_the_tickets_desk(came_by: str) -> None:
    answer = mail(to=NORTH, extra=f"In-Reply-To: {SIGNER.message_id(TICKET_ID, Party.CUSTOMER, 'south.example')}")
    case = considered(answer, came_by, on_ticket("south"))
    assert case.desk.mailbox == "south"
    assert TICKET_ID in case.because


def test_so_is_a_bounce_of_one_of_its_mails() -> None:
    returned = f"Message-ID: {SIGNER.message_id(TICKET_ID, Party.CUSTOMER, 'south.example')}"
    bounce = mail(f"Undelivered:\r\n{returned}\r\n", to=NORTH, sender="mailer-daemon@mx.example")
    assert considered(bounce, "north", on_ticket("south")).desk.mailbox == "south"


def test_a_ticket_of_a_mailbox_that_is_gone_is_decided_as_if_it_had_none() -> None:
    answer = mail(to=SOUTH, extra=f"In-Reply-To: {SIGNER.message_id(TICKET_ID, Party.CUSTOMER, 'south.example')}")
    assert considered(answer, "north", on_ticket("west")).desk.mailbox == "south"


def test_a_server_is_believed_only_about_mail_that_came_by_it() -> None:
    policy = considered(mail(to=SOUTH), "north").desk.policy
    assert policy.authserv_id == "mx.north.example"
    assert policy.people == {"boss@south.example"}


def test_with_one_mailbox_nothing_is_said() -> None:
    alone = Desks({"north": DESKS.of("north")})
    case = considered(mail(to=SOUTH), "north", desks=alone)
    assert (case.desk.mailbox, case.because) == ("north", "")
    assert "desk" not in case.outcome("ignored", "x").audit[-1].detail


def test_a_mail_is_screened_again_only_where_something_else_is_known() -> None:
    raw, sender = mail(to=NORTH), parse(mail(to=NORTH)).sender.email
    arrival, message = Arrival(1, "north", raw, "digest", NOW, 1), parse(raw)
    early = at_desk(arrival, message, Known(), DESKS, NOW)
    assert early.screening.row == "person"
    assert at_desk(arrival, message, Known(), DESKS, NOW, early).screening is early.screening
    late = at_desk(arrival, message, Known(suppressed={sender}), DESKS, NOW, early)
    assert late.screening.row == "suppressed"
    ours = {
        n: replace(d, policy=replace(d.policy, own_addresses=frozenset({sender}))) for n, d in DESKS.by_mailbox.items()
    }
    assert at_desk(arrival, message, Known(), Desks(ours), NOW, early).screening.row == "own address"
