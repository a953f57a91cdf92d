"""What people say of decisions is kept with what they do, and read as accuracy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpdesk_daemon.adapters.store.observing.accuracy import accuracy_of
from helpdesk_daemon.ports import Audit, Change, Outcome, Sighting
from helpdesk_daemon.tickets.ticket import State
from tests.contract.rows import Database, decision, ticket_id

AGENT = "ann@helpdesk.example"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "helpdesk.db")
    yield database
    database.engine.dispose()


def seen(number: int = 0) -> Sighting:
    return Sighting(np.eye(4, dtype="<f2")[number % 4].tobytes(), 0.5, 0.3)


def correct(db: Database, number: int, category: str) -> None:
    made = decision_of(category)
    db.decisions.commit([Outcome(0, "reply", "", ticket=ticket_id(number), decision=made, actor=AGENT)])


def decision_of(category: str) -> Any:
    return replace(decision(), category=category)


def close(db: Database, number: int, actor: str = AGENT, event: str = "ticket.closed") -> None:
    line = Audit(event, {}, ticket_id(number), actor)
    change = Change(ticket_id(number), state=State.CLOSED)
    db.decisions.commit([Outcome(0, "reply", "", ticket=ticket_id(number), change=change, audit=(line,))])


def said(db: Database) -> dict[str, tuple[str, bool]]:
    return {r["ticket"]: (r["said_by"], bool(r["right"])) for r in db.rows("select * from verdicts")}


def test_a_correction_a_confirmation_and_a_closing_are_verdicts_on_the_daemons_decision(db: Database) -> None:
    for number in (1, 2, 3, 4):
        db.open_ticket(number, sighting=seen(number))
    correct(db, 1, "Account")
    correct(db, 2, "Billing")
    close(db, 3)
    assert said(db) == {
        ticket_id(1): ("correction", False), ticket_id(2): ("confirmation", True), ticket_id(3): ("closing", True)
    }  # fmt: skip
    found = accuracy_of(db.engine, db.clock.now())
    (standing,) = found.departments
    assert standing.name == "Billing Team"
    assert standing.accuracy.value == pytest.approx(2 / 3)
    assert (standing.judged.corrected, standing.judged.confirmed, standing.judged.closed) == (1, 1, 1)
    assert standing.accuracy.low < 2 / 3 < standing.accuracy.high
    assert standing.untouched.value == 0.75
    assert found.recent == 4
    assert found.confidences == [0, 0, 0, 0, 0, 0, 0, 0, 4, 0]
    assert found.said == pytest.approx(0.83)
    assert accuracy_of(db.engine, db.clock.now(), weight=0.0).overall.accuracy.value == 0.5


def test_the_last_word_counts_and_closing_takes_none_back(db: Database) -> None:
    db.open_ticket(1)
    close(db, 1)
    correct(db, 1, "Account")
    assert said(db) == {ticket_id(1): ("correction", False)}
    close(db, 1)
    assert said(db) == {ticket_id(1): ("correction", False)}
    correct(db, 1, "Billing")
    assert said(db) == {ticket_id(1): ("confirmation", True)}


@pytest.mark.parametrize(("actor", "event"), [("daemon", "ticket.closed"), (AGENT, "ticket.marked_spam"),
                                              (AGENT, "ticket.merged")])  # fmt: skip
def test_closing_by_nobody_or_for_another_reason_says_nothing(db: Database, actor: str, event: str) -> None:
    db.open_ticket(1)
    close(db, 1, actor, event)
    assert said(db) == {}


def test_old_verdicts_no_longer_count(db: Database) -> None:
    db.open_ticket(1)
    close(db, 1)
    found = accuracy_of(db.engine, db.clock.now() + timedelta(days=91))
    assert (found.overall.accuracy.value, found.departments) == (None, [])
