"""The monthly report: when it is made, what it tells, and that no restart makes it twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from helpdesk_daemon.adapters.keys import load_signer
from helpdesk_daemon.adapters.store.telling.incidents import Incidents
from helpdesk_daemon.adapters.store.telling.reports import Reports
from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.ports import Incident
from helpdesk_daemon.settings import load_settings
from helpdesk_daemon.stages.report import Report, span_of
from helpdesk_daemon.wiring.accounts import digest_plan_of
from helpdesk_daemon.wiring.desks import desk_of, routing_of
from tests.contract.rows import Database, decision, outcome, ticket, ticket_id
from tests.contract.test_accuracy import close, correct, seen
from tests.harness.dovecot import free_port
from tests.harness.sink import Mail
from tests.harness.world import write_settings

TO = "operator@helpdesk.example"


class Bench:
    """A report on a real database, and a clock that is turned by hand."""

    def __init__(self, folder: Path, digest: str = 'zone = "Europe/Berlin"') -> None:
        self.settings = load_settings(write_settings(folder, "maildir:inbox", free_port(), more=f"[digest]\n{digest}"))
        self.settings.data_dir.mkdir(exist_ok=True)
        self.db = Database(self.settings.data_dir / "helpdesk.db")
        self.clock, self.runner, self.lane, self.work = self.db.clock, asyncio.Runner(), Lane("db"), Lane("work")
        self.clock.at = datetime(2026, 10, 20, 12, tzinfo=UTC)
        self.desk = desk_of(self.settings, routing_of(self.settings), load_signer(self.settings.data_dir))

    def look(self) -> None:
        """One look of a report stage that has just started."""
        report = Report(
            digest_plan_of(self.settings), self.settings.digest.monthly, Reports(self.db.engine, self.clock),
            lambda: self.desk, self.clock, self.lane, self.work, lambda: None,
        )  # fmt: skip
        self.runner.run(report.look())

    def month(self, tickets: int = 40) -> None:
        """Tickets of the present month, a day apart by hundredths, of which each tenth is corrected."""
        for number in range(1, tickets + 1):
            self.clock.at += timedelta(hours=15)
            made = outcome(0, number, opened=ticket(number, created_at=self.clock.at, needs_review=number % 4 == 0),
                           decision=replace(decision(), needs_review=number % 4 == 0), sighting=seen(number),
                           outgoing=(), change=None, message=None, breaker="", suppress={})  # fmt: skip
            self.db.decisions.commit([made])
            correct(self.db, number, "Login") if number % 10 == 1 else close(self.db, number)

    def mails(self) -> list[Mail]:
        found = self.db.rows("select recipient, mime from outbox where kind = 'digest' order by id")
        return [Mail("", row["recipient"], row["mime"]) for row in found]

    def close(self) -> None:
        self.runner.close()
        self.lane.close()
        self.work.close()
        self.db.engine.dispose()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def text_of(mail: Mail, kind: str = "plain") -> str:
    part = next(part for part in mail.message.walk() if part.get_content_type() == f"text/{kind}")
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode()


def test_a_new_installation_gets_its_first_report_when_its_first_month_is_over(bench: Bench) -> None:
    bench.look()
    assert bench.mails() == []
    bench.clock.at = datetime(2026, 11, 1, 5, 59, tzinfo=UTC)  # 06:59 in Berlin
    bench.look()
    assert bench.mails() == [], "its hour has not come"
    bench.clock.turn(minutes=2)
    bench.look()
    bench.look()
    assert [mail.recipient for mail in bench.mails()] == [TO]
    assert "Report 2026-10" in bench.mails()[0].message["Subject"]
    bench.clock.turn(days=75)
    bench.look()
    assert "Report 2026-12" in bench.mails()[1].message["Subject"], "late rather than never, and not all at once"
    assert [row["month"] for row in bench.db.rows("select month from reports")] == ["2026-09", "2026-10", "2026-12"]
    assert bench.db.one("select count(*) from audit_log where event = 'report.made'") == 2


def test_it_tells_how_routing_went(bench: Bench) -> None:
    bench.look()
    bench.clock.at = datetime(2026, 11, 1, 1, tzinfo=UTC)
    bench.month()
    at = bench.clock.now()
    open_ = Incident(0, "topic.new", "1", "New topic: parking", "p", "m", at, opened_at=at)
    Incidents(bench.db.engine, bench.clock).settle([open_], [], [], [])
    rng = np.random.default_rng(1)
    for number in range(40):
        row = rng.standard_normal(8) + 4 * np.eye(8)[number % 2]
        vector = (row / np.linalg.norm(row)).astype("<f4").tobytes()
        bench.db.write(
            "insert into examples (text, category, source, ticket, actor, active, created_at, digest, model, vector, "
            "batch, withdrawal) values (:text, :category, 'correction', '', :actor, 1, '2026-11-02T00:00:00.000Z', "
            ":text, 'm', :vector, 0, 0)",
            text=f"text {number}", category=("Billing", "Login")[number % 2], actor="ann@helpdesk.example",
            vector=vector,
        )  # fmt: skip
    bench.clock.at = datetime(2026, 12, 1, 9, tzinfo=UTC)
    bench.look()
    (mail,) = bench.mails()
    words = text_of(mail)
    assert "Routed right  86.7 %" in words, "26 of 30 that were routed and judged"
    assert "Billing Team" in words
    assert "New topic: parking" in words
    assert "ann@helpdesk.example" in words
    assert "26.2 % to review" not in words
    assert "01 Nov" in words
    html = text_of(mail, "html")
    assert "86.7 %" in html
    pictures = [part for part in mail.message.walk() if part.get_content_type() == "image/png"]
    assert {part["Content-ID"] for part in pictures} == {"<volume@report>", "<judged@report>"}
    assert mail.message["Subject"] == "Report 2026-11: 87% routed right"


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "monthly = false")
    try:
        bench.look()
        bench.clock.turn(days=40)
        bench.look()
        assert bench.db.one("select count(*) from reports") == 0
    finally:
        bench.close()


def test_the_weeks_of_a_month_end_with_it(bench: Bench) -> None:
    begin, end, weeks = span_of(date(2026, 10, 1), digest_plan_of(bench.settings))
    assert begin == datetime(2026, 9, 30, 22, tzinfo=UTC)
    assert end == datetime(2026, 10, 31, 23, tzinfo=UTC), "the clocks were set back"
    assert [week[0].day for week in weeks] == [1, 8, 15, 22, 29]
    assert weeks[-1][2] == end
    assert len(span_of(date(2026, 2, 1), digest_plan_of(bench.settings))[2]) == 4


def test_an_empty_month_is_told_as_such(bench: Bench) -> None:
    bench.look()
    bench.clock.turn(days=40)
    bench.look()
    (mail,) = bench.mails()
    assert "nothing was judged" in str(mail.message["Subject"])
    assert ticket_id(1) not in text_of(mail)
