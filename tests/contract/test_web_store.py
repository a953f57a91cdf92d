"""What the pages read and write, on a database file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import sqlite

from helpdesk_daemon.adapters.store.access.web import LINK_LIVES, REMEMBERED, WebWrites
from helpdesk_daemon.adapters.store.engine import open_engine, transaction
from helpdesk_daemon.adapters.store.views.web_reading import WebReads, page_of_tickets
from helpdesk_daemon.outgoing.limits import Rate
from helpdesk_daemon.outgoing.message import Kind, Outgoing
from helpdesk_daemon.ports.web import Place, TicketFilter, Typed
from helpdesk_daemon.tickets.ticket import Ticket
from tests.contract.rows import CUSTOMER, START, Database

MIDDLE = Place(START, "HD-00000000")


def compose(ticket: Ticket, recipient: str, url: str) -> Outgoing:
    return Outgoing(Kind.LINK, recipient, "", f"<{url}@x>", url.encode(), ticket.id)


@pytest.fixture
def writes(db: Database) -> WebWrites:
    return WebWrites(db.engine, db.clock, Rate(100, 100), compose)


@pytest.fixture
def reads(db: Database) -> Iterator[WebReads]:
    engine = open_engine(db.path, readonly=True)
    yield WebReads(engine)
    engine.dispose()


def typed(number: int, key: str = "", request: str = "r") -> Typed:
    return Typed(b"raw", f"d{number}", f"<form.{number}@x>", f"HD-0000000{number}", "token:1", key, request)


@pytest.mark.parametrize(
    "wanted",
    [
        TicketFilter(),
        TicketFilter(state="open"),
        TicketFilter(category="Billing"),
        TicketFilter(department="Billing Team"),
        TicketFilter(priority="High"),
        TicketFilter(after=START),
        TicketFilter(text="invoice"),
        TicketFilter(text="invoice", state="closed"),
        TicketFilter(review=True),
    ],
)
def test_every_page_of_tickets_is_read_in_order_by_an_index(db: Database, wanted: TicketFilter) -> None:
    statement = page_of_tickets(wanted, MIDDLE, 50).compile(
        dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}
    )
    with transaction(db.engine) as connection:
        plan = [row[3] for row in connection.execute(text(f"explain query plan {statement}"))]
    page = next(line for line in plan if "tickets" in line)
    assert "_page" in page, plan
    assert not [line for line in plan if line.startswith("SCAN decisions")], plan


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (TicketFilter(due=(None, START)), "tickets_unanswered"),
        (TicketFilter(due=(START, START)), "tickets_unanswered"),
        (TicketFilter(band=(80, 85)), "decisions_confidence"),
        (TicketFilter(crowd=3), "crowd_tickets"),
    ],
)
def test_lists_of_few_tickets_begin_with_them(db: Database, wanted: TicketFilter, index: str) -> None:
    statement = page_of_tickets(wanted, None, 50).compile(
        dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}
    )
    with transaction(db.engine) as connection:
        plan = [row[3] for row in connection.execute(text(f"explain query plan {statement}"))]
    assert [line for line in plan if index in line], plan


def test_a_form_lies_in_the_ledger_and_needs_no_mark(db: Database, writes: WebWrites) -> None:
    kept = writes.keep(typed(1))
    row = db.rows("select mailbox, folder, state, touched_at from arrivals where id = :id", id=kept.arrival)[0]
    assert (row["mailbox"], row["folder"], row["state"]) == ("web", "token", "pending")
    assert row["touched_at"]
    assert db.decisions.claim(5)[0].raw == b"raw"


def test_a_key_is_remembered_for_a_while(db: Database, writes: WebWrites) -> None:
    first = writes.keep(typed(1, "k"))
    assert writes.answered("token:1", "k", "one") == "one"
    assert writes.answered("token:1", "k", "two") == "one"
    again = writes.keep(typed(2, "k"))
    assert (again.arrival, again.fresh, again.same, again.answer) == (first.arrival, False, True, "one")
    assert not writes.keep(typed(3, "k", "other")).same
    db.clock.at += REMEMBERED + timedelta(seconds=1)
    assert writes.keep(typed(4, "k", "other")).fresh
    assert db.one("select count(*) from submissions") == 1


def test_a_link_works_once_and_not_for_long(db: Database, writes: WebWrites) -> None:
    ticket = db.open_ticket(1)
    assert writes.send_link(ticket.id, CUSTOMER, "a", "url")
    assert not writes.send_link(ticket.id, "eve@customer.example", "b", "url")
    assert not writes.send_link("HD-00000000", CUSTOMER, "c", "url")
    assert db.one("select recipient from outbox where kind = 'link'") == CUSTOMER
    assert (writes.use_link("b"), writes.use_link("a"), writes.use_link("a")) == ("", ticket.id, "")
    assert writes.send_link(ticket.id, CUSTOMER, "d", "url")
    db.clock.at += LINK_LIVES
    assert writes.use_link("d") == ""


def test_a_suppressed_address_and_an_open_breaker_get_no_link(db: Database, writes: WebWrites) -> None:
    ticket = db.open_ticket(1)
    db.write(
        "insert into suppressions (email, reason, at) values (:e, 'bounced', '2026-01-01T00:00:00.000Z')", e=CUSTOMER
    )
    assert not writes.send_link(ticket.id, CUSTOMER, "a", "url")
    db.write("delete from suppressions")
    db.write("insert into breakers (opened_at, reason, released_by) values ('2026-01-01T00:00:00.000Z', 'flood', '')")
    assert not writes.send_link(ticket.id, CUSTOMER, "b", "url")
    assert db.one("select count(*) from track_links") == 0
