"""Promises on a real database: who is told what, once; pauses, moves, restarts, jumping clocks, backlogs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event

from helpdesk_daemon.adapters.keys import load_signer
from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.adapters.rules.file import load_routing
from helpdesk_daemon.adapters.store.telling.sla import Sla as SlaOnDatabase
from helpdesk_daemon.adapters.store.upkeep.erase import find, remove
from helpdesk_daemon.adapters.store.views.reading import ticket as find_ticket
from helpdesk_daemon.adapters.store.views.reading import ticket_list
from helpdesk_daemon.adapters.templates import Templates
from helpdesk_daemon.app import running
from helpdesk_daemon.assembly import Parts
from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.ports import Change
from helpdesk_daemon.settings import load_settings
from helpdesk_daemon.stages.desks import Desks
from helpdesk_daemon.stages.sla import APART, PATIENCE, Sla
from helpdesk_daemon.tickets.ticket import State
from helpdesk_daemon.wiring.desks import desk_of
from helpdesk_daemon.wiring.places import shipped
from tests.contract.rows import (
    BOX,
    CUSTOMER,
    FOLDER,
    START,
    Database,
    Hands,
    cursor,
    ignored,
    kept,
    outcome,
    stored,
    ticket,
    ticket_id,
)
from tests.harness.fakes import HashEmbedder
from tests.harness.sink import Mail, Sink
from tests.harness.world import rows, write_settings

# The tickets of tests.contract.rows: received on a Sunday, 09:30 UTC, for the Billing Team, 24 hours.
DUE = START + timedelta(hours=24)
TERMS = """
[calendar.office]
zone = "Europe/Berlin"
hours = { mon-fri = "09:00-17:00" }
[priority.High]
sla_hours = 2
"""
BILLING = 'escalation = ["boss@helpdesk.example", "deputy@helpdesk.example"]'


class Bench:
    """The stage on a real database, with a clock turned by hand and rules written by the test."""

    def __init__(self, folder: Path) -> None:
        settings = load_settings(write_settings(folder, "maildir:inbox", 1))
        settings.data_dir.mkdir()
        self.db = Database(settings.data_dir / "helpdesk.db")
        self.clock, self.runner, self.lane = self.db.clock, asyncio.Runner(), Lane("db")
        self._folder, self._settings, self._signer = folder, settings, load_signer(settings.data_dir)
        self.rules(**{'department."Billing Team"': BILLING})
        self.start()

    def start(self) -> None:
        """A new stage, as after a restart."""
        self.store = SlaOnDatabase(self.db.engine, self.clock)
        self.woken = 0
        self.stage = Sla(self.store, lambda: self.desks, self.clock, self.lane, self._wake, [BOX])

    def _wake(self) -> None:
        self.woken += 1

    def rules(self, **tables: str) -> None:
        """The shipped rules with more lines in some tables."""
        words = shipped("rules/routing.toml").read_text() + TERMS
        for name, more in tables.items():
            words = words.replace(f"[{name}]\n", f"[{name}]\n{more}\n")
        path = self._folder / "routing.toml"
        path.write_text(words)
        self.desks = Desks({BOX: desk_of(self._settings, load_routing(path), self._signer)})

    def look(self, at: datetime | None = None) -> list[tuple[str, str]]:
        """Look at a moment; recipient and subject of each mail that led to."""
        self.clock.at = at or self.clock.at
        last = self.db.one("select coalesce(max(id), 0) from outbox")
        self.runner.run(self.stage.look())
        mails = self.db.rows("select recipient, mime from outbox where id > :last order by id", last=last)
        return [(row["recipient"], str(Mail("", "", row["mime"]).message["Subject"])) for row in mails]

    def change(self, number: int, at: datetime, state: State | None = None, mail: bool = True, **columns: Any) -> None:
        """A mail, or a command, that changes a ticket."""
        (arrival,) = self.db.arrive(1, 100_000 + self.db.one("select count(*) from arrivals"))
        self.db.decisions.claim(1)
        answer = columns.pop("answer", False)
        change = Change(ticket_id(number), state, first_answer_at=at if answer else None)
        self.db.decisions.commit(
            [ignored(arrival, state="reply", ticket=ticket_id(number), change=change,
                     message=replace(stored(number), at=at) if mail else None)]
        )  # fmt: skip
        for name, value in columns.items():  # what other parts may change along with it
            self.db.write(f"update tickets set {name} = :value where id = :id", value=value, id=ticket_id(number))

    def sla(self, number: int = 1) -> dict[str, Any]:
        (row,) = self.db.rows("select * from v_sla where id = :id", id=ticket_id(number))
        return row

    def events(self, *, of: str = "%") -> list[str]:
        wanted = "select event from audit_log where event like :of and event not like 'ticket.opened' order by seq"
        return [row["event"] for row in self.db.rows(wanted, of=of)]

    def close(self) -> None:
        self.runner.close()
        self.lane.close()
        self.db.engine.dispose()


def body(mime: bytes) -> str:
    """The text of a mail."""
    return bytes(Mail("", "", mime).message.get_payload(decode=True)).decode()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


REMINDER = [("billing@helpdesk.example", "Billing Team: a ticket is due soon")]
ESCALATION = [
    ("boss@helpdesk.example", "Billing Team: a ticket is overdue"),
    ("deputy@helpdesk.example", "Billing Team: a ticket is overdue"),
]


def test_a_reminder_at_three_quarters_and_an_escalation_at_breach_once_each(bench: Bench) -> None:
    bench.db.open_ticket(1)
    told = {}
    for minutes in range(0, 26 * 60, 15):
        if mails := bench.look(START + timedelta(minutes=minutes)):
            told[minutes / 60] = mails
    assert told == {18.0: REMINDER, 24.0: ESCALATION}
    assert bench.woken == 2
    row = bench.sla()
    assert (row["response"], row["response_due_at"]) == ("missed", "2026-11-23T09:30:00.123Z")
    assert bench.events(of="ticket.%ed")[-2:] == ["ticket.reminded", "ticket.escalated"]
    assert "response.missed" in bench.events()
    assert [t["response"] for t in ticket_list(bench.db.engine, 9, missed=True)] == ["missed"]
    story = find_ticket(bench.db.engine, ticket_id(1))
    assert story
    assert story["sla"]["response_escalated_at"] == DUE


def test_an_answer_in_time_is_kept_however_late_it_is_decided(bench: Bench) -> None:
    bench.db.open_ticket(1)
    assert bench.look(START) == []
    bench.clock.at = DUE + timedelta(days=7)
    bench.change(1, DUE - timedelta(minutes=1), State.WAITING, answer=True)
    assert bench.look() == []
    assert bench.sla()["response"] == "kept"
    assert ticket_list(bench.db.engine, 9, missed=True) == []
    assert bench.db.rows("select month, department, answered_in_time, response_percent from v_sla_kept") == [
        {"month": "2026-11", "department": "Billing Team", "answered_in_time": 1, "response_percent": 100.0}
    ]


def test_a_resolution_pauses_while_we_wait_for_the_customer(bench: Bench) -> None:
    bench.rules(**{'department."Billing Team"': f"{BILLING}\nresolution_hours = 40"})
    bench.db.open_ticket(1)
    bench.look(START)
    assert bench.sla()["resolution_due_at"] == "2026-11-24T01:30:00.123Z"
    bench.change(1, START + timedelta(hours=10), State.WAITING, answer=True)
    assert bench.look(START + timedelta(days=20)) == []
    assert (bench.sla()["resolution"], bench.sla()["resolution_due_at"]) == ("paused", None)
    bench.change(1, START + timedelta(days=20), State.OPEN)
    assert bench.look(START + timedelta(days=20, hours=19)) == []
    assert bench.sla()["resolution_due_at"] == "2026-12-13T15:30:00.123Z"  # 30 hours were left
    assert bench.look(START + timedelta(days=20, hours=20)) == REMINDER
    bench.change(1, START + timedelta(days=20, hours=29), State.CLOSED)
    assert bench.look(START + timedelta(days=30)) == []
    assert bench.sla()["resolution"] == "kept"
    assert bench.events(of="resolution.%") == ["resolution.paused", "resolution.resumed", "resolution.kept"]


def test_a_reopened_ticket_goes_on_where_it_stopped(bench: Bench) -> None:
    bench.rules(**{'department."Billing Team"': f"{BILLING}\nresolution_hours = 40"})
    bench.db.open_ticket(1)
    bench.change(1, START + timedelta(hours=10), State.WAITING, answer=True)
    bench.change(1, START + timedelta(hours=11), State.CLOSED, mail=False)
    bench.look()
    assert bench.sla()["resolution"] == "kept"
    bench.change(1, START + timedelta(days=9), State.OPEN)
    bench.look(START + timedelta(days=9))
    assert (bench.sla()["resolution"], bench.sla()["closed_at"]) == ("running", None)
    assert bench.sla()["resolution_due_at"] == "2026-12-02T15:30:00.123Z"


def test_a_thousand_overdue_tickets_are_one_mail_a_department(bench: Bench) -> None:
    for first in range(1, 1_001, 250):
        arrivals = bench.db.arrive(250, first)
        bench.db.decisions.claim(250)
        made = []
        for number, arrival in enumerate(arrivals, first):
            opened = ticket(number) if number % 2 else ticket(number, department="Engineering", address="eng@x.example")
            made.append(outcome(arrival, number, opened=opened, outgoing=(), buckets={}, audit=()))
        bench.db.decisions.commit(made)
    statements: list[str] = []
    event.listen(bench.db.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    mails = bench.look(START + timedelta(days=7))
    assert mails == [
        ("boss@helpdesk.example", "Billing Team: 500 tickets are overdue"),
        ("deputy@helpdesk.example", "Billing Team: 500 tickets are overdue"),
        ("eng@x.example", "Engineering: 500 tickets are overdue"),
    ]
    assert len(statements) < 30, "a look asks a few questions, however many tickets are due"
    assert len(bench.events(of="ticket.escalated")) == 1_000
    text = body(bench.db.rows("select mime from outbox")[0]["mime"])
    assert "… and 450 more" in text
    bench.start()
    assert bench.look(START + timedelta(days=8)) == []
    assert bench.db.one("select count(*) from sla where next_at is not null") == 0


def test_what_is_due_is_found_by_its_index(bench: Bench) -> None:
    plan = bench.db.rows("explain query plan select * from sla where next_at <= '2026' order by next_at, ticket")
    assert "sla_next" in plan[0]["detail"]


def test_tickets_that_fall_due_one_by_one_wait_for_each_other(bench: Bench) -> None:
    for number in range(1, 31):
        bench.db.open_ticket(number, opened=ticket(number, created_at=START + timedelta(minutes=number)))
    told = [m for minute in range(61) for m in bench.look(DUE + timedelta(minutes=minute)) if m[0].startswith("boss")]
    assert [subject for _, subject in told] == [
        "Billing Team: a ticket is overdue",
        f"Billing Team: {APART // timedelta(minutes=1)} tickets are overdue",
        "Billing Team: 14 tickets are overdue",
    ]
    assert len(bench.events(of="ticket.escalated")) == 30


def test_a_restart_repeats_nothing_and_forgets_nothing(bench: Bench) -> None:
    bench.db.open_ticket(1)
    assert bench.look(START + timedelta(hours=19)) == REMINDER
    bench.start()
    assert bench.look() == []
    bench.start()
    assert bench.look(DUE) == ESCALATION
    bench.start()
    assert bench.look(DUE + timedelta(days=1)) == []


def test_further_mail_on_a_ticket_does_not_repeat_what_was_told(bench: Bench) -> None:
    bench.db.open_ticket(1)
    assert bench.look(START + timedelta(hours=19)) == REMINDER
    bench.change(1, START + timedelta(hours=20))
    assert bench.look(START + timedelta(hours=20)) == []
    assert bench.look(DUE) == ESCALATION
    bench.change(1, DUE + timedelta(hours=1))
    assert bench.look(DUE + timedelta(hours=1)) == []


@pytest.mark.parametrize("days", [1, 400])
def test_a_clock_that_jumps_ahead_and_back_tells_nobody_twice(bench: Bench, days: int) -> None:
    bench.db.open_ticket(1)
    bench.look(START)
    assert bench.look(START + timedelta(days=days)) == ESCALATION
    bench.start()
    assert [bench.look(START + timedelta(hours=hour)) for hour in range(0, 72, 3)] == [[]] * 24
    bench.db.open_ticket(2)  # whatever was told while the clock was wrong holds back nothing now
    assert bench.look(DUE + timedelta(hours=1)) == ESCALATION


def test_a_clock_that_was_set_back_is_late_but_misses_nothing(bench: Bench) -> None:
    bench.db.open_ticket(1)
    bench.look(START + timedelta(hours=2))
    bench.change(1, START - timedelta(days=3), State.WAITING)  # while the clock stands three days back
    bench.change(1, START - timedelta(days=2), State.OPEN)
    assert bench.look(START - timedelta(days=2)) == []
    assert bench.look(START + timedelta(hours=18)) == REMINDER
    assert bench.look(DUE) == ESCALATION


def test_another_department_is_told_anew_in_its_own_calendar(bench: Bench) -> None:
    bench.rules(**{'department."Engineering"': "", "department.Engineering": 'calendar = "office"'})
    bench.db.open_ticket(1)
    assert len(bench.look(DUE)) == 1
    bench.change(1, DUE, None, department="Engineering", address="eng@helpdesk.example", category="Bug", sla_hours=8.0)
    assert bench.look() == []
    row = bench.db.rows("select due_at, zone, sla_hours from tickets")[0]
    assert row == {"due_at": "2026-11-23T16:00:00.000Z", "zone": "Europe/Berlin", "sla_hours": 8.0}
    assert bench.events(of="due.moved") == ["due.moved"]
    assert bench.look(DUE + timedelta(hours=5)) == [("eng@helpdesk.example", "Engineering: a ticket is due soon")]
    assert bench.look(DUE + timedelta(hours=7)) == [("eng@helpdesk.example", "Engineering: a ticket is overdue")]
    text = body(bench.db.rows("select mime from outbox order by id desc")[0]["mime"])
    assert "answer was due Monday, 23 November 2026, 17:00 CET" in text


def test_another_priority_brings_its_own_hours(bench: Bench) -> None:
    bench.db.open_ticket(1)
    bench.look(START)
    bench.change(1, START, None, priority="High", sla_hours=2.0)
    assert bench.look(START + timedelta(minutes=5)) == []
    assert bench.db.rows("select sla_hours, due_at from tickets") == [
        {"sla_hours": 2.0, "due_at": "2026-11-22T11:30:00.123Z"}
    ]
    bench.look(START + timedelta(minutes=6))
    assert bench.look(START + timedelta(minutes=91)) == REMINDER


def test_a_calendar_that_is_edited_holds_for_tickets_that_are_open(bench: Bench) -> None:
    bench.db.open_ticket(1)
    bench.look(START)
    bench.rules(**{'department."Billing Team"': f'{BILLING}\ncalendar = "office"'})
    assert bench.look(START + timedelta(minutes=1)) == []
    assert bench.sla()["calendar"] == "office"
    assert bench.sla()["response_due_at"] == "2026-11-25T16:00:00.000Z"  # three days of eight hours


def test_a_ticket_that_changes_during_a_look_is_looked_at_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.db.open_ticket(1)
    settle, overtaken = bench.store.settle, list[bool]()

    def late(*arguments: Any) -> bool:
        if not overtaken:
            bench.change(1, DUE - timedelta(hours=1), State.WAITING, answer=True)
        overtaken.append(settle(*arguments))
        return overtaken[-1]

    monkeypatch.setattr(bench.store, "settle", late)
    assert bench.look(DUE) == []
    assert overtaken == [False, True]
    assert bench.sla()["response"] == "kept"


def test_a_ticket_closed_in_the_database_is_left_alone(bench: Bench) -> None:
    bench.db.open_ticket(1)
    bench.look(START)
    bench.db.write("update tickets set state = 'closed', closed_at = '2026-11-22T12:00:00.000Z'")
    assert bench.look(DUE) == []
    assert bench.sla()["response"] == "kept"


def test_after_a_start_answers_are_read_first(bench: Bench) -> None:
    bench.db.open_ticket(1)
    bench.clock.at = DUE + timedelta(days=7)

    async def play() -> list[int]:
        outbox = []
        running = asyncio.create_task(bench.stage.run())

        async def woken() -> None:
            bench.stage.wake()
            for _ in range(20):
                await bench.lane(lambda: None)
            outbox.append(int(await bench.lane(bench.db.one, "select count(*) from outbox where kind = 'notice'")))

        await woken()  # its mailbox was not read since the start
        bench.clock.turn(seconds=1)
        bench.db.arrivals.record(BOX, FOLDER, cursor(2), [kept(2)])
        bench.db.arrivals.note_poll(BOX, FOLDER)
        await woken()  # it was, but a mail is not decided
        bench.db.write("update arrivals set state = 'ignored'")
        await woken()
        bench.stage.stop()
        await running
        return outbox

    assert bench.runner.run(play()) == [0, 0, 2]


def test_a_mailbox_that_cannot_be_read_does_not_hold_up_escalations_for_long(bench: Bench) -> None:
    since = bench.clock.at
    assert bench.runner.run(bench.stage._is_behind(since))
    bench.clock.at += PATIENCE
    assert not bench.runner.run(bench.stage._is_behind(since))
    bench.clock.at = since - timedelta(days=1)
    assert not bench.runner.run(bench.stage._is_behind(since))


def test_erasing_a_customer_takes_promises_and_what_escalations_quote(bench: Bench) -> None:
    bench.rules(**{'department."Billing Team"': "resolution_hours = 40"})
    bench.db.open_ticket(1)
    bench.db.open_ticket(2, opened=ticket(2, requester_email="ken@customer.example"))
    bench.change(1, START, State.WAITING)
    bench.change(1, START + timedelta(hours=1), State.OPEN)
    bench.look(DUE + timedelta(hours=2))
    bench.db.write("update outbox set state = 'sent'")
    quoted = "select count(*) from outbox where kind = 'notice' and instr(mime, 'Invoice 1') > 0"
    assert bench.db.one(quoted) == 1
    found = find(bench.db.engine, CUSTOMER)
    remove(bench.db.engine, bench.clock, CUSTOMER, found, "digest", "operator")
    assert bench.db.one(quoted) == 0
    assert bench.db.rows("select ticket from sla") == [{"ticket": ticket_id(2)}]
    assert bench.db.one("select count(*) from sla_pauses") == 0


def test_a_template_that_breaks_stops_nothing_and_marks_nothing(bench: Bench) -> None:
    bench.db.open_ticket(1)
    good = bench.desks
    composer = replace(good.first.composer, render=Templates([]))
    bench.desks = Desks({BOX: replace(good.first, composer=composer)})
    assert bench.look(DUE) == []
    bench.desks = good
    assert bench.look(DUE) == ESCALATION


RULES = """
[triage]
department = "Desk"
priority = "High"
sla_hours = 4
calendar = "office"
[category.Any]
department = "Desk"
priority = "High"
sla_hours = 4
[department.Desk]
address = "desk@team.example"
agents = ["@team.example"]
escalation = "boss@team.example"
[calendar.office]
zone = "Asia/Tokyo"
"""


def test_the_daemon_reminds_and_escalates_over_smtp(tmp_path: Path, sink: Sink) -> None:
    (tmp_path / "routing.toml").write_text(RULES)
    path = write_settings(tmp_path, "maildir:inbox", sink.port, more='rules = "routing.toml"')
    mail = b"From: Ada <ada@customer.example>\r\nTo: support@helpdesk.example\r\nSubject: Black screen\r\n\r\nHelp!\r\n"
    deliver(tmp_path / "inbox", mail)
    clock = Hands(datetime.now(UTC))
    for hours in (0, 3.1, 4.1, 4.1):
        clock.turn(hours=hours)
        with running(load_settings(path), Parts(embedder=HashEmbedder(), clock=clock)) as (app, runner):
            runner.run(app.once())
    told = [(m.recipient, str(m.message["Subject"])) for m in sink.mails if m.message["Auto-Submitted"]]
    assert [to for to, _ in told] == [
        "desk@team.example",
        "ada@customer.example",
        "desk@team.example",
        "boss@team.example",
    ]
    assert [subject for _, subject in told[2:]] == ["Desk: a ticket is due soon", "Desk: a ticket is overdue"]
    (due,) = {row["response_due_at"] for row in rows(tmp_path, "select response_due_at from v_sla")}
    shown = f"{datetime.fromisoformat(due).astimezone(ZoneInfo('Asia/Tokyo')):%A, %-d %B %Y, %H:%M} JST"
    for mail_ in sink.mails:
        texts = [part for part in mail_.message.walk() if part.get_content_type() == "text/plain"]
        assert shown in " ".join(bytes(texts[0].get_payload(decode=True)).decode().split()), mail_.message["Subject"]
