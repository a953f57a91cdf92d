"""The daily digest: when it is made, what it tells, and that no restart makes it twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from helpdesk_daemon.adapters.keys import load_signer
from helpdesk_daemon.adapters.store.telling.digests import Digests
from helpdesk_daemon.adapters.store.telling.incidents import Incidents
from helpdesk_daemon.app import running
from helpdesk_daemon.assembly import Parts
from helpdesk_daemon.errors import ConfigError, StoreError
from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.ports import Incident
from helpdesk_daemon.settings import load_settings
from helpdesk_daemon.stages.digest import Digest
from helpdesk_daemon.wiring.accounts import digest_plan_of
from helpdesk_daemon.wiring.desks import desk_of, routing_of
from tests.contract.rows import Database, Hands, ignored, ticket_id
from tests.harness.dovecot import free_port
from tests.harness.fakes import HashEmbedder
from tests.harness.sink import Mail, Sink
from tests.harness.world import write_settings

OPERATOR = "operator@helpdesk.example"
FIRST = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


class Bench:
    """A digest on a real database, and a clock that is turned by hand."""

    def __init__(self, folder: Path, digest: str) -> None:
        self.settings = load_settings(write_settings(folder, "maildir:inbox", free_port(), more=f"[digest]\n{digest}"))
        self.settings.data_dir.mkdir(exist_ok=True)
        self.db = Database(self.settings.data_dir / "helpdesk.db")
        self.clock, self.runner, self.lane, self.told = self.db.clock, asyncio.Runner(), Lane("db"), list[int]()
        self.clock.at = FIRST
        self.desk = desk_of(self.settings, routing_of(self.settings), load_signer(self.settings.data_dir))
        self.store = Digests(self.db.engine, self.clock)

    def look(self) -> None:
        """One look of a digest that has just started: nothing is kept but in the database."""
        digest = Digest(digest_plan_of(self.settings), self.store, lambda: self.desk, self.clock, self.lane,
                        lambda: self.told.append(1))  # fmt: skip
        self.runner.run(digest.look())

    def mails(self) -> list[Mail]:
        found = self.db.rows("select recipient, mime from outbox where kind = 'digest' order by id")
        return [Mail("", row["recipient"], row["mime"]) for row in found]

    def last(self) -> Mail:
        return self.mails()[-1]

    def close(self) -> None:
        self.runner.close()
        self.lane.close()
        self.db.engine.dispose()


Make = Callable[..., Bench]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Bench] = []

    def bench(digest: str = 'zone = "Europe/Berlin"') -> Bench:
        made.append(Bench(tmp_path, digest))
        return made[-1]

    yield bench
    for one in made:
        one.close()


def part(mail: Mail, kind: str) -> Any:
    return next(p for p in mail.message.walk() if p.get_content_type() == kind)


def test_a_digest_a_day_at_the_local_hour_whatever_looks_and_restarts_there_are(make: Make) -> None:
    bench = make()
    made = []
    for _ in range(3 * 24 * 12):
        before = len(bench.mails())
        bench.look()
        if len(bench.mails()) > before:
            made.append(bench.clock.at)
        bench.clock.turn(minutes=5)
    assert [at.astimezone(ZoneInfo("Europe/Berlin")).strftime("%d %H:%M") for at in made] == [
        "23 07:00", "24 07:00", "25 07:00",
    ]  # fmt: skip
    assert len(bench.told) == 3
    assert {mail.recipient for mail in bench.mails()} == {OPERATOR}


def test_one_that_was_missed_is_made_at_the_start_and_tells_of_all_that_time(make: Make) -> None:
    bench = make()
    bench.look()
    bench.clock.turn(days=5)
    bench.look()
    bench.look()
    assert len(bench.mails()) == 1
    text = part(bench.last(), "text/plain").get_payload(decode=True).decode()
    assert text.startswith(
        "Example Support: Sunday, 22 November 2026, 10:30 CET to Friday, 27 November 2026, 10:30 CET"
    )
    bench.clock.turn(hours=22)
    bench.look()
    assert len(bench.mails()) == 2, "and the next one in its time"


def test_clocks_that_jump_make_none_twice_and_end_none(make: Make) -> None:
    bench = make()
    bench.look()
    bench.clock.at = datetime(2026, 11, 23, 6, 0, 10, tzinfo=UTC)
    bench.look()
    bench.clock.turn(hours=-3)
    bench.look()
    bench.clock.turn(hours=3, seconds=-5)
    bench.look()
    assert len(bench.mails()) == 1
    bench.clock.turn(days=4_000)
    bench.look()
    assert len(bench.mails()) == 2
    bench.clock.turn(days=-3_999)
    bench.look()
    assert len(bench.mails()) == 3, "a wrong clock silences nothing"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC"])
@pytest.mark.parametrize("begin", [datetime(2026, 3, 26, tzinfo=UTC), datetime(2026, 10, 23, tzinfo=UTC)])
def test_a_changed_clock_skips_no_day(make: Make, zone: str, begin: datetime) -> None:
    bench = make(f'zone = "{zone}"\nat = "02:30"')
    plan = digest_plan_of(bench.settings)
    days = [plan.day(begin + timedelta(minutes=10 * n)) for n in range(6 * 24 * 12)]
    steps = {after - before for before, after in pairwise(days)}
    assert steps == {timedelta(0), timedelta(days=1)}
    for day, start, end in plan.days(begin + timedelta(days=5)):
        assert timedelta(hours=22) < end - start < timedelta(hours=26)
        assert start.astimezone(ZoneInfo(zone)).date() == day


def test_what_it_tells(make: Make) -> None:
    bench = make('to = ["a@people.example", "b@people.example"]')
    db = bench.db
    db.open_ticket(1)  # before the first digest: told by none
    bench.clock.turn(minutes=1)
    bench.look()
    bench.clock.turn(hours=1)
    for number in (2, 3, 4):
        db.open_ticket(number)
    opened = (bench.clock.at + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    db.write("update tickets set created_at = :at where id <> :id", at=opened, id=ticket_id(1))
    (number,) = db.arrive(1, 9)
    db.decisions.claim(1)
    db.decisions.commit([ignored(number)])
    db.arrive(1, 10)
    db.write("update tickets set needs_review = 1 where id = :id", id=ticket_id(2))
    db.write("update decisions set actor = 'agent@helpdesk.example' where ticket = :id", id=ticket_id(3))
    due = (bench.clock.at + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    db.write("update tickets set due_at = :due", due=due)
    early = (bench.clock.at + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    late = (bench.clock.at + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    db.write("update tickets set first_answer_at = :at, state = 'waiting' where id = :id", at=early, id=ticket_id(2))
    db.write("update tickets set first_answer_at = :at, state = 'closed' where id = :id", at=late, id=ticket_id(3))
    db.write("update outbox set state = 'failed' where ticket = :id and kind = 'forward'", id=ticket_id(4))
    db.write("insert into suppressions (email, reason, at) values ('dead@c.example', 'no such user', :at)", at=early)
    since = bench.clock.at
    told = Incident(0, "disk.full", "", "The disk is nearly full", "p", "m", since, opened_at=since)
    Incidents(db.engine, bench.clock).settle([told], [], [], [])
    bench.clock.turn(days=1)
    bench.look()
    assert [mail.recipient for mail in bench.mails()] == ["a@people.example", "b@people.example"]
    mail = bench.last()
    assert mail.message["Subject"] == "Digest: 3 tickets, 1 to review, 3 answered late or not at all"
    assert (mail.message["Auto-Submitted"], mail.message["X-Auto-Response-Suppress"]) == ("auto-generated", "All")
    text = part(mail, "text/plain").get_payload(decode=True).decode()
    head = db.rows("select seq, hash from audit_log where event <> 'digest.made' order by seq desc limit 1")[0]
    for line in (
        "Tickets       3, 1 to review (33 %)",
        "Other mail    0 replies, 1 ignored, 0 quarantined, 1 not decided yet",
        "Corrections   1",
        "Promises      1 kept, 3 missed; 2 tickets are overdue now",
        "Suppressed    1 new, 1 in all",
        "Needs you     1 outgoing failed: helpdesk-daemon outbox list",
        f"  {ticket_id(4)}    24.0 h  no answer  Billing Team: Invoice 4",
        "  dead@c.example: no such user",
        "  The disk is nearly full",
        "  Sun 22 Nov     4 ██████████████████████▒▒▒▒▒▒▒▒",
        f"Audit log: row {head['seq']}, {head['hash']}",
    ):
        assert line in text.splitlines(), (line, text)
    html = part(mail, "text/html").get_payload(decode=True).decode()
    assert "<strong>3</strong>, 1 to review (33 %)" in html
    picture = part(mail, "image/png")
    assert f'src="cid:{picture["Content-ID"].strip("<>")}"' in html
    assert picture.get_payload(decode=True).startswith(b"\x89PNG")
    assert str(picture["Content-Disposition"]).startswith("inline")


@pytest.mark.parametrize("change", ["merged_into = 'HD-00000002'", "tags = '[\"spam\"]'"])
def test_promises_on_spam_and_merged_tickets_do_not_count(make: Make, change: str) -> None:
    bench = make()
    bench.look()
    for number in (1, 2):
        bench.db.open_ticket(number)
    bench.db.write("update tickets set due_at = '2026-11-22T10:00:00.000Z'")
    bench.db.write(f"update tickets set {change} where id = :id", id=ticket_id(1))
    bench.clock.turn(days=1)
    bench.look()
    text = part(bench.last(), "text/plain").get_payload(decode=True).decode()
    assert "Promises      0 kept, 1 missed; 1 tickets are overdue now" in text
    assert ticket_id(1) not in text


def test_a_quiet_day_has_a_digest_too_without_a_chart(make: Make) -> None:
    bench = make()
    bench.look()
    bench.clock.turn(days=1)
    bench.look()
    text = part(bench.last(), "text/plain").get_payload(decode=True).decode()
    assert bench.last().message["Subject"] == "Digest: 0 tickets, 0 to review"
    assert "Tickets       0\n" in text.replace("\r", "")
    assert "by day" not in text
    assert "<img" not in part(bench.last(), "text/html").get_payload(decode=True).decode()


def test_subjects_of_strangers_stay_text(make: Make) -> None:
    bench = make()
    bench.look()
    bench.db.open_ticket(1)
    bench.db.write("update tickets set subject = '<img src=x>', due_at = '2026-11-22T10:00:00.000Z'")
    bench.clock.turn(days=1)
    bench.look()
    assert "&lt;img src=x&gt;" in part(bench.last(), "text/html").get_payload(decode=True).decode()


def test_it_can_be_switched_off_and_needs_somebody_to_read_it(make: Make) -> None:
    off, nobody = make('at = ""'), make()
    nobody.settings.operator = None
    for bench in (off, nobody):
        bench.look()
        bench.clock.turn(days=2)
        bench.look()
        assert bench.mails() == []
        assert bench.db.rows("select * from digests") == []


def test_one_that_fails_stops_nothing_but_a_broken_database_does(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = make()
    bench.look()
    bench.clock.turn(days=1)

    def broken(error: Exception) -> Callable[..., object]:
        def figures(*_: object) -> object:
            raise error

        return figures

    monkeypatch.setattr(bench.store, "figures", broken(ValueError("a bug")))
    bench.look()
    assert bench.mails() == []
    monkeypatch.setattr(bench.store, "figures", broken(StoreError("the disk is gone")))
    with pytest.raises(StoreError):
        bench.look()
    monkeypatch.undo()
    bench.look()
    assert len(bench.mails()) == 1, "made once it can be"


def test_the_day_is_noted_together_with_the_mails(make: Make) -> None:
    bench = make()
    bench.look()
    bench.clock.turn(days=1)
    bench.look()
    day = date(2026, 11, 23)
    mails = [bench.desk.composer.quarantined(1, b"x", "y", bench.desk.routing.triage.department, FIRST)]
    assert bench.store.keep(day, FIRST, mails) is False
    assert bench.db.one("select count(*) from outbox") == 1
    assert bench.db.one("select count(*) from audit_log where event = 'digest.made'") == 1


def test_no_address_that_is_read_gets_it(tmp_path: Path) -> None:
    settings = write_settings(tmp_path, "maildir:inbox", 25, more='[digest]\nto = ["support@helpdesk.example"]')
    with pytest.raises(ConfigError, match=r"digest\.to"):
        load_settings(settings)


@pytest.mark.parametrize(
    "wrong", ['at = "7"', 'at = "24:00"', 'zone = "Berlin"', 'zone = "../etc/passwd"', 'to = ["x"]']
)
def test_wrong_settings_are_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ConfigError, match="digest"):
        load_settings(write_settings(tmp_path, "maildir:inbox", 25, more=f"[digest]\n{wrong}"))


def test_once_sends_it_and_restarts_send_no_second(tmp_path: Path, sink: Sink) -> None:
    settings, clock = write_settings(tmp_path, "maildir:inbox", sink.port, more='[digest]\nat = "07:00"'), Hands(FIRST)
    for _ in range(3):
        with running(load_settings(settings), Parts(embedder=HashEmbedder(), clock=clock)) as (app, runner):
            runner.run(app.once())
        clock.turn(hours=12)
    subjects = [str(mail.message["Subject"]) for mail in sink.mails if mail.recipient == OPERATOR]
    assert subjects == ["Digest: 0 tickets, 0 to review"]
