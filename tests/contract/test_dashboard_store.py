"""What the dashboard reads: counters that agree with the tables, whatever happens to them; indexes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, text

from helpdesk_daemon.adapters.store.engine import open_engine, transaction
from helpdesk_daemon.adapters.store.upkeep import erase
from helpdesk_daemon.adapters.store.views.dashboard import Dashboard
from helpdesk_daemon.ports.dashboard import SOON, Group, Picture
from tests.contract.rows import CUSTOMER, START, Database, ticket
from tests.harness.crowd import fill

OPEN_ONLY = ("tickets_review_page", "tickets_unanswered")  # indexes that hold nothing of what is over
TRUTH = """
    select 'ticket' as what, substr(created_at, 1, 13) as hour, department, category as name, count(*) as count
    from tickets group by 1, 2, 3, 4
    union all
    select 'review', substr(created_at, 1, 13), department, category, count(*) from tickets where needs_review
    group by 1, 2, 3, 4
    union all
    select case d.needs_review when 1 then 'doubted' else 'sure' end, substr(t.created_at, 1, 13), '',
           printf('%02d', min(cast(d.confidence * 20 as integer), 19)), count(*)
    from decisions d join tickets t on t.id = d.ticket where d.actor = 'daemon' group by 1, 2, 3, 4
    union all
    select response, substr(started_at, 1, 13), department, '', count(*) from sla where response in ('kept', 'missed')
    group by 1, 2, 3, 4
"""


@pytest.fixture
def reads(db: Database) -> Iterator[Dashboard]:
    engine = open_engine(db.path, readonly=True)
    yield Dashboard(engine)
    engine.dispose()


def check_counters(db: Database) -> None:
    """The counters say what counting would say."""
    kept = {tuple(row.values()) for row in db.rows("select what, hour, department, name, count from hourly") if
            row["count"]}  # fmt: skip
    assert kept == {tuple(row.values()) for row in db.rows(TRUTH)}
    assert kept


def test_counters_follow_whatever_happens_to_tickets(db: Database) -> None:
    fill(db.engine, START, 300, days=3)
    check_counters(db)
    for statement in (
        "update tickets set category = 'Billing', department = 'Finance', needs_review = 0 where id like '%7'",
        "update tickets set needs_review = 1 - needs_review where id like '%3'",
        "update tickets set state = 'closed' where id like '%2'",
        "update sla set response = 'missed' where ticket like '%1'",
        "update sla set response = 'running' where ticket like '%4'",
        "update sla set department = 'Elsewhere' where ticket like '%5'",
    ):
        db.write(statement)
        check_counters(db)


def test_counters_forget_a_person_who_is_erased(db: Database) -> None:
    db.open_ticket(1)
    db.open_ticket(2, opened=ticket(2, requester_email="ken@customer.example"), participants=("ken@customer.example",))
    before = db.one("select sum(count) from hourly where what = 'ticket'")
    found = erase.find(db.engine, CUSTOMER)
    erase.remove(db.engine, db.clock, CUSTOMER, found, "digest", "tester")
    assert (before, db.one("select sum(count) from hourly where what = 'ticket'")) == (2, 1)
    check_counters(db)


def test_a_picture_counts_what_the_tables_hold(db: Database, reads: Dashboard) -> None:
    fill(db.engine, START, 1_500, days=5)
    midnight = START.replace(hour=0, minute=0, second=0, microsecond=0)
    today, week = reads.picture(START, 1), reads.picture(START, 7)
    assert (len(today.counts), len(week.counts)) == (24, 7)
    assert sum(c.tickets for c in week.counts) == 1_500
    assert today.counts[0].since == midnight
    assert sum(c.tickets for c in today.counts) == count(db, "created_at >= :m", m=iso(midnight)) > 0
    assert today.before[0] == count(
        db, "created_at >= :a and created_at < :b", a=iso(midnight - timedelta(days=1)), b="2026-11-21T09"
    )
    assert sum(c.tickets for day in week.week for c in day) == 1_500
    assert sum(week.sure) + sum(week.doubted) == 1_500
    assert sum(c.kept + c.missed for c in week.counts) == db.one("select count(*) from sla where response <> 'running'")
    unanswered = "first_answer_at is null and state in ('new', 'open')"
    overdue = count(db, f"{unanswered} and due_at <= :now", now=iso(START))
    then = iso(START + SOON)
    soon = count(db, f"{unanswered} and due_at > :now and due_at <= :then", now=iso(START), then=then)
    assert (sum(g.overdue for g in week.departments), sum(g.soon for g in week.departments)) == (overdue, soon)
    assert overdue > 0 < soon
    assert week.reviewing == count(db, "needs_review and state <> 'closed'") > 0
    assert [row["due_at"] for row in week.next_due] == sorted(row["due_at"] for row in week.next_due)
    assert sum(g.tickets for g in week.categories) == 1_500


@pytest.mark.parametrize(
    ("zone", "now", "first", "hours"),
    [
        ("UTC", "2026-11-22T09:30", "2026-11-22T00:00", 24),
        ("Europe/Berlin", "2026-11-22T23:30", "2026-11-22T23:00", 24),
        ("Europe/Berlin", "2026-10-25T12:00", "2026-10-24T22:00", 25),
        ("Europe/Berlin", "2026-03-29T12:00", "2026-03-28T23:00", 23),
        ("Asia/Kolkata", "2026-11-22T09:30", "2026-11-21T18:00", 24),
        ("America/Santiago", "2026-09-06T12:00", "2026-09-06T04:00", 23),
    ],
)
def test_days_are_those_of_the_zone(db: Database, zone: str, now: str, first: str, hours: int) -> None:
    at = datetime.fromisoformat(f"{now}:00+00:00")
    fill(db.engine, at, 200, days=8)
    engine = open_engine(db.path, readonly=True)
    reads = Dashboard(engine, ZoneInfo(zone))
    today, week = reads.picture(at, 1), reads.picture(at, 7)
    engine.dispose()
    assert today.since == datetime.fromisoformat(f"{first}:00+00:00")
    assert len(today.counts) == hours
    assert [len(day) for day in week.week] == [24] * 7
    for shown in (today, week):
        for each in shown.counts:
            between = {"a": iso(each.since), "b": iso(each.until)}
            assert each.tickets == count(db, "created_at >= :a and created_at < :b", **between)
    assert sum(c.tickets for c in week.counts) == sum(c.tickets for day in week.week for c in day) > 0
    assert sum(week.sure) + sum(week.doubted) == sum(c.tickets for c in week.counts)
    assert [sum(c.tickets for c in day) for day in week.week] == [c.tickets for c in week.counts]


def count(db: Database, where: str, **values: Any) -> int:
    found: int = db.one(f"select count(*) from tickets where {where}", **values)
    return found


def iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_a_department_is_shown_while_its_old_tickets_press(db: Database, reads: Dashboard) -> None:
    db.open_ticket(1)
    shown = reads.picture(START + timedelta(days=20), 1)
    assert shown.departments == [Group("Billing Team", overdue=1)]
    assert [c.tickets for c in shown.counts] == [0] * 24


def test_an_empty_database_has_a_picture(reads: Dashboard) -> None:
    shown = reads.picture(START, 30)
    assert isinstance(shown, Picture)
    assert (shown.departments, shown.next_due, shown.reviewing, shown.corrections) == ([], [], 0, 0)


def test_the_mark_moves_with_every_decision(db: Database, reads: Dashboard) -> None:
    marks = [reads.mark()]
    db.open_ticket(1)
    marks.append(reads.mark())
    assert marks[0] != marks[1]
    assert reads.mark() == marks[1]


def test_no_question_walks_through_a_table_that_grows(db: Database, reads: Dashboard) -> None:
    fill(db.engine, START, 50)
    asked: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, values: Any, context: Any, many: bool) -> None:
        asked.append((statement, values))

    event.listen(reads._engine, "before_cursor_execute", note)
    reads.picture(START, 30)
    assert len(asked) > 10
    grows = ("tickets", "arrivals", "outbox", "decisions", "messages", "sla", "audit_log", "hourly")
    with transaction(db.engine) as connection:
        for statement, values in asked:
            plan = [row[3] for row in connection.exec_driver_sql(f"explain query plan {statement}", values)]
            walked = [line for line in plan if line.startswith("SCAN") and line.split()[1] in grows]
            assert all(line.split()[-1] in OPEN_ONLY for line in walked), (statement, plan)


def test_a_newer_schema_counts_what_was_there_before(db: Database) -> None:
    """Filling the counters at the upgrade and keeping them by triggers come to the same."""
    fill(db.engine, START, 120, days=2)
    revision = import_module("helpdesk_daemon.adapters.store.migrations.versions.0020_hourly")
    kept = db.rows("select * from hourly where count > 0 order by 1, 2, 3, 4")
    db.write("delete from hourly")
    for statement in revision._statements():
        if statement.startswith("insert"):
            with transaction(db.engine) as connection:
                connection.execute(text(statement))
    assert db.rows("select * from hourly order by 1, 2, 3, 4") == kept
