"""What the store does for conversations: corrections, copies, stories, merges, orders by command."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.errors import Refused
from helpdesk_daemon.ports import Change, Known, Label, Outcome, Question
from helpdesk_daemon.tickets.ticket import Priority, State
from tests.contract.rows import START, Database, decision, ignored, outgoing, raw, stored, ticket_id

TEXT = "Invoice 1 Invoice is wrong."


def asks(number: int = 1, **more: object) -> Question:
    return Question(0, "", (ticket_id(number),), (), (), **more)  # type: ignore[arg-type]


def corrected(category: str = "Billing", actor: str = "jo@helpdesk.example", text: str = TEXT) -> Outcome:
    label = Label(text, category, ticket_id(1), actor)
    return Outcome(0, "reply", "corrected", ticket=ticket_id(1), label=label, actor=actor)


def test_a_change_writes_the_columns_it_names_and_no_other(db: Database) -> None:
    db.open_ticket(1)
    before = db.rows("select * from tickets")[0]
    change = Change(ticket_id(1), category="Bug", priority=Priority.HIGH, tags=("spam", "vip"), due_at=START)
    db.decisions.commit([Outcome(0, "reply", "order", ticket=ticket_id(1), change=change)])
    after = db.rows("select * from tickets")[0]
    assert {name for name in after if after[name] != before[name]} == {"category", "priority", "tags", "due_at"}
    assert json.loads(after["tags"]) == ["spam", "vip"]
    assert db.decisions.known([asks()]).tickets[ticket_id(1)].tags == ("spam", "vip")


def test_a_command_settles_no_arrival(db: Database) -> None:
    db.open_ticket(1)
    before = db.rows("select * from arrivals")
    order = Outcome(0, "reply", "order", ticket=ticket_id(1), decision=decision(), actor="jo", outgoing=(outgoing(5),))
    db.decisions.commit([order])
    assert db.rows("select * from arrivals") == before
    assert db.rows("select actor, arrival from decisions order by id") == [
        {"actor": "daemon", "arrival": 1}, {"actor": "jo", "arrival": None},
    ]  # fmt: skip
    assert db.one("select arrival from outbox where message_id like '<forward-5%'") is None


def test_the_departments_that_had_a_ticket_are_known(db: Database) -> None:
    db.open_ticket(1)
    moved = replace(decision(), department=replace(decision().department, name="Engineering"))
    db.decisions.commit([Outcome(0, "reply", "order", ticket=ticket_id(1), decision=moved)])
    assert db.decisions.known([asks()]).departments == {ticket_id(1): {"Billing Team", "Engineering"}}


# --- corrections ---------------------------------------------------------------------------------


def test_a_correction_is_an_example_at_once(db: Database) -> None:
    db.open_ticket(1)
    db.decisions.commit([corrected("Bug")])
    (row,) = db.rows("select text, category, source, ticket, actor, active, digest from examples")
    assert row.pop("digest") == hashlib.sha256(f"Bug\0{TEXT}".encode()).hexdigest()
    assert row == {"text": TEXT, "category": "Bug", "source": "correction", "ticket": ticket_id(1),
                   "actor": "jo@helpdesk.example", "active": 1}  # fmt: skip
    (line,) = db.rows("select actor, event, ticket, detail from v_audit where event = 'example.corrected'")
    assert (line["actor"], line["ticket"]) == ("person", ticket_id(1))
    detail = json.loads(line["detail"])
    assert (detail["actor"], detail["before"]) == ("jo@helpdesk.example", [])


def test_a_correction_wins_over_what_the_text_was_labelled_before(db: Database) -> None:
    db.open_ticket(1)
    db.examples.add([(TEXT, "General"), ("other", "General")], "seed")
    db.examples.save_vectors("m", {1: b"1234"})
    db.decisions.commit([corrected("Bug")])
    assert db.rows("select category, source, vector from examples where text = :text", text=TEXT) == [
        {"category": "Bug", "source": "correction", "vector": b"1234"}
    ]
    detail = json.loads(db.one("select detail from v_audit where event = 'example.corrected'"))
    assert detail["before"][0] | {"category": "General", "source": "seed"} == detail["before"][0]
    db.decisions.commit([corrected("Billing", "kim")])
    assert [(e.category, e.text) for e in db.examples.active()] == [("Billing", TEXT), ("General", "other")]


def test_labels_that_contradict_a_correction_no_longer_vote(db: Database) -> None:
    db.open_ticket(1)
    db.examples.add([(TEXT, "General"), (TEXT, "Bug")], "seed")
    db.decisions.commit([corrected("Bug")])
    assert [e.category for e in db.examples.active()] == ["Bug"]
    db.decisions.commit([corrected("General")])  # the withdrawn row says so already: it comes back
    assert [e.category for e in db.examples.active()] == ["General"]


def test_a_correction_and_its_ticket_are_one_transaction(db: Database) -> None:
    db.open_ticket(1)
    before = db.counts()
    broken = replace(corrected("Bug"), change=Change("HD-NOSUCH00", participants=("a@x.example",)))
    with pytest.raises(Exception, match="FOREIGN KEY"):
        db.decisions.commit([broken])
    assert db.counts() == before
    assert db.rows("select 1 from examples") == []


# --- copies and stories --------------------------------------------------------------------------


def test_mails_that_share_a_message_id_are_looked_up(db: Database) -> None:
    db.open_ticket(1)
    (arrival,) = db.arrive(1, 2)
    again = replace(stored(1), kind="reply", new_text="Other words.", files=("a.png (3 bytes)",))
    db.decisions.commit([ignored(arrival, message=again)])
    known = db.decisions.known([asks(message_id="<m1@customer.example>"), asks(message_id="<none@x>")])
    assert known.copies == {"<m1@customer.example>": [stored(1), again]}


def test_a_story_is_looked_up_when_it_is_asked_for(db: Database) -> None:
    db.open_ticket(1)
    assert db.decisions.known([asks()]).stories == {}
    assert db.decisions.known([asks(stories=(ticket_id(1),))]).stories == {ticket_id(1): [(stored(1), raw(1))]}
    db.write("update arrivals set raw = null")
    assert db.decisions.known([asks(stories=(ticket_id(1),))]).stories == {ticket_id(1): [(stored(1), b"")]}


# --- merges and orders ---------------------------------------------------------------------------


def merge(db: Database, number: int, into: int) -> None:
    change = Change(ticket_id(number), State.CLOSED, merged_into=ticket_id(into))
    db.decisions.commit([Outcome(0, "reply", "merged", ticket=ticket_id(number), change=change)])


def test_merges_lead_to_the_last_one_in_one_step(db: Database) -> None:
    for number in (1, 2, 3):
        db.open_ticket(number)
    merge(db, 1, 2)
    merge(db, 2, 3)
    assert {r["id"]: r["merged_into"] for r in db.rows("select id, merged_into from tickets")} == {
        ticket_id(1): ticket_id(3), ticket_id(2): ticket_id(3), ticket_id(3): "",
    }  # fmt: skip
    known = db.decisions.known([asks(1, stories=(ticket_id(1),))])
    assert set(known.tickets) == {ticket_id(1), ticket_id(3)}
    assert set(known.stories) == {ticket_id(3)}
    assert known.participants[ticket_id(3)]


def test_an_order_is_planned_and_written_in_one_transaction(db: Database) -> None:
    db.open_ticket(1)

    def plan(known: Known) -> list[Outcome]:
        assert set(known.tickets) == {ticket_id(1)}
        return [Outcome(0, "reply", "order", ticket=ticket_id(1), change=Change(ticket_id(1), State.CLOSED))]

    (done,) = db.decisions.operate(asks(), plan)
    assert done.reason == "order"
    assert db.rows("select state, closed_at is not null as closed from tickets") == [{"state": "closed", "closed": 1}]


def test_an_order_that_is_refused_writes_nothing(db: Database) -> None:
    db.open_ticket(1)
    before = db.counts()

    def plan(known: Known) -> list[Outcome]:
        raise Refused("no")

    with pytest.raises(Refused):
        db.decisions.operate(asks(), plan)
    assert db.counts() == before
    with transaction(db.engine) as connection:
        assert audit.verify(connection).problem == ""
