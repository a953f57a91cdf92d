"""What the four stores promise, on a real SQLite file."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.engine import StageLock, open_engine, transaction
from helpdesk_daemon.adapters.store.mail import bounded
from helpdesk_daemon.adapters.store.mail.copies import CopiesToFile
from helpdesk_daemon.adapters.store.migrate import HEAD, SCRIPTS, current, migrate
from helpdesk_daemon.adapters.store.schema import metadata
from helpdesk_daemon.adapters.store.telling.incidents import Incidents
from helpdesk_daemon.errors import AlreadyRunning, StoreError, TransientError
from helpdesk_daemon.outgoing.limits import Bucket
from helpdesk_daemon.outgoing.message import Kind
from helpdesk_daemon.ports import Audit, Change, Cursor, Incident, Question, Quota, Sent
from helpdesk_daemon.tickets.ticket import State
from tests.contract.rows import (
    BOX,
    CUSTOMER,
    FOLDER,
    START,
    Database,
    cursor,
    ignored,
    kept,
    outcome,
    outgoing,
    raw,
    stored,
    ticket,
    ticket_id,
)

# --- the ledger ----------------------------------------------------------------------------------


def test_a_folder_never_seen_has_no_cursor(db: Database) -> None:
    assert db.arrivals.cursor(BOX, FOLDER) is None


def test_a_cursor_comes_back_as_it_was_kept(db: Database) -> None:
    for position in (4, 9):
        db.arrivals.record(BOX, FOLDER, cursor(position), [])
        assert db.arrivals.cursor(BOX, FOLDER) == cursor(position)
    plain = Cursor(1, 0, START)
    db.arrivals.record(BOX, "Other", plain, [])
    assert db.arrivals.cursor(BOX, "Other") == plain
    assert db.arrivals.cursor(BOX, FOLDER) == cursor(9)
    assert db.arrivals.cursor("sales", FOLDER) is None


def test_record_keeps_a_uid_once(db: Database) -> None:
    assert db.arrivals.record(BOX, FOLDER, cursor(2), [kept(1), kept(2)]) == 2
    assert db.arrivals.record(BOX, FOLDER, cursor(3), [kept(1), kept(2), kept(3)]) == 1
    assert db.one("select count(*) from arrivals") == 3
    assert [row["event"] for row in db.rows("select event from audit_log")] == ["message.arrived"] * 3


def test_one_uid_in_another_folder_mailbox_or_uidvalidity_is_another_mail(db: Database) -> None:
    assert db.arrivals.record(BOX, FOLDER, cursor(1), [kept(1)]) == 1
    assert db.arrivals.record(BOX, "Other", cursor(1), [kept(1)]) == 1
    assert db.arrivals.record("sales", FOLDER, cursor(1), [kept(1)]) == 1
    assert db.arrivals.record(BOX, FOLDER, cursor(1, uidvalidity=8), [kept(1)]) == 1


def test_record_keeps_what_was_fetched(db: Database) -> None:
    at = START - timedelta(hours=3)
    mail, digest, identifier = kept(1, at)
    db.arrivals.record(BOX, FOLDER, cursor(1), [(replace(mail, truncated=True), digest, identifier)])
    (row,) = db.rows("select * from arrivals")
    assert (row["state"], row["digest"], row["message_id"], row["size"]) == ("pending", digest, identifier, len(raw(1)))
    assert (row["received_at"], row["fetched_at"]) == ("2026-11-22T06:30:00.123Z", "2026-11-22T09:30:00.123Z")
    (arrival,) = db.decisions.claim(1)
    assert (arrival.raw, arrival.received_at, arrival.truncated, arrival.mailbox) == (raw(1), at, True, BOX)


def test_a_servers_clock_that_runs_ahead_is_capped_at_now(db: Database) -> None:
    db.arrivals.record(BOX, FOLDER, cursor(1), [kept(1, START + timedelta(days=2))])
    assert db.decisions.claim(1)[0].received_at == START


def test_unknown_are_those_not_in_the_ledger_in_their_order(db: Database) -> None:
    db.arrive(3)
    assert db.arrivals.unknown(BOX, FOLDER, 7, ["9", "3", "5", "1", "4"]) == ["9", "5", "4"]
    assert db.arrivals.unknown(BOX, FOLDER, 8, ["1"]) == ["1"]
    assert db.arrivals.unknown(BOX, "Other", 7, ["1"]) == ["1"]
    assert db.arrivals.unknown(BOX, FOLDER, 7, []) == []


def test_unknown_takes_more_uids_than_a_statement_has_variables(db: Database) -> None:
    db.arrive(3)
    many = [str(number) for number in range(1, 40_001)]
    assert db.arrivals.unknown(BOX, FOLDER, 7, many) == many[3:]


def test_mail_is_untouched_until_it_is_touched(db: Database) -> None:
    db.arrive(4)
    assert db.arrivals.untouched(BOX, FOLDER, 7, 3) == ["1", "2", "3"]
    db.arrivals.touched(BOX, FOLDER, 7, ["1", "3"])
    db.arrivals.touched(BOX, FOLDER, 7, ["1", "99"])
    assert db.arrivals.untouched(BOX, FOLDER, 7, 9) == ["2", "4"]
    db.arrivals.touched(BOX, FOLDER, 8, ["2"])
    assert db.arrivals.untouched(BOX, FOLDER, 7, 9) == ["2", "4"]
    assert db.arrivals.untouched(BOX, FOLDER, 8, 9) == []


def test_a_poll_is_noted_with_its_error(db: Database) -> None:
    db.arrivals.note_poll(BOX, FOLDER)
    db.clock.turn(minutes=1)
    db.arrivals.note_poll(BOX, FOLDER, "no such user", refused=True)
    db.clock.turn(minutes=1)
    db.arrivals.note_poll(BOX, FOLDER, "no such host")
    (row,) = db.rows("select polled_at, succeeded_at, failing_since, last_error, refused from mailboxes")
    assert row == {"polled_at": "2026-11-22T09:32:00.123Z", "succeeded_at": "2026-11-22T09:30:00.123Z",
                   "failing_since": "2026-11-22T09:31:00.123Z", "last_error": "no such host", "refused": 1}  # fmt: skip
    db.arrivals.note_poll(BOX, FOLDER)
    (row,) = db.rows("select succeeded_at, failing_since, last_error, refused from mailboxes")
    assert row == {"succeeded_at": "2026-11-22T09:32:00.123Z", "failing_since": None, "last_error": "", "refused": 0}
    db.arrivals.note_poll(BOX, FOLDER, "no such host")
    assert db.one("select refused from mailboxes") == 0


def test_a_first_poll_that_fails_is_noted_too(db: Database) -> None:
    db.arrivals.note_poll(BOX, FOLDER, "refused", refused=True)
    (row,) = db.rows("select failing_since, succeeded_at, refused from mailboxes")
    assert row == {"failing_since": "2026-11-22T09:30:00.123Z", "succeeded_at": None, "refused": 1}


def test_a_quota_is_noted_and_forgotten(db: Database) -> None:
    db.arrivals.note_poll(BOX, FOLDER)
    db.arrivals.note_quota(BOX, FOLDER, Quota(9_000_000_000, 10_000_000_000))
    assert db.rows("select quota_used, quota_limit from mailboxes") == [
        {"quota_used": 9_000_000_000, "quota_limit": 10_000_000_000}
    ]
    db.arrivals.note_quota(BOX, FOLDER, None)
    assert db.one("select quota_limit from mailboxes") is None


# --- claiming ------------------------------------------------------------------------------------


def test_claim_takes_the_oldest_and_counts_an_attempt(db: Database) -> None:
    numbers = db.arrive(5)
    first = db.decisions.claim(3)
    assert [(a.id, a.attempts) for a in first] == [(n, 1) for n in numbers[:3]]
    assert [a.id for a in db.decisions.claim(9)] == numbers[3:]
    assert db.decisions.claim(9) == []


def test_what_is_read_at_once_is_bounded_in_bytes_but_never_nothing(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = db.arrive(4)
    (size,) = {row["size"] for row in db.rows("select size from arrivals")}
    monkeypatch.setattr(bounded, "MOST_BYTES", 2 * size)
    assert [[a.id for a in db.decisions.claim(9)] for _ in range(3)] == [numbers[:2], numbers[2:], []]
    numbers = db.arrive(2, first=9)
    monkeypatch.setattr(bounded, "MOST_BYTES", size - 1)
    assert [[a.id for a in db.decisions.claim(9)] for _ in range(2)] == [[n] for n in numbers]


def test_what_is_sent_and_filed_at_once_is_bounded_in_bytes(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    db.open_ticket(1)
    rows = [(d.id, len(d.mime)) for d in db.outbox.due(9)]
    assert len(rows) == 2
    db.write("update outbox set mailbox = 'support'")
    monkeypatch.setattr(bounded, "MOST_BYTES", sum(size for _, size in rows) - 1)
    assert [d.id for d in db.outbox.due(9)] == [rows[0][0]]
    db.write("update outbox set state = 'sent', sent_at = created_at, copy_state = 'wanted'")
    copies = CopiesToFile(db.engine, db.clock)
    assert [c.id for c in copies.wanted("support", 0, 9)] == [rows[0][0]]
    assert [c.id for c in copies.wanted("support", rows[0][0], 9)] == [rows[1][0]]


def test_a_mail_that_was_tried_before_comes_alone(db: Database) -> None:
    numbers = db.arrive(5)
    db.decisions.claim(5)
    db.decisions.release([numbers[0], numbers[2]], "it broke", count=True)
    db.decisions.release([numbers[1], numbers[3], numbers[4]], "the others", count=False)
    batches = [[(a.id, a.attempts) for a in db.decisions.claim(9)] for _ in range(5)]
    assert batches == [
        [(numbers[0], 2)], [(numbers[1], 1)], [(numbers[2], 2)], [(numbers[3], 1), (numbers[4], 1)], [],
    ]  # fmt: skip


def test_release_with_counting_leaves_the_attempts(db: Database) -> None:
    (number,) = db.arrive()
    for attempt in (1, 2, 3):
        assert [a.attempts for a in db.decisions.claim(1)] == [attempt]
        db.decisions.release([number], f"failure {attempt}", count=True)
    (row,) = db.rows("select state, attempts, last_error from arrivals")
    assert row == {"state": "pending", "attempts": 3, "last_error": "failure 3"}


def test_release_without_counting_takes_the_attempt_back(db: Database) -> None:
    (number,) = db.arrive()
    for _ in range(3):
        assert [a.attempts for a in db.decisions.claim(1)] == [1]
        db.decisions.release([number], "the model is away", count=False)


def test_release_changes_only_what_is_claimed(db: Database) -> None:
    numbers = db.arrive(2)
    db.decisions.claim(1)
    db.decisions.commit([ignored(numbers[0])])
    db.decisions.release(numbers, "too late", count=False)
    assert [(r["state"], r["attempts"]) for r in db.rows("select state, attempts from arrivals order by id")] == [
        ("ignored", 1), ("pending", 0),
    ]  # fmt: skip


def test_recover_gives_back_what_a_dead_process_had_claimed(db: Database) -> None:
    numbers = db.arrive(3)
    db.decisions.claim(2)
    assert db.decisions.recover() == 2
    assert db.decisions.recover() == 0
    assert [(a.id, a.attempts) for a in db.decisions.claim(9)] == [(numbers[0], 2)]


# --- committing ----------------------------------------------------------------------------------


def test_commit_writes_everything_an_arrival_leads_to(db: Database) -> None:
    (number,) = db.arrive()
    db.decisions.claim(1)
    db.decisions.commit([outcome(number, breaker="too many", suppress={"gone@customer.example": "550 no such user"})])
    (row,) = db.rows("select state, reason, ticket, sender, subject, decided_at from arrivals")
    assert row == {"state": "ticket", "reason": "a person", "ticket": ticket_id(1), "sender": CUSTOMER,
                   "subject": "Invoice 1", "decided_at": "2026-11-22T09:30:00.123Z"}  # fmt: skip
    (made,) = db.rows("select * from tickets")
    assert (made["id"], made["state"], made["requester_name"], made["priority"]) == (
        ticket_id(1), "new", "Zoë Hartley", "Medium",
    )  # fmt: skip
    assert made["due_at"] == "2026-11-23T09:30:00.123Z"
    people = [r["email"] for r in db.rows("select email from participants order by email")]
    assert people == ["ken@customer.example", CUSTOMER]
    (message,) = db.rows("select * from messages")
    assert (message["ticket"], message["arrival"], message["new_text"]) == (ticket_id(1), number, "Invoice is wrong.")
    (decided,) = db.rows("select * from decisions")
    assert (decided["category"], decided["confidence"], decided["rule"]) == ("Billing", 0.83, "big customer")
    assert '"similarity": 0.8765' in decided["neighbours"]
    leaving = db.rows("select kind, sender, recipient, state, attempts, ticket from outbox order by id")
    assert [r["kind"] for r in leaving] == ["forward", "acknowledgement"]
    assert leaving[1] == {"kind": "acknowledgement", "sender": "", "recipient": CUSTOMER, "state": "pending",
                          "attempts": 0, "ticket": ticket_id(1)}  # fmt: skip
    events = [(r["event"], r["actor"]) for r in db.rows("select event, actor from audit_log order by seq")]
    assert events == [("message.arrived", "daemon"), ("ticket.opened", "daemon"), ("ticket.decided", "rules")]
    assert db.rows("select scope, tokens from auto_replies order by scope") == [
        {"scope": f"address:{CUSTOMER}", "tokens": 1.0}, {"scope": "all", "tokens": 4.5},
    ]  # fmt: skip
    assert db.one("select reason from breakers where released_at is null") == "too many"
    assert db.rows("select email, reason from suppressions") == [
        {"email": "gone@customer.example", "reason": "550 no such user"}
    ]


def test_a_batch_is_committed_whole_or_not_at_all(db: Database) -> None:
    numbers = db.arrive(2)
    db.decisions.claim(2)
    before = db.counts()
    lost = replace(outcome(numbers[1], 2), message=stored(77))  # a message on a ticket that does not exist
    with pytest.raises(IntegrityError):
        db.decisions.commit([outcome(numbers[0], 1), lost])
    assert db.counts() == before
    assert {r["state"] for r in db.rows("select state from arrivals")} == {"claimed"}


@pytest.mark.parametrize("table", ["participants", "messages", "decisions", "outbox", "audit_log", "audit_detail"])
def test_a_row_that_fails_leaves_nothing_of_its_batch(db: Database, table: str) -> None:
    (number,) = db.arrive()
    db.decisions.claim(1)
    db.write(f"create trigger full before insert on {table} begin select raise(abort, 'no more'); end")
    before = db.counts()
    with pytest.raises((IntegrityError, StoreError, DBAPIError)):
        db.decisions.commit([outcome(number)])
    db.write("drop trigger full")
    assert db.counts() == before
    assert db.one("select state from arrivals") == "claimed"
    db.decisions.commit([outcome(number)])
    assert db.counts()["tickets"] == 1


def test_an_empty_batch_changes_nothing(db: Database) -> None:
    before = db.counts()
    db.decisions.commit([])
    assert db.counts() == before


def test_a_ticket_opens_once(db: Database) -> None:
    numbers = db.arrive(2)
    db.decisions.claim(2)
    with pytest.raises(IntegrityError):
        db.decisions.commit([outcome(numbers[0], 1), outcome(numbers[1], 1)])
    assert db.counts()["tickets"] == 0


def test_a_reply_changes_only_what_it_names(db: Database) -> None:
    db.open_ticket(1)
    (number,) = db.arrive(1, 2)
    db.decisions.claim(1)
    db.clock.turn(hours=1)
    people = ("new@customer.example", CUSTOMER)
    change = Change(ticket_id(1), state=State.WAITING, first_answer_at=db.clock.now(), participants=people)
    db.decisions.commit([ignored(number, state="reply", ticket=ticket_id(1), change=change)])
    (row,) = db.rows("select state, customer_id, first_answer_at, updated_at, closed_at, subject from tickets")
    assert row == {
        "state": "waiting", "customer_id": "<m1@customer.example>", "first_answer_at": "2026-11-22T10:30:00.123Z",
        "updated_at": "2026-11-22T10:30:00.123Z", "closed_at": None, "subject": "Invoice 1",
    }  # fmt: skip
    people_now = {r["email"] for r in db.rows("select email from participants")}
    assert people_now == {CUSTOMER, "ken@customer.example", "new@customer.example"}


def test_the_first_answer_stays_the_first(db: Database) -> None:
    db.open_ticket(1)
    for number, hour in ((2, 1), (3, 5)):
        (arrival,) = db.arrive(1, number)
        db.decisions.claim(1)
        db.decisions.commit(
            [ignored(arrival, change=Change(ticket_id(1), first_answer_at=START + timedelta(hours=hour)))]
        )
    assert db.one("select first_answer_at from tickets") == "2026-11-22T10:30:00.123Z"


def test_closing_notes_the_time_and_reopening_takes_it_away(db: Database) -> None:
    db.open_ticket(1)
    numbers = db.arrive(2, 2)
    db.decisions.claim(2)
    db.decisions.commit([ignored(numbers[0], change=Change(ticket_id(1), state=State.CLOSED))])
    assert db.one("select closed_at from tickets") == "2026-11-22T09:30:00.123Z"
    db.decisions.commit([ignored(numbers[1], change=Change(ticket_id(1), state=State.OPEN))])
    assert db.one("select closed_at from tickets") is None


def test_buckets_breaker_and_suppressions_are_replaced_not_doubled(db: Database) -> None:
    numbers = db.arrive(2)
    for number, tokens in zip(numbers, (3.0, 2.0), strict=True):
        db.decisions.commit(
            [ignored(number, buckets={"all": Bucket(tokens, START)}, breaker="again", suppress={CUSTOMER: f"{tokens}"})]
        )
    assert db.rows("select scope, tokens from auto_replies") == [{"scope": "all", "tokens": 2.0}]
    assert db.one("select count(*) from breakers") == 1
    assert db.rows("select email, reason from suppressions") == [{"email": CUSTOMER, "reason": "2.0"}]


def test_within_a_batch_the_last_bucket_stands(db: Database) -> None:
    numbers = db.arrive(3)
    db.decisions.commit(
        [ignored(n, buckets={"all": Bucket(t, START)}) for n, t in zip(numbers, (9, 8, 7), strict=True)]
    )
    assert db.one("select tokens from auto_replies") == 7.0


def test_odd_text_survives(db: Database) -> None:
    (number,) = db.arrive()
    odd = "'; drop table tickets; -- \x01 ☃ \u202e 𝕏"
    db.decisions.commit([outcome(number, opened=ticket(1, subject=odd), subject=odd, reason=odd)])
    assert db.one("select subject from tickets") == odd
    assert db.one("select reason from arrivals") == odd


# --- looking up ----------------------------------------------------------------------------------


def ask(number: int = 99, **asked: tuple[str, ...]) -> Question:
    digest = asked.pop("digest", ("",))[0]
    parts = {"tickets": (), "message_ids": (), "addresses": ()} | asked
    return Question(number, digest, parts["tickets"], parts["message_ids"], parts["addresses"])


def test_known_of_nothing_is_empty(db: Database) -> None:
    known = db.decisions.known([])
    assert (known.tickets, known.by_message_id, known.digests, known.buckets) == ({}, {}, {}, {})
    assert (known.suppressed, known.breaker_open) == (set(), False)


def test_known_finds_a_ticket_with_its_people_and_its_decision(db: Database) -> None:
    made = db.open_ticket(1)
    known = db.decisions.known([ask(tickets=(ticket_id(1), ticket_id(404)))])
    assert known.tickets == {made.id: made}
    assert known.participants == {made.id: {CUSTOMER, "ken@customer.example"}}
    assert known.confidence == {made.id: (0.83, "big customer")}
    assert known.closed_at == {}


def test_known_finds_a_ticket_by_a_message_of_it(db: Database) -> None:
    made = db.open_ticket(1)
    db.open_ticket(2)
    known = db.decisions.known([ask(message_ids=("<m1@customer.example>", "<nobody@else.example>"))])
    assert known.by_message_id == {"<m1@customer.example>": made.id}
    assert known.tickets == {made.id: made}


def test_known_finds_the_earliest_arrival_of_a_digest(db: Database) -> None:
    first, second = db.arrive(2)
    db.arrivals.record(BOX, "Other", cursor(1), [(kept(9)[0], kept(1)[1], "<copy@customer.example>")])
    known = db.decisions.known([ask(digest=(kept(1)[1],)), ask(digest=(kept(2)[1],)), ask(digest=("f" * 64,))])
    assert known.digests == {kept(1)[1]: first, kept(2)[1]: second}


def test_known_finds_buckets_of_addresses_tickets_and_all(db: Database) -> None:
    (number,) = db.arrive()
    scopes = ("all", f"address:{CUSTOMER}", f"ticket:{ticket_id(1)}", "address:other@customer.example")
    db.decisions.commit([outcome(number, buckets={scope: Bucket(2.5, START) for scope in scopes})])
    known = db.decisions.known([ask(addresses=(CUSTOMER,), message_ids=("<m1@customer.example>",))])
    assert known.buckets == {scope: Bucket(2.5, START) for scope in scopes[:3]}


def test_known_finds_suppressed_addresses_until_they_are_released(db: Database) -> None:
    (number,) = db.arrive()
    db.decisions.commit([ignored(number, suppress={CUSTOMER: "550", "other@customer.example": "550"})])
    question = [ask(addresses=(CUSTOMER, "fine@customer.example"))]
    assert db.decisions.known(question).suppressed == {CUSTOMER}
    db.write("update suppressions set released_at = '2026-11-22T10:00:00.000Z'")
    assert db.decisions.known(question).suppressed == set()


def test_known_finds_when_a_ticket_was_closed(db: Database) -> None:
    db.open_ticket(1)
    (number,) = db.arrive(1, 2)
    db.decisions.commit([ignored(number, change=Change(ticket_id(1), state=State.CLOSED))])
    known = db.decisions.known([ask(tickets=(ticket_id(1),))])
    assert known.closed_at == {ticket_id(1): START}
    assert known.tickets[ticket_id(1)].state == State.CLOSED


def test_known_says_whether_the_breaker_is_open(db: Database) -> None:
    (number,) = db.arrive()
    db.decisions.commit([ignored(number, breaker="a storm")])
    assert db.decisions.known([]).breaker_open is True
    db.write("update breakers set released_at = '2026-11-22T10:00:00.000Z'")
    assert db.decisions.known([]).breaker_open is False


def test_known_takes_large_batches(db: Database) -> None:
    db.open_ticket(1)
    ids = tuple(f"<ref{n}@customer.example>" for n in range(3_000))
    known = db.decisions.known([ask(message_ids=ids, addresses=ids), ask(message_ids=("<m1@customer.example>",))])
    assert list(known.tickets) == [ticket_id(1)]


# --- the outbox ----------------------------------------------------------------------------------


def test_due_are_the_rows_whose_time_has_come_oldest_first(db: Database) -> None:
    db.open_ticket(1)
    db.clock.turn(minutes=1)
    db.open_ticket(2)
    due = db.outbox.due(9)
    assert [(d.ticket, d.kind) for d in due] == [
        (ticket_id(1), "forward"), (ticket_id(1), "acknowledgement"),
        (ticket_id(2), "forward"), (ticket_id(2), "acknowledgement"),
    ]  # fmt: skip
    assert [d.id for d in db.outbox.due(3)] == [d.id for d in due[:3]]
    mail = outgoing(1)
    assert (due[0].sender, due[0].recipient, due[0].message_id, due[0].mime, due[0].attempts, due[0].created_at) == (
        mail.sender, mail.recipient, mail.message_id, mail.mime, 0, START,
    )  # fmt: skip


def test_begin_takes_only_what_was_still_waiting(db: Database) -> None:
    db.open_ticket(1)
    first, second = [d.id for d in db.outbox.due(9)]
    assert db.outbox.settle([], [first]) == [first]
    assert db.outbox.settle([], [first, second]) == [second]
    assert db.outbox.settle([], [first, second]) == []
    assert db.outbox.due(9) == []
    assert [r["attempts"] for r in db.rows("select attempts from outbox")] == [1, 1]


def test_begin_says_the_rows_it_took_whatever_their_order(db: Database) -> None:
    db.open_ticket(1)
    ids = [d.id for d in db.outbox.due(9)]
    assert sorted(db.outbox.settle([], [*ids[::-1], 999])) == sorted(ids)


@pytest.mark.parametrize("state", ["sent", "failed", "ambiguous"])
def test_an_end_is_written_down_and_final(db: Database, state: str) -> None:
    db.open_ticket(1)
    row = db.outbox.due(1)[0].id
    db.outbox.settle([], [row])
    db.outbox.settle([Sent(row, state, "250 " + "x" * 5_000, audit=Audit(f"outgoing.{state}", {"outbox": row}))], [])
    (found,) = db.rows("select state, attempts, sent_at, last_reply from outbox where id = :row", row=row)
    assert (found["state"], found["attempts"]) == (state, 1)
    assert found["sent_at"] == ("2026-11-22T09:30:00.123Z" if state == "sent" else None)
    assert found["last_reply"].startswith("250 x")
    db.clock.turn(days=30)
    assert row not in [d.id for d in db.outbox.due(9)]
    assert db.outbox.settle([], [row]) == []
    assert db.one("select event from audit_log order by seq desc limit 1") == f"outgoing.{state}"


def test_a_deferred_row_is_due_again_at_its_time(db: Database) -> None:
    db.open_ticket(1, outgoing=(outgoing(1),))
    row = db.outbox.due(1)[0].id
    db.outbox.settle([], [row])
    at = START + timedelta(minutes=5)
    db.outbox.settle([Sent(row, "deferred", "451 later", at)], [])
    assert db.outbox.due(9) == []
    assert db.outbox.next_due() == at
    db.clock.turn(minutes=5)
    assert [(d.id, d.attempts) for d in db.outbox.due(9)] == [(row, 1)]
    assert db.outbox.settle([], [row]) == [row]


def test_a_try_that_never_began_counts_for_nothing(db: Database) -> None:
    db.open_ticket(1, outgoing=(outgoing(1),))
    row = db.outbox.due(1)[0].id
    for _ in range(3):
        db.outbox.settle([], [row])
        db.outbox.settle([Sent(row, "pending", "nobody listens")], [])
    assert [(d.id, d.attempts) for d in db.outbox.due(9)] == [(row, 0)]


def test_a_redirected_mail_goes_to_its_new_address_once(db: Database) -> None:
    db.open_ticket(1, outgoing=(outgoing(1),))
    row = db.outbox.due(1)[0]
    db.outbox.settle([], [row.id])
    db.outbox.settle([Sent(row.id, "failed", "550 no such user", redirect="general@helpdesk.example")], [])
    (again,) = db.outbox.due(9)
    assert again.id != row.id
    assert (again.recipient, again.attempts) == ("general@helpdesk.example", 0)
    assert (again.mime, again.message_id, again.kind, again.ticket) == (row.mime, row.message_id, row.kind, row.ticket)
    assert db.one("select state from outbox where id = :row", row=row.id) == "failed"


def test_results_are_written_together_or_not_at_all(db: Database) -> None:
    db.open_ticket(1)
    ids = db.outbox.settle([], [d.id for d in db.outbox.due(9)])
    db.write("create trigger full before insert on audit_log begin select raise(abort, 'no more'); end")
    with pytest.raises((IntegrityError, StoreError, DBAPIError)):
        db.outbox.settle(
            [Sent(ids[0], "sent", "250"), Sent(ids[1], "sent", "250", audit=Audit("outgoing.sent", {}))], []
        )
    assert {r["state"] for r in db.rows("select state from outbox")} == {"sending"}
    assert db.one("select state from tickets") == "new"


def test_a_ticket_is_open_once_its_forward_was_sent(db: Database) -> None:
    db.open_ticket(1)
    forward, acknowledgement = db.outbox.settle([], [d.id for d in db.outbox.due(9)])
    db.outbox.settle([Sent(acknowledgement, "sent", "250")], [])
    assert db.one("select state from tickets") == "new"
    db.outbox.settle([Sent(forward, "sent", "250")], [])
    assert db.one("select state from tickets") == "open"


def test_a_forward_that_failed_opens_nothing(db: Database) -> None:
    db.open_ticket(1)
    row = db.outbox.due(1)[0].id
    db.outbox.settle([], [row])
    db.outbox.settle([Sent(row, "failed", "550")], [])
    assert db.one("select state from tickets") == "new"


def test_a_late_forward_reopens_no_closed_ticket(db: Database) -> None:
    db.open_ticket(1, opened=ticket(1, state=State.CLOSED))
    row = db.outbox.due(1)[0].id
    db.outbox.settle([], [row])
    db.outbox.settle([Sent(row, "sent", "250")], [])
    assert db.one("select state from tickets") == "closed"


def test_recover_leaves_acknowledgements_in_doubt_and_sends_the_rest_again(db: Database) -> None:
    db.open_ticket(1)
    forward, acknowledgement = db.outbox.settle([], [d.id for d in db.outbox.due(9)])
    assert db.outbox.recover() == [acknowledgement]
    assert db.outbox.recover() == []
    assert [d.id for d in db.outbox.due(9)] == [forward]
    assert db.one("select state from outbox where id = :row", row=acknowledgement) == "ambiguous"
    assert db.one("select event from audit_log order by seq desc limit 1") == "outgoing.left_ambiguous"


def test_next_due_is_the_earliest_of_those_that_wait(db: Database) -> None:
    assert db.outbox.next_due() is None
    db.open_ticket(1)
    assert db.outbox.next_due() == START
    ids = db.outbox.settle([], [d.id for d in db.outbox.due(9)])
    assert db.outbox.next_due() is None
    later = [START + timedelta(hours=h) for h in (3, 2)]
    db.outbox.settle([Sent(i, "deferred", "451", at) for i, at in zip(ids, later, strict=True)], [])
    assert db.outbox.next_due() == later[1]


def test_an_open_breaker_holds_everything_but_alerts(db: Database) -> None:
    alert = outgoing(1, Kind.ALERT, "operator@helpdesk.example")
    mails = (*(outgoing(1, kind) for kind in Kind if kind != Kind.ALERT), alert)
    db.open_ticket(1, outgoing=mails, breaker="a storm")
    assert [d.kind for d in db.outbox.due(9)] == ["alert"]
    db.write("update breakers set released_at = '2026-11-22T10:00:00.000Z'")
    assert len(db.outbox.due(9)) == len(mails)


def test_while_the_breaker_is_open_next_due_is_the_next_alert(db: Database) -> None:
    """Held rows do not wait for a time; whoever sleeps until `next_due` must not wake for them."""
    db.open_ticket(1, breaker="a storm")
    assert db.outbox.due(9) == []
    assert db.outbox.next_due() is None


# --- examples ------------------------------------------------------------------------------------


def test_adding_an_example_twice_adds_it_once(db: Database) -> None:
    rows = [("charged twice", "Billing"), ("cannot log in", "Account")]
    assert db.examples.add(rows, "seed") == 2
    assert db.examples.add([*rows, ("cannot log in", "Technical")], "import") == 1
    assert [(e.text, e.category, e.source) for e in db.examples.active()] == [
        ("charged twice", "Billing", "seed"), ("cannot log in", "Account", "seed"),
        ("cannot log in", "Technical", "import"),
    ]  # fmt: skip


def test_an_example_twice_in_one_call_is_added_once(db: Database) -> None:
    assert db.examples.add([("hello", "General"), ("hello", "General")], "seed") == 1
    assert db.examples.add([], "seed") == 0
    assert len(db.examples.active()) == 1


def test_vectors_come_back_to_the_bit(db: Database) -> None:
    db.examples.add([("a", "Billing"), ("b", "Bug"), ("c", "Bug")], "seed")
    ids = [e.id for e in db.examples.active()]
    kept_vectors = {ids[0]: bytes(range(256)) * 6, ids[2]: b"\x00" * 1536}
    db.examples.save_vectors("model-1", kept_vectors)
    assert db.examples.vectors("model-1") == kept_vectors
    assert db.examples.vectors("model-2") == {}
    db.examples.save_vectors("model-1", {})
    db.examples.save_vectors("model-2", {ids[0]: b"\x01" * 1536})
    assert db.examples.vectors("model-1") == {ids[2]: b"\x00" * 1536}
    assert db.examples.vectors("model-2") == {ids[0]: b"\x01" * 1536}


def test_whoever_changes_examples_the_revision_tells_and_finds_them(db: Database) -> None:
    db.examples.add([("a", "Billing"), ("b", "Bug"), ("c", "Bug")], "seed")
    first = db.examples.revision()
    assert db.examples.changed(first.latest) == ([], [])
    one, two, three = db.examples.active()
    db.examples.save_vectors("m", {one.id: b"1", two.id: b"2"})
    assert db.examples.revision() == first, "a vector is no change"
    db.write("update examples set active = 0 where id = :row", row=one.id)
    db.write("update examples set category = 'Account' where id = :row", row=two.id)
    db.examples.add([("d", "General")], "correction")
    second = db.examples.revision()
    assert (second.latest, second.deleted) == (first.latest + 3, first.deleted)
    changed, withdrawn = db.examples.changed(first.latest)
    assert [(e.text, e.category) for e in changed] == [("b", "Account"), ("d", "General")]
    assert withdrawn == [one.id]
    assert db.examples.vectors("m", first.latest) == {two.id: b"2"}
    db.write("update examples set active = 1 where id = :row", row=one.id)
    assert [e.id for e in db.examples.changed(second.latest)[0]] == [one.id]
    db.write("delete from examples where id = :row", row=three.id)
    assert db.examples.revision().deleted == first.deleted + 1


def test_examples_put_out_of_use_do_not_vote(db: Database) -> None:
    db.examples.add([("a", "Billing"), ("b", "Bug")], "seed")
    first, second = db.examples.active()
    db.examples.save_vectors("m", {first.id: b"1", second.id: b"2"})
    db.write("update examples set active = 0 where id = :row", row=first.id)
    assert db.examples.active() == [second]
    assert db.examples.vectors("m") == {second.id: b"2"}


# --- the audit log -------------------------------------------------------------------------------


def verified(engine: Engine) -> tuple[int, str]:
    with transaction(engine) as connection:
        verdict = audit.verify(connection)
    return verdict.rows, verdict.problem


def log(db: Database, count: int = 5) -> None:
    for number in range(count):
        with transaction(db.engine) as connection:
            audit.append(connection, [Audit("thing.happened", {"number": number, "who": "Zoë"}, actor="test")], START)


def unlock(db: Database) -> None:
    """What an attacker with the file does first."""
    for row in db.rows("select name from sqlite_master where type = 'trigger' and tbl_name like 'audit_%'"):
        db.write(f"drop trigger {row['name']}")


def test_an_untouched_log_verifies(db: Database) -> None:
    assert verified(db.engine) == (0, "")
    log(db)
    assert verified(db.engine) == (5, "")
    db.open_ticket(1)
    assert verified(db.engine) == (8, "")


@pytest.mark.parametrize("statement", [
    "update audit_log set actor = 'nobody' where seq = 3",
    "delete from audit_log where seq = 3",
    "delete from audit_log",
    "insert or replace into audit_log select seq, at, 'nobody', event, ticket, detail_digest, previous, hash"
    " from audit_log where seq = 3",
    "replace into audit_log select seq, at, 'nobody', event, ticket, detail_digest, previous, hash"
    " from audit_log where seq = 3",
    "update or replace audit_log set seq = 4 where seq = 3",
])  # fmt: skip
def test_the_log_refuses_to_be_rewritten(db: Database, statement: str) -> None:
    log(db)
    db.write("drop trigger audit_detail_no_delete")
    db.write("delete from audit_detail")  # its foreign key must not be what saves the log
    before = db.rows("select * from audit_log")
    with pytest.raises((DBAPIError, StoreError), match="append-only"):
        db.write(statement)
    assert db.rows("select * from audit_log") == before


def test_the_log_refuses_to_be_rewritten_by_another_tool(db: Database) -> None:
    log(db)
    connection = sqlite3.connect(db.path)
    with pytest.raises(sqlite3.DatabaseError, match="append-only"):
        connection.execute("update audit_log set actor = 'nobody'")
    connection.close()


@pytest.mark.parametrize("column", ["at", "actor", "event", "ticket", "detail_digest", "previous", "hash"])
def test_a_changed_column_is_found(db: Database, column: str) -> None:
    log(db)
    unlock(db)
    db.write(f"update audit_log set {column} = 'x' || substr({column}, 2) where seq = 3")
    good, problem = verified(db.engine)
    assert good == 2
    assert "3" in problem


def test_a_missing_row_is_found(db: Database) -> None:
    log(db)
    unlock(db)
    db.write("delete from audit_detail where seq = 3")
    db.write("delete from audit_log where seq = 3")
    good, problem = verified(db.engine)
    assert good == 2
    assert "3" in problem


def test_a_changed_detail_is_found(db: Database) -> None:
    log(db)
    unlock(db)
    db.write("update audit_detail set detail = replace(detail, 'Zoë', 'Eve') where seq = 4")
    good, problem = verified(db.engine)
    assert good == 3
    assert "4" in problem


def test_an_erased_detail_keeps_the_chain(db: Database) -> None:
    log(db)
    with transaction(db.engine) as connection:
        audit.empty_details(connection, [2, 5])
    assert verified(db.engine) == (5, "")
    log(db, 1)
    assert verified(db.engine) == (6, "")


def test_equal_details_have_different_digests(db: Database) -> None:
    with transaction(db.engine) as connection:
        audit.append(connection, [Audit("thing.happened", {"address": CUSTOMER})] * 2, START)
    digests = [r["detail_digest"] for r in db.rows("select detail_digest from audit_log")]
    assert len(set(digests)) == 2


def test_a_row_that_was_rolled_back_leaves_no_gap(db: Database) -> None:
    log(db, 2)
    with pytest.raises(RuntimeError, match="at once"), transaction(db.engine) as connection:
        audit.append(connection, [Audit("thing.happened", {})], START)
        raise RuntimeError("at once")
    log(db, 1)
    assert verified(db.engine) == (3, "")


# --- incidents -----------------------------------------------------------------------------------


def incident(subject: str = "support", **more: Any) -> Incident:
    return Incident(0, "mailbox.full", subject, "It is full", "It is quite full", "Empty it", START, **more)


def test_an_incident_comes_back_as_it_was_kept(db: Database) -> None:
    store = Incidents(db.engine, db.clock)
    moments: dict[str, Any] = {
        "opened_at": START,
        "gone_at": START,
        "mailed_at": START,
        "posted_at": START,
        "post_due_at": START,
    }
    kept_ = incident(post_attempts=3, post_error="no", **moments)
    store.settle([kept_, incident("sales")], [], [], [])
    sales, support = store.unfinished()
    assert (sales, support) == (replace(incident("sales"), id=2), replace(kept_, id=1))
    changed = replace(sales, opened_at=START, gone_at=None)
    store.settle([changed], [support.id], [], [])
    assert store.unfinished() == [changed]


def test_of_one_trouble_there_is_one_incident_at_a_time(db: Database) -> None:
    store = Incidents(db.engine, db.clock)
    store.settle([incident()], [], [], [])
    with pytest.raises(IntegrityError):
        store.settle([incident()], [], [], [])
    (first,) = store.unfinished()
    store.settle([replace(first, recovered_at=START), incident()], [], [], [])
    assert [i.id for i in store.unfinished()] == [2]


def test_an_incident_and_its_mail_are_kept_together_or_not_at_all(db: Database) -> None:
    store = Incidents(db.engine, db.clock)
    mail, line = outgoing(1, Kind.ALERT), Audit("incident.opened", {})
    with pytest.raises(IntegrityError):
        store.settle([incident(), incident()], [], [mail], [line])
    assert (db.counts()["outbox"], db.counts()["audit_log"], store.unfinished()) == (0, 0, [])
    store.settle([incident()], [], [mail], [line])
    assert (db.counts()["outbox"], db.counts()["audit_log"], len(store.unfinished())) == (1, 1, 1)
    assert [due.kind for due in db.outbox.due(9)] == ["alert"]


def test_the_webhook_is_due_to_hear_of_what_is_over_as_well(db: Database) -> None:
    store = Incidents(db.engine, db.clock)
    later = START + timedelta(minutes=1)
    store.settle(
        [
            incident("told"),
            incident("later", post_due_at=later),
            incident("over", recovered_at=START, post_due_at=START),
        ], [], [], [],
    )  # fmt: skip
    assert [i.subject for i in store.to_post(9)] == ["over"]
    db.clock.turn(minutes=1)
    assert [i.subject for i in store.to_post(9)] == ["over", "later"]
    assert [i.subject for i in store.to_post(1)] == ["over"]


# --- the file ------------------------------------------------------------------------------------


def test_a_migrated_file_has_the_schema_the_program_knows(db: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_new_files_of_these_suites_are_what_the_migrations_make(db: Database, tmp_path: Path) -> None:
    again, stepwise, config = Database(tmp_path / "again.db"), open_engine(tmp_path / "stepwise.db"), Config()
    config.set_main_option("script_location", str(SCRIPTS))
    with transaction(stepwise) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)
        query = "select type, name, tbl_name, sql from sqlite_master order by type, name"
        made = [dict(row) for row in connection.execute(text(query)).mappings()]
    assert db.rows(query) == again.rows(query) == made
    again.engine.dispose()
    stepwise.dispose()


def test_polls_noted_by_an_older_version_move_to_the_mailboxes(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "old.db")
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    with transaction(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.execute(
            text(
                "insert into cursors"
                " (mailbox, folder, uidvalidity, position, started_at, backlog, polled_at, last_error)"
                " values ('a', 'INBOX', 7, 5, '2026-01-01T00:00:00.000Z', 0, '2026-01-02T00:00:00.000Z', 'refused'),"
                " ('b', 'INBOX', 7, 6, '2026-01-01T00:00:00.000Z', 0, null, '')"
            )
        )
    migrate(engine)
    with transaction(engine) as connection:
        kept = connection.execute(text("select mailbox, position from cursors order by mailbox")).all()
        moved = connection.execute(text("select mailbox, failing_since, last_error from mailboxes")).all()
    assert [tuple(row) for row in kept] == [("a", 5), ("b", 6)]
    assert [tuple(row) for row in moved] == [("a", "2026-01-02T00:00:00.000Z", "refused")]
    engine.dispose()


def test_migrating_twice_changes_nothing(db: Database) -> None:
    db.open_ticket(1)
    before = db.rows("select name, sql from sqlite_master order by name")
    migrate(db.engine)
    assert current(db.engine) == HEAD
    assert db.rows("select name, sql from sqlite_master order by name") == before
    assert db.counts()["tickets"] == 1


def test_every_view_can_be_read(db: Database) -> None:
    db.open_ticket(1)
    views = {r["name"] for r in db.rows("select name from sqlite_master where type = 'view'")}
    assert {"v_tickets", "v_today", "v_routing_accuracy", "v_outbox_stuck", "v_audit"} <= views
    for view in views:
        db.rows(f"select * from {view}")
    assert db.one("select confidence from v_tickets") == 0.83


def test_a_file_of_a_newer_version_is_refused_and_left_alone(db: Database) -> None:
    db.write("update alembic_version set version_num = '9999'")
    with pytest.raises(StoreError, match="9999"):
        migrate(db.engine)
    assert db.one("select version_num from alembic_version") == "9999"


def test_pragmas_are_as_designed(db: Database) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    with transaction(db.engine) as connection:
        found = {name: connection.execute(text(f"pragma {name}")).scalar() for name in wanted}
        waits = connection.execute(text("pragma busy_timeout")).scalar_one()
    assert found == wanted
    assert int(waits) >= 5_000


def test_foreign_keys_hold_in_every_connection(db: Database) -> None:
    for _ in range(3):
        db.engine.dispose()
        with pytest.raises(IntegrityError):
            db.write("insert into participants (ticket, email) values ('HD-NOWHERE0', 'a@b.example')")


def test_two_engines_and_eight_threads_lose_no_update(db: Database) -> None:
    db.write("create table counter (id integer primary key, n integer)")
    db.write("insert into counter values (1, 0)")
    engines = [db.engine, open_engine(db.path)]
    failed: list[BaseException] = []

    def work(engine: Engine) -> None:
        try:
            for _ in range(100):
                with transaction(engine) as connection:
                    n = connection.execute(text("select n from counter")).scalar_one()
                    connection.execute(text("update counter set n = :n"), {"n": n + 1})
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(engines[number % 2],)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    engines[1].dispose()
    assert failed == []
    assert db.one("select n from counter") == 800


def test_two_writers_fork_no_audit_chain(db: Database) -> None:
    other = open_engine(db.path)

    def work(engine: Engine) -> None:
        for _ in range(25):
            with transaction(engine) as connection:
                audit.append(connection, [Audit("thing.happened", {})], START)

    threads = [threading.Thread(target=work, args=(engine,)) for engine in (db.engine, other) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    other.dispose()
    assert verified(db.engine) == (100, "")


def test_a_reader_waits_for_no_writer_and_sees_whole_transactions(db: Database) -> None:
    reader = open_engine(db.path, readonly=True)
    count = text("select count(*) from arrivals")
    with transaction(db.engine) as connection:
        connection.execute(text("insert into suppressions (email, reason, at) values ('a@b.example', '', '')"))
        with transaction(reader) as looking:
            assert looking.execute(count).scalar() == 0
            assert looking.execute(text("select count(*) from suppressions")).scalar() == 0
    with transaction(reader) as looking:
        assert looking.execute(text("select count(*) from suppressions")).scalar() == 1
    reader.dispose()


def test_a_reader_cannot_write(db: Database) -> None:
    reader = open_engine(db.path, readonly=True)
    with pytest.raises(StoreError), transaction(reader) as connection:
        connection.execute(text("delete from tickets"))
    reader.dispose()


def test_a_database_held_by_another_for_too_long_is_transient(db: Database) -> None:
    holder = sqlite3.connect(db.path, isolation_level=None)
    holder.execute("begin immediate")
    impatient = open_engine(db.path)
    event.listen(impatient, "connect", lambda raw_connection, _: raw_connection.execute("pragma busy_timeout=50"))
    with pytest.raises(TransientError), transaction(impatient):
        pass
    holder.execute("rollback")
    holder.close()
    impatient.dispose()


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root may write what is read-only; nobody may not."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_read_only_file_is_a_store_error() -> None:
    folder = Path(tempfile.mkdtemp(prefix="helpdesk-readonly-", dir="/tmp"))
    try:
        database = Database(folder / "helpdesk.db")
        database.engine.dispose()
        (folder / "helpdesk.db").chmod(0o444)
        folder.chmod(0o555)
        with unprivileged():
            engine = open_engine(folder / "helpdesk.db")
            with pytest.raises(StoreError), transaction(engine) as connection:
                connection.execute(text("insert into suppressions (email, reason, at) values ('a@b.example', '', '')"))
            engine.dispose()
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_damaged_file_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "helpdesk.db").write_bytes(b"this is no database at all, " * 200)
    engine = open_engine(tmp_path / "helpdesk.db")
    with pytest.raises(StoreError):
        migrate(engine)
    engine.dispose()


def test_a_folder_that_is_not_there_is_a_store_error(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "nowhere" / "helpdesk.db")
    with pytest.raises(StoreError):
        migrate(engine)
    engine.dispose()


def test_a_full_disk_is_a_store_error_and_loses_nothing(db: Database) -> None:
    pages = int(db.one("pragma page_count"))
    limited = open_engine(db.path)
    event.listen(limited, "connect", lambda raw_connection, _: raw_connection.execute(f"pragma max_page_count={pages}"))
    with pytest.raises(StoreError), transaction(limited) as connection:
        for number in range(200):
            connection.execute(
                text("insert into suppressions (email, reason, at) values (:e, :r, '')"),
                {"e": f"{number}@customer.example", "r": "x" * 10_000},
            )
    limited.dispose()
    assert db.one("select count(*) from suppressions") == 0


# --- one process ---------------------------------------------------------------------------------

HOLD = "import sys; from pathlib import Path; from helpdesk_daemon.adapters.store.engine import StageLock\n" \
       "lock = StageLock(Path(sys.argv[1])); lock.acquire(); print('held', flush=True); sys.stdin.read()"  # fmt: skip


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock until its standard input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_the_stages_run_in_one_process_only(tmp_path: Path) -> None:
    lock = StageLock(tmp_path)
    with holder(tmp_path) as process:
        with pytest.raises(AlreadyRunning, match=str(process.pid)):
            lock.acquire()
        with pytest.raises(AlreadyRunning, match=str(process.pid)):  # the refusal did not wipe the owner's name
            lock.acquire()


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.kill()
        process.wait(10)
        lock = StageLock(tmp_path)
        lock.acquire()
        lock.release()


def test_a_released_lock_is_free(tmp_path: Path) -> None:
    lock = StageLock(tmp_path)
    lock.acquire()
    lock.release()
    lock.release()
    with holder(tmp_path) as process:
        assert process.poll() is None


def test_locks_of_two_folders_do_not_meet(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with holder(tmp_path):
        lock = StageLock(tmp_path / "other")
        lock.acquire()
        lock.release()
        assert (tmp_path / "other" / "stages.lock").exists()
