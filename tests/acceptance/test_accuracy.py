"""`accuracy` as a process, on a database that a daemon left behind."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.acceptance.command import document, out, run
from tests.contract.rows import Database, ticket_id
from tests.contract.test_accuracy import close, correct, seen
from tests.harness.dovecot import free_port
from tests.harness.world import write_settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten tickets, of which nine were closed and one was corrected; three belong together."""
    write_settings(tmp_path, "maildir:inbox", free_port())
    (tmp_path / "data").mkdir()
    db = Database(tmp_path / "data" / "helpdesk.db")
    db.clock.at = datetime.now(UTC)
    for number in range(1, 11):
        db.open_ticket(number, sighting=seen(number))
        correct(db, number, "Login") if number == 10 else close(db, number)
    db.write("insert into crowds (kind, began_at, last_at, last_sighting) values ('burst', :at, :at, 9)",
             at=db.clock.at.isoformat())  # fmt: skip
    for number in (1, 2, 3):
        db.write("insert into crowd_tickets values (1, :ticket)", ticket=ticket_id(number))
    db.write("insert into watching values ('calibration', '{}', :at, :at)", at=db.clock.at.isoformat())
    db.engine.dispose()
    return tmp_path


def test_accuracy_with_its_interval(folder: Path) -> None:
    shown = out(run(folder, "accuracy"))
    assert "90.0 %  (59.6 to 98.2)" in shown
    assert "Billing Team" in shown
    assert "calibration since" in shown
    assert "invoice" in shown, "the crowd's words"
    assert max(map(len, shown.splitlines())) <= 160


def test_accuracy_as_json(folder: Path) -> None:
    found = document(run(folder, "accuracy", "--json"))
    assert found["overall"]["accuracy"]["value"] == 0.9
    assert found["departments"][0]["judged"] == {"corrected": 1, "confirmed": 0, "closed": 9}
    assert found["crowds"][0]["tickets"] == [ticket_id(1), ticket_id(2), ticket_id(3)]


def test_the_tickets_of_a_crowd(folder: Path) -> None:
    assert out(run(folder, "accuracy", "--crowd", "1")).split() == [ticket_id(1), ticket_id(2), ticket_id(3)]
    assert document(run(folder, "accuracy", "--crowd", "1", "--json"))[0] == ticket_id(1)
    assert "There is no crowd 7" in run(folder, "accuracy", "--crowd", "7").stderr.decode()


def test_a_ticket_says_which_crowd_it_belongs_to(folder: Path) -> None:
    assert "burst of 3 tickets, invoice: accuracy --crowd 1" in out(run(folder, "tickets", "show", ticket_id(2)))
    assert "--crowd" not in out(run(folder, "tickets", "show", ticket_id(9)))
    assert document(run(folder, "tickets", "show", "--json", ticket_id(2)))["crowds"][0]["count"] == 3


def test_the_report_so_far_as_a_page(folder: Path) -> None:
    assert "Wrote page.html" in out(run(folder, "accuracy", "--html", "page.html"))
    page = (folder / "page.html").read_text(encoding="utf-8")
    assert "90.0 %" in page
    assert page.count("data:image/png;base64,") == 2
    assert "cid:" not in page


def test_without_verdicts_it_says_how_to_give_them(tmp_path: Path) -> None:
    write_settings(tmp_path, "maildir:inbox", free_port())
    (tmp_path / "data").mkdir()
    Database(tmp_path / "data" / "helpdesk.db").engine.dispose()
    assert "Nobody judged a ticket yet" in out(run(tmp_path, "accuracy"))
