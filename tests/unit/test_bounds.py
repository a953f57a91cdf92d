"""Whatever one mail causes is bounded; what goes over is held, not lost, and people are told once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from helpdesk_daemon.outgoing.limits import Limits, Rate
from helpdesk_daemon.outgoing.message import Kind, Outgoing
from helpdesk_daemon.ports import Outcome
from helpdesk_daemon.stages.opening import MOST_TAKE_PART
from tests.unit.making import NOW, TECHNICAL, TICKET_ID, TRIAGE, mail, plain, read, ticket
from tests.unit.test_plan import AGENT_TOKEN, AMPLE, CUSTOMER_TOKEN, OPERATOR, Office, events, kinds, make_desk

TIGHT = Limits(AMPLE, AMPLE, AMPLE, conversation=Rate(3, 0), sender=Rate(3, 0))


def office(limits: Limits = TIGHT) -> Office:
    return Office(replace(make_desk(), limits=limits))


def leaving(outcomes: list[Outcome]) -> list[Outgoing]:
    return [out for o in outcomes for out in o.outgoing if not out.held]


def held(outcomes: list[Outcome]) -> list[Outgoing]:
    return [out for o in outcomes for out in o.outgoing if out.held]


def test_a_responder_on_a_ticket_is_forwarded_a_few_times_then_held_and_told_once() -> None:
    desk = office().holding(ticket())
    outcomes = [desk.receive(mail(f"text {n}\n", to=CUSTOMER_TOKEN, message_id=f"<{n}@x>")) for n in range(50)]
    assert [out.kind for out in leaving(outcomes)] == [Kind.FORWARD] * 3 + [Kind.NOTICE]
    assert len(held(outcomes)) == 47
    notice = leaving(outcomes)[-1]
    assert notice.recipient == TECHNICAL.address
    assert TICKET_ID in str(read(notice.mime)["Subject"])
    assert "more than 3 mails at once on ticket" in plain(notice.mime)
    assert all(o.message and o.state == "reply" for o in outcomes), "every mail is kept on its ticket"
    assert [events(o).count("outgoing.held") for o in outcomes] == [0] * 3 + [1] * 47


def test_an_answer_over_the_limit_is_held_and_the_department_hears_of_it() -> None:
    desk = office().holding(ticket())
    outcomes = [
        desk.receive(mail(f"Answer {n}.\n", sender=TECHNICAL.address, to=AGENT_TOKEN, message_id=f"<{n}@x>"))
        for n in range(5)
    ]
    assert [out.kind for out in leaving(outcomes)] == [Kind.RELAY] * 3 + [Kind.NOTICE]
    assert leaving(outcomes)[-1].recipient == OPERATOR, "the department's own mailbox writes: somebody else is told"
    assert [out.kind for out in held(outcomes)] == [Kind.RELAY] * 2


def test_people_are_told_again_a_day_later() -> None:
    desk = office().holding(ticket())
    told = []
    for n in range(10):
        outcome = desk.receive(
            mail(f"t{n}\n", to=CUSTOMER_TOKEN, message_id=f"<{n}@x>"), now=NOW + n * timedelta(hours=6)
        )
        told += [n] * kinds(outcome).count(Kind.NOTICE)
    assert told == [3, 7]


def test_new_tickets_of_one_requester_are_all_opened_and_forwarded_up_to_a_limit() -> None:
    desk = office()
    outcomes = [desk.receive(mail(f"t{n}\n", subject=f"s{n}", message_id=f"<{n}@x>")) for n in range(10)]
    assert [o.state for o in outcomes] == ["ticket"] * 10
    forwards = [out for out in leaving(outcomes) if out.kind == Kind.FORWARD]
    assert (len(forwards), len(held(outcomes))) == (3, 7)
    assert [out.recipient for out in leaving(outcomes) if out.kind == Kind.NOTICE] == [TECHNICAL.address]


def test_details_of_an_address_count_as_one_requester() -> None:
    desk = office()
    outcomes = [
        desk.receive(mail(f"t{n}\n", sender=f"ada+{n}@customer.example", message_id=f"<{n}@x>")) for n in range(10)
    ]
    assert len(held(outcomes)) == 7


def test_a_departments_own_mailbox_is_not_acknowledged_and_soon_held() -> None:
    desk = Office(make_desk(address=Rate(2, 0)))
    outcomes = [
        desk.receive(mail(f"We got it, {n}.\n", sender=TECHNICAL.address, subject=f"Case {n}", message_id=f"<{n}@x>"))
        for n in range(10)
    ]
    assert [out.kind for out in leaving(outcomes)] == [Kind.FORWARD] * 2 + [Kind.NOTICE]
    assert leaving(outcomes)[-1].recipient == OPERATOR
    assert outcomes[0].opened
    assert "our own people" in outcomes[0].opened.not_acknowledged


def test_over_the_limit_of_all_mail_the_breaker_opens_once_and_nothing_is_dropped() -> None:
    desk = office(Limits(AMPLE, AMPLE, AMPLE, mail=Rate(10, 0)))
    outcomes = [desk.receive(mail(f"t{n}\n", sender=f"a{n}@x.example", message_id=f"<{n}@x>")) for n in range(20)]
    assert [bool(o.breaker) for o in outcomes].index(True) == 5
    assert [bool(o.breaker) for o in outcomes].count(True) == 1
    assert held(outcomes) == [], "the breaker holds, not the row"
    assert all(Kind.FORWARD in kinds(o) for o in outcomes)


def test_each_forward_to_a_department_that_bounces_lands_in_triage_once() -> None:
    desk = office(Limits(AMPLE, AMPLE, AMPLE))
    shown = []
    for n in range(20):
        first = desk.receive(mail(f"t{n}\n", sender=f"a{n}@x.example", message_id=f"<{n}@x>"))
        returned = first.outgoing[0].message_id
        bounce = mail(
            f"Delivery to {TECHNICAL.address} failed permanently: 550 no such user\n\nMessage-ID: {returned}\n",
            sender="MAILER-DAEMON@mx.example", subject="Undelivered Mail Returned to Sender",
            message_id=f"<b{n}@mx>", extra="Return-Path: <>",
        )  # fmt: skip
        outcome = desk.receive(bounce)
        shown += [out.recipient for out in outcome.outgoing if out.kind == Kind.FORWARD]
    assert shown == [TRIAGE.address] * 20, "each forward lands in triage, once"


def test_a_list_of_addresses_on_copy_does_not_get_every_answer() -> None:
    crowd = ", ".join(f"victim{n}@x.example" for n in range(500))
    outcome = office().receive(mail(extra=f"Cc: {crowd}"))
    assert len(outcome.participants) == MOST_TAKE_PART


def test_our_own_address_with_a_detail_is_ours() -> None:
    desk = office()
    first = desk.receive(mail())
    token = str(read(first.outgoing[0].mime)["Reply-To"])
    back = desk.receive(mail(sender="support@helpdesk.example", extra=f"Reply-To: {token}", message_id="<new@relay>"))
    assert (back.state, back.outgoing) == ("ignored", ())
    outcome = desk.receive(mail(sender="support+x@helpdesk.example", message_id="<new2@relay>"))
    assert (outcome.state, outcome.outgoing) == ("ignored", ())


def test_a_mail_that_went_round_through_another_helpdesk_is_known_again() -> None:
    desk = office()
    forward = desk.receive(mail(extra="X-Helpdesk-Loop: 0123456789abcdef\nX-Helpdesk-Loop: <b>x</b>")).outgoing[0]
    assert read(forward.mime).get_all("X-Helpdesk-Loop") == ["0123456789abcdef", "loopmark"]
