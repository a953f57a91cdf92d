"""The daemon watches its own decisions: from mail and people's acts to an alert, once, and over."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event

from helpdesk_daemon.adapters.store.observing.accuracy import accuracy_of, crowd_tickets_of, crowds_of
from helpdesk_daemon.adapters.store.observing.watching import KEPT, Watching
from helpdesk_daemon.adapters.store.upkeep.erase import find, remove
from helpdesk_daemon.adapters.store.upkeep.retention import Retention
from helpdesk_daemon.conditions import look_for_trouble
from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.ports import Outcome, Sighting
from helpdesk_daemon.settings import load_settings
from helpdesk_daemon.stages.observe import Observe, Sense
from tests.contract.rows import Database, decision, outcome, ticket, ticket_id
from tests.contract.test_accuracy import AGENT, close, correct
from tests.harness.dovecot import free_port
from tests.harness.sink import Sink
from tests.harness.world import rows, write_settings
from tests.integration.conftest import once

DIMENSION = 64


class Bench:
    """An observer on a real database, mail that is decided by hand, and a clock that is turned."""

    def __init__(self, folder: Path, sense: Sense) -> None:
        self.settings = load_settings(write_settings(folder, "maildir:inbox", free_port()))
        self.settings.data_dir.mkdir(exist_ok=True)
        self.db = Database(self.settings.data_dir / "helpdesk.db")
        self.clock, self.runner, self.lane, self.work = self.db.clock, asyncio.Runner(), Lane("db"), Lane("work")
        self.sense, self.mails, self.rng = sense, 0, np.random.default_rng(11)

    def look(self) -> None:
        """One look of an observer that has just started: nothing is kept but in the database."""
        observe = Observe(Watching(self.db.engine, self.clock), self.sense, self.clock, self.lane, self.work)
        self.runner.run(observe.look())

    def arrive(self, count: int, category: str = "Billing", alike: bool = False, scope: float = 0.7,
               gap: timedelta = timedelta(minutes=2), who: str = "") -> list[str]:  # fmt: skip
        """Mails of which each becomes a ticket; their tracking IDs."""
        outcomes = []
        for _ in range(count):
            self.mails += 1
            self.clock.at += gap
            row = self.rng.standard_normal(DIMENSION)
            row = row / np.linalg.norm(row) / 2 + np.eye(DIMENSION)[0] if alike else row
            made = outcome(
                0, self.mails, decision=replace(decision(), category=category), outgoing=(), buckets={}, suppress={},
                opened=ticket(self.mails, created_at=self.clock.at, category=category,
                              requester_email=who or f"person{self.mails}@customer.example",
                              subject="Webmail down" if alike else f"Case {self.mails}"),
                sighting=Sighting((row / np.linalg.norm(row)).astype("<f2").tobytes(), scope, 0.3),
                breaker="", change=None, message=None,
            )  # fmt: skip
            outcomes.append(made)
        self.db.decisions.commit(outcomes)
        return [made.ticket for made in outcomes]

    def troubles(self) -> dict[str, str]:
        """What people would be alerted of now, by condition."""
        found, unmeasured = look_for_trouble(self.db.engine, self.settings, self.clock.now())
        assert not unmeasured
        return {t.name: t.problem for t in found if t.name.partition(".")[0] not in ("mailbox", "disk", "outbox")}

    def close(self) -> None:
        self.runner.close()
        self.lane.close()
        self.work.close()
        self.db.engine.dispose()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, Sense())
    yield made
    made.close()


def test_a_burst_is_one_incident_whose_tickets_are_found_together_and_it_ends(bench: Bench) -> None:
    bench.arrive(400)
    bench.look()
    assert bench.troubles() == {}
    members = bench.arrive(12, alike=True, gap=timedelta(seconds=20))
    bench.look()
    assert list(bench.troubles()) == ["tickets.burst"]
    assert "12 tickets resemble each other" in bench.troubles()["tickets.burst"]
    assert "down, webmail" in bench.troubles()["tickets.burst"]
    members += bench.arrive(3, alike=True)
    bench.arrive(5)
    bench.look()
    (crowd,) = accuracy_of(bench.db.engine, bench.clock.now()).crowds
    assert (crowd.kind, crowd.tickets, crowd.count) == ("burst", tuple(members), 15)
    assert crowd_tickets_of(bench.db.engine, crowd.id) == members
    assert [c.id for c in crowds_of(bench.db.engine, members[3])] == [crowd.id]
    bench.clock.at += timedelta(hours=3)
    bench.look()
    assert bench.troubles() == {}
    assert bench.db.one("select centre from crowds") is None, "what is left of the texts goes"
    events = bench.db.rows("select event from audit_log where event like 'crowd.%'")
    assert [row["event"] for row in events] == ["crowd.began", "crowd.ended"]
    assert accuracy_of(bench.db.engine, bench.clock.now()).crowds == []


def test_a_burst_of_what_is_asked_now_and_then_is_over_when_that_is_all(bench: Bench) -> None:
    for _ in range(20):
        bench.arrive(19)
        bench.arrive(1, alike=True)
    bench.arrive(15, alike=True, gap=timedelta(seconds=20))
    bench.look()
    assert list(bench.troubles()) == ["tickets.burst"]
    for _ in range(7):
        bench.arrive(19)
        bench.arrive(1, alike=True)
        bench.look()
    assert bench.troubles() == {}


def test_a_burst_that_goes_on_is_told_as_a_topic_too(bench: Bench) -> None:
    bench.arrive(2000)
    bench.arrive(12, alike=True, scope=0.3, gap=timedelta(seconds=20))
    bench.arrive(6, alike=True, scope=0.3, gap=timedelta(minutes=15))
    bench.look()
    assert bench.db.rows("select kind from crowds") == [{"kind": "burst"}]
    bench.arrive(4, alike=True, scope=0.3, gap=timedelta(minutes=15))
    bench.look()
    assert bench.db.rows("select kind from crowds order by id") == [{"kind": "burst"}, {"kind": "topic"}]
    assert set(bench.troubles()) == {"tickets.burst", "topic.new"}


@pytest.mark.parametrize(("topic", "told"), [(8, ["mail.unlike"]), (0, [])])
def test_mail_like_no_example_is_told_of_though_it_has_nothing_in_common(
    bench: Bench, topic: int, told: list[str]
) -> None:
    bench.sense = Sense(topic=topic)
    bench.arrive(800)
    bench.look()
    strange = []
    for _ in range(12):
        bench.arrive(8)
        strange += bench.arrive(1, scope=0.2)
        bench.look()
    assert list(bench.troubles()) == told
    if told:
        assert f"The latest: {', '.join(strange[-8:])}." in bench.troubles()["mail.unlike"]
    bench.arrive(300)
    bench.look()
    assert bench.troubles() == {}


def test_mail_of_long_ago_is_no_incident_of_today(bench: Bench) -> None:
    bench.arrive(400)
    bench.arrive(12, alike=True, gap=timedelta(seconds=20))
    bench.clock.at += timedelta(days=3)
    bench.look()
    assert bench.db.one("select count(*) from crowds") == 0
    bench.arrive(200)
    bench.arrive(40, scope=0.1)
    bench.clock.at += timedelta(days=3)
    bench.look()
    assert bench.troubles() == {}


def test_a_new_topic_is_told_with_its_tickets(bench: Bench) -> None:
    bench.arrive(2500, gap=timedelta(minutes=5))
    for _ in range(12):
        bench.arrive(9, gap=timedelta(minutes=5))
        bench.arrive(1, alike=True, scope=0.4, gap=timedelta(hours=2))
    bench.look()
    assert list(bench.troubles()) == ["topic.new"]
    (crowd,) = accuracy_of(bench.db.engine, bench.clock.now()).crowds
    assert crowd.kind == "topic"
    assert set(crowd.tickets) <= {ticket_id(2500 + 10 * n) for n in range(1, 13)}


def test_a_department_that_is_corrected_more_than_ever_is_told_and_over_when_it_is_good_again(bench: Bench) -> None:
    bench.arrive(400)
    for number in range(1, 101):
        if number % 10:
            close(bench.db, number)
        else:
            correct(bench.db, number, "Login")
    bench.look()
    assert bench.troubles() == {}
    for number in range(101, 131):
        correct(bench.db, number, "Login")
    bench.look()
    troubles = bench.troubles()
    assert set(troubles) == {"accuracy.fell", "calibration.drifted"}
    assert "tickets of Billing Team" in troubles["accuracy.fell"]
    found = accuracy_of(bench.db.engine, bench.clock.now())
    assert found.departments[0].alarmed_at is not None
    assert set(found.alarms) == {"calibration", "department:Billing Team"}
    for number in range(131, 230):
        close(bench.db, number)
    bench.look()
    assert bench.troubles() == {}


def test_the_mix_of_categories(bench: Bench) -> None:
    for _ in range(40):
        bench.arrive(15, "Billing")
        bench.arrive(10, "Login")
    bench.look()
    assert bench.troubles() == {}
    bench.arrive(150, "Login")
    bench.look()
    assert "Login 40 % before" in bench.troubles()["mail.shifted"]


def test_no_look_is_repeated_and_a_quiet_one_writes_nothing(bench: Bench) -> None:
    bench.arrive(60)
    close(bench.db, 1)
    bench.look()
    before = bench.db.rows("select * from watching order by name")
    bench.clock.at += timedelta(minutes=1)
    bench.look()
    assert bench.db.rows("select * from watching order by name") == before
    state = json.loads(next(row["state"] for row in before if row["name"] == "mix"))
    assert sum(sum(block.values()) for block in state["blocks"]) == 60


def test_only_the_latest_mails_are_kept(bench: Bench) -> None:
    bench.arrive(60)
    bench.look()
    bench.db.write("update sqlite_sequence set seq = :last where name = 'sightings'", last=KEPT + 40)
    bench.arrive(10)
    bench.look()
    assert bench.db.one("select count(*) from sightings") == 20
    assert bench.db.one("select max(id) from sightings") == KEPT + 50


def test_switched_off_it_looks_for_no_crowds(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Sense(burst=0, topic=0))
    try:
        bench.arrive(400)
        bench.arrive(20, alike=True, gap=timedelta(seconds=20))
        bench.look()
        assert bench.db.one("select count(*) from crowds") == 0
    finally:
        bench.close()


def test_erasing_a_person_takes_what_watching_knows_of_it(bench: Bench) -> None:
    bench.arrive(400)
    members = bench.arrive(12, alike=True, gap=timedelta(seconds=20))
    bench.arrive(1, alike=True, who="zoe@shop.example", gap=timedelta(seconds=20))
    close(bench.db, bench.mails)
    bench.look()
    (crowd,) = accuracy_of(bench.db.engine, bench.clock.now()).crowds
    assert crowd.count == 13
    found = find(bench.db.engine, "zoe@shop.example")
    remove(bench.db.engine, bench.clock, "zoe@shop.example", found, "digest", "operator")
    assert crowd_tickets_of(bench.db.engine, crowd.id) == members
    for table in ("sightings", "verdicts"):
        assert bench.db.one(f"select count(*) from {table} where ticket = '{ticket_id(bench.mails)}'") == 0
    bench.look()


def test_retention_of_texts_takes_their_vectors(bench: Bench) -> None:
    bench.arrive(30, gap=timedelta(days=1))
    before = bench.clock.now() - timedelta(days=9, hours=12)
    assert Retention(bench.db.engine, bench.clock).forget("bodies", before, 15) == 15
    assert Retention(bench.db.engine, bench.clock).forget("bodies", before, 15) == 5
    assert Retention(bench.db.engine, bench.clock).forget("bodies", before, 15) == 0
    assert bench.db.one("select count(*) from sightings") == 10


def test_a_look_costs_the_same_however_long_we_run(bench: Bench) -> None:
    """Every statement of a look finds its rows by a key or an index, or reads a table that does not grow."""
    plans: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.lower().startswith("select") and "crowd_tickets" not in statement:
            rows = cursor.connection.execute(f"explain query plan {statement}", parameters).fetchall()
            plans.extend(str(row[-1]) for row in rows)

    bench.arrive(100)
    close(bench.db, 1)
    event.listen(bench.db.engine, "before_cursor_execute", explain)
    bench.look()
    event.remove(bench.db.engine, "before_cursor_execute", explain)
    assert plans
    scans = [plan for plan in plans if plan.startswith("SCAN") and "watching" not in plan]
    assert all("USING INDEX crowds_open" in plan for plan in scans), scans


def test_what_the_daemon_decides_itself_is_no_verdict(bench: Bench) -> None:
    bench.arrive(1)
    made = Outcome(0, "reply", "", ticket=ticket_id(1), decision=decision())
    bench.db.decisions.commit([made])
    assert bench.db.one("select count(*) from verdicts") == 0
    bench.db.decisions.commit([replace(made, actor=AGENT)])
    assert bench.db.one("select count(*) from verdicts") == 1


def _drop(folder: Path, number: int, subject: str, words: str, age: timedelta = timedelta()) -> None:
    """Put a mail into the Maildir, as if it had come a while ago."""
    for part in ("new", "cur", "tmp"):
        (folder / "inbox" / part).mkdir(parents=True, exist_ok=True)
    file = folder / "inbox" / "new" / f"{number}.test"
    file.write_text(
        f"From: Person {number} <person{number}@customer.example>\nTo: support@helpdesk.example\n"
        f"Subject: {subject}\nMessage-ID: <{number}@customer.example>\n\n{words}\n"
    )
    at = time.time() - age.total_seconds()
    os.utime(file, (at, at))


def test_from_mail_to_alert_and_to_what_customers_are_told(tmp_path: Path, sink: Sink) -> None:
    settings = write_settings(tmp_path, "maildir:inbox", sink.port, more="[watching]\ntell_known = true\n")
    for number in range(230):
        _drop(tmp_path, number, f"Case {number}", f"Word{number} and word{number * 7}.", timedelta(days=5))
    once(settings)
    assert rows(tmp_path, "select count(*) as n from sightings") == [{"n": 230}]
    for number in range(230, 238):
        _drop(tmp_path, number, "Webmail is down", "I cannot sign in to webmail.")
    once(settings)
    assert rows(tmp_path, "select kind, ended_at from crowds") == [{"kind": "burst", "ended_at": None}]
    assert rows(tmp_path, "select count(*) as n from crowd_tickets") == [{"n": 8}]
    alerts = [mail for mail in sink.mails if str(mail.message["Subject"]).startswith("Alert")]
    assert ["down, webmail" in str(mail.message["Subject"]) for mail in alerts] == [True]
    known = [mail for mail in sink.mails if b"Others have reported the same" in mail.content]
    assert known == [], "nobody knew while they came"
    _drop(tmp_path, 238, "Webmail is down", "I cannot sign in to webmail.")
    _drop(tmp_path, 239, "Case 239", "Another thing altogether.")
    once(settings)
    known = [mail for mail in sink.mails if b"Others have reported the same" in mail.content]
    assert [mail.recipient for mail in known] == ["person238@customer.example"]
    assert rows(tmp_path, "select count(*) as n from crowd_tickets") == [{"n": 9}]
