"""What operators order about a ticket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from helpdesk_daemon.errors import Refused
from helpdesk_daemon.outgoing.message import Kind
from helpdesk_daemon.ports import Known
from helpdesk_daemon.stages import story
from helpdesk_daemon.stages.orders import (
    acknowledged_again,
    closed,
    corrected,
    forwarded_again,
    merged,
    reopened,
    rerouted,
)
from helpdesk_daemon.tickets.ticket import SPAM, State
from tests.unit.making import CUSTOMER, NOW, TECHNICAL, TICKET_ID, mail, multipart, plain, read, ticket
from tests.unit.test_answers import BILLING, desk, office

OTHER = "HD-0THER000"


def known(state: State = State.OPEN, tags: tuple[str, ...] = ()) -> Known:
    """Two tickets; the first with its mail."""
    found = Known()
    found.tickets[TICKET_ID] = replace(ticket(state=state), tags=tags)
    found.tickets[OTHER] = replace(ticket(), id=OTHER, requester_email="bob@x.example", forward_id="<o@x>")
    found.participants = {TICKET_ID: {CUSTOMER, "al@x.example"}, OTHER: {"bob@x.example"}}
    found.stories = {TICKET_ID: office().known.stories[TICKET_ID], OTHER: []}
    found.confidence[OTHER] = (0.7, "vip")
    return found


def test_a_correction_moves_teaches_and_says_who() -> None:
    (outcome,) = corrected(desk(), known(), "root", NOW, TICKET_ID, "BILLING")
    (forward,) = outcome.outgoing
    assert (forward.kind, forward.recipient) == (Kind.FORWARD, BILLING.address)
    assert "root moved this ticket from Technical Support to Billing Team." in plain(forward.mime)
    assert outcome.change is not None
    assert (outcome.change.category, outcome.change.forward_id) == ("Billing", forward.message_id)
    assert outcome.label is not None
    assert (outcome.arrival, outcome.actor, outcome.label.category, outcome.label.actor) == (
        0,
        "root",
        "Billing",
        "root",
    )
    assert [line.actor for line in outcome.audit] == ["root"]


def test_a_closed_ticket_is_corrected_and_nobody_gets_it() -> None:
    (outcome,) = corrected(desk(), known(State.CLOSED), "root", NOW, TICKET_ID, "Billing")
    assert outcome.outgoing == ()
    assert outcome.label is not None
    assert outcome.change is not None
    assert (outcome.change.state, outcome.change.department) == (None, BILLING.name)


def test_a_ticket_moves_and_teaches_nothing() -> None:
    found = known(State.WAITING)
    found.tickets[TICKET_ID] = replace(found.tickets[TICKET_ID], needs_review=True, category="Technical")
    found.confidence[TICKET_ID] = (0.41, "default")
    (outcome,) = rerouted(desk(), found, "ada@x.example", NOW, TICKET_ID, BILLING.name)
    (forward,) = outcome.outgoing
    assert forward.recipient == BILLING.address
    assert "ada@x.example moved this ticket" in plain(forward.mime)
    assert outcome.label is None
    assert outcome.decision is not None
    assert (outcome.decision.category, outcome.decision.confidence) == ("Technical", 0.41)
    assert outcome.decision.set_by == {"department": "ada@x.example"}
    assert outcome.change is not None
    assert (outcome.change.category, outcome.change.state, outcome.change.needs_review) == (None, State.OPEN, False)
    assert [(line.event, line.actor) for line in outcome.audit] == [("ticket.rerouted", "ada@x.example")]


def test_mail_leaves_once_more_and_the_log_says_who_wanted_it() -> None:
    (again,) = forwarded_again(desk(), known(), "ada@x.example", NOW, TICKET_ID)
    (forward,) = again.outgoing
    assert (forward.kind, forward.recipient) == (Kind.FORWARD, TECHNICAL.address)
    assert "ada@x.example sent this ticket once more." in plain(forward.mime)
    (again,) = acknowledged_again(desk(), known(), "ada@x.example", NOW, TICKET_ID)
    (mail,) = again.outgoing
    assert (mail.kind, mail.recipient, mail.sender) == (Kind.ACKNOWLEDGEMENT, CUSTOMER, "")
    assert again.buckets, "it counts against the limits of automatic mail"
    assert [line.event for line in again.audit] == ["outgoing.resent"]
    spent = known()
    spent.buckets = {scope: replace(bucket, tokens=0.0) for scope, bucket in again.buckets.items()}
    with pytest.raises(Refused, match="limit"):
        acknowledged_again(desk(), spent, "ada@x.example", NOW, TICKET_ID)


def test_reopening_takes_the_mark_of_spam_away() -> None:
    (outcome,) = reopened(desk(), known(State.CLOSED, (SPAM, "vip")), "root", NOW, TICKET_ID)
    assert outcome.change is not None
    assert outcome.change.columns == {"state": State.OPEN, "tags": ("vip",)}


def test_a_merge_brings_people_and_words_to_the_one_that_goes_on() -> None:
    gone, lasting = merged(desk(), known(), "root", NOW, TICKET_ID, OTHER)
    assert gone.change is not None
    assert gone.change.columns == {"state": State.CLOSED, "merged_into": OTHER}
    assert lasting.change is not None
    assert (lasting.ticket, set(lasting.change.participants)) == (OTHER, {CUSTOMER, "al@x.example"})
    (told,) = lasting.outgoing
    assert (told.ticket, told.recipient) == (OTHER, TECHNICAL.address)
    assert read(told.mime)["In-Reply-To"] == "<o@x>"
    assert read(told.mime)["X-Helpdesk-Rule"] == "vip"
    for words in (f"root merged {TICKET_ID} into this ticket", "I was charged twice."):
        assert words in plain(told.mime)


def test_a_merge_into_a_closed_ticket_tells_nobody() -> None:
    found = known()
    found.tickets[OTHER] = replace(found.tickets[OTHER], state=State.CLOSED)
    assert [outcome.outgoing for outcome in merged(desk(), found, "root", NOW, TICKET_ID, OTHER)] == [(), ()]


@pytest.mark.parametrize(
    ("order", "named", "words"),
    [
        (corrected, (TICKET_ID, "Nothing"), "no category 'Nothing'"),
        (corrected, ("HD-N0NE0000", "Billing"), "no ticket HD-N0NE0000"),
        (closed, ("HD-C10SED00",), "closed already"),
        (reopened, (TICKET_ID,), "is open"),
        (merged, (TICKET_ID, TICKET_ID), "into itself"),
        (merged, (TICKET_ID, "HD-G0NE0000"), f"merged into {OTHER}"),
        (closed, ("HD-G0NE0000",), f"merged into {OTHER}"),
        (rerouted, (TICKET_ID, "Nobody"), "no department 'Nobody'"),
        (rerouted, (TICKET_ID, TECHNICAL.name), "already"),
        (forwarded_again, ("HD-C10SED00",), "is closed"),
        (acknowledged_again, ("HD-C10SED00",), "is closed"),
        (acknowledged_again, (TICKET_ID,), "came back"),
        (acknowledged_again, (OTHER,), "no customer's address"),
    ],
)
def test_what_cannot_be_done_is_refused(order: Callable[..., object], named: tuple[str, ...], words: str) -> None:
    found = known()
    found.tickets["HD-G0NE0000"] = replace(ticket(), id="HD-G0NE0000", merged_into=OTHER)
    found.tickets["HD-C10SED00"] = replace(ticket(state=State.CLOSED), id="HD-C10SED00")
    found.suppressed = {CUSTOMER}
    if order is acknowledged_again and OTHER in named:
        found.tickets[OTHER] = replace(found.tickets[OTHER], requester_email=BILLING.address)
    with pytest.raises(Refused, match=words):
        order(desk(), found, "root", NOW, *named)


def test_a_conversation_whose_bytes_are_gone_is_told_by_its_words() -> None:
    (stored, _), *_ = known().stories[TICKET_ID]
    opening = story.opening([(stored, b"")])
    assert (opening.sender.email, opening.sender.name) == (CUSTOMER, "Ada Byron")
    assert opening.new_text == "I was charged twice."
    assert story.opening([]).text == ""


def test_more_files_than_a_mail_should_carry_are_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = multipart([("Content-Type: text/plain", b"see"), ("Content-Type: image/png; name=bill.png", b"PNG")])
    found = known()
    (stored, _) = found.stories[TICKET_ID][0]
    found.stories[TICKET_ID] = [(stored, raw), (replace(stored, kind="reply", files=("bill.png",)), raw + mail())]
    monkeypatch.setattr(story, "MAX_RAW", len(raw) + 10)
    (outcome,) = corrected(desk(), found, "root", NOW, TICKET_ID, "Billing")
    (forward,) = outcome.outgoing
    assert [p.get_filename() for p in read(forward.mime).iter_attachments()] == ["bill.png"]
    assert f"tickets show {TICKET_ID} --save FOLDER" in plain(forward.mime)
