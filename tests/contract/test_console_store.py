"""What the console reads and changes, on a database file; no page walks through all tickets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Select, text
from sqlalchemy.dialects import sqlite

from helpdesk_daemon.adapters.store.access.console import (
    ConsoleMail,
    ConsoleMailWrites,
    ConsoleTickets,
    next_in_review,
    page_of_outbox,
)
from helpdesk_daemon.adapters.store.engine import open_engine, transaction
from helpdesk_daemon.adapters.store.views.waiting import STUCK, WAITING, waiting
from helpdesk_daemon.adapters.store.views.web_reading import WebReads, page_of_tickets
from helpdesk_daemon.ports.web import Place, TicketFilter
from tests.contract.rows import START, Database, ticket, ticket_id

MIDDLE = Place(START, "HD-00000000")
ADA = "ada@helpdesk.example"


@pytest.fixture
def desk(db: Database) -> Iterator[ConsoleTickets]:
    engine = open_engine(db.path, readonly=True)
    yield ConsoleTickets(engine)
    engine.dispose()


def plan(db: Database, wanted: Select[object]) -> list[str]:
    """How SQLite reads it, the values as they are bound when it runs."""
    compiled = wanted.compile(dialect=sqlite.dialect(), compile_kwargs={"render_postcompile": True})
    with transaction(db.engine) as connection:
        values = tuple(compiled.params[name] for name in compiled.positiontup or ())
        bound = tuple(str(v) if not isinstance(v, int | float | None | str) else v for v in values)
        rows = connection.exec_driver_sql(f"explain query plan {compiled}", bound).all()
    return [str(row[3]) for row in rows]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (next_in_review(None), "tickets_review_page"),
        (next_in_review(MIDDLE), "tickets_review_page"),
        (WAITING["review"], "tickets_review_page"),
        (WAITING["outbox"], "outbox_state"),
        (WAITING["quarantine"], "arrivals_state"),
        (page_of_outbox(STUCK, 0, 50), "outbox_state"),
        (page_of_outbox((), 70, 50), "INTEGER PRIMARY KEY"),
        (page_of_tickets(TicketFilter(review=True), MIDDLE, 50), "_page"),
        (page_of_tickets(TicketFilter(sla="missed"), MIDDLE, 50), "tickets_page"),
        (page_of_tickets(TicketFilter(text="invoice", state="open"), None, 50), "_page"),
    ],
)
def test_each_list_is_read_by_an_index(db: Database, wanted: Select[object], index: str) -> None:
    found = plan(db, wanted)
    assert index in " ".join(found), found
    assert not [line for line in found if line.startswith("SCAN") and "USING" not in line
                and line not in ("SCAN page", "SCAN anon_1")], found  # fmt: skip


def test_review_goes_from_the_oldest_to_the_newest(db: Database, desk: ConsoleTickets) -> None:
    rows: list[dict[str, object]] = [
        {}, {"needs_review": True}, {"needs_review": True}, {"needs_review": True, "state": "closed"},
    ]  # fmt: skip
    for number, changes in enumerate(rows, 1):
        made = ticket(number, created_at=START - timedelta(hours=number))
        db.open_ticket(number, opened=made)
        for name, value in changes.items():
            db.write(f"update tickets set {name} = :v where id = :id", v=value, id=made.id)
    assert desk.next_in_review("") == ticket_id(3)
    assert desk.next_in_review(ticket_id(3)) == ticket_id(2)
    assert desk.next_in_review(ticket_id(2)) == ""
    assert desk.next_in_review("HD-N0THERE0") == ticket_id(3), "one that is gone is no place"


def test_a_story_is_whole_and_a_mail_of_another_ticket_stays_shut(db: Database, desk: ConsoleTickets) -> None:
    one, other = db.open_ticket(1), db.open_ticket(2)
    story = desk.story(one.id)
    assert story
    assert [len(story[name]) > 0 for name in ("messages", "decisions", "outgoing", "log")] == [True] * 4
    assert story["decisions"][0]["set_by"] == {"priority": "big customer"}
    assert b"Invoice 1" in desk.original(one.id, story["messages"][0]["id"])
    assert desk.original(other.id, story["messages"][0]["id"]) == b""
    assert desk.story("HD-N0THERE0") is None


def test_what_waits_for_a_person_is_counted(db: Database) -> None:
    db.open_ticket(1)
    db.write("update tickets set needs_review = 1")
    db.write("update outbox set state = 'ambiguous' where id = 1")
    db.arrive(1, 7)
    db.write("update arrivals set state = 'quarantined' where state = 'pending'")
    assert waiting(db.engine) == {"review": 1, "outbox": 1, "quarantine": 1}
    db.write("update tickets set state = 'closed'")
    assert waiting(db.engine)["review"] == 0


def test_nothing_chosen_is_never_everything(db: Database) -> None:
    db.open_ticket(1)
    db.write("update outbox set state = 'failed'")
    acts = ConsoleMailWrites(db.engine, db.clock)
    assert (acts.retry([], ADA), acts.drop([], ADA), acts.retry_quarantined([], ADA)) == (0, 0, 0)
    assert {row["state"] for row in db.rows("select state from outbox")} == {"failed"}
    assert acts.retry([1], ADA) == 1
    assert [row["id"] for row in ConsoleMail(db.engine).outbox(STUCK, 0, 9)] == [2]


def test_a_filter_on_promises_finds_their_tickets(db: Database) -> None:
    db.open_ticket(1)
    db.open_ticket(2)
    with transaction(db.engine) as connection:
        connection.execute(text("update sla set response = 'missed' where ticket = :t"), {"t": ticket_id(2)})
    found = WebReads(db.engine).tickets(TicketFilter(sla="missed"), None, 9)
    assert [row["id"] for row in found] == [ticket_id(2)]
