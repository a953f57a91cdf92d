"""Every query of docs/operations.md runs as it is printed, and gives the right answer."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.schema.columns import iso
from helpdesk_daemon.ports import Audit
from scripts.cookbook import questions
from tests.contract.rows import Database

NOW = datetime.now(UTC)
ZOE, KEN, KIM = "zoe@customer.example", "ken@customer.example", "kim@helpdesk.example"
BILLING, TECHNICAL = "Billing Team", "Technical Support"
A, B, C, D, E = (f"HD-0000000{letter}" for letter in "ABCDE")
# Ticket, state, who asked, department, created and due and answered in hours from now, to review, not acknowledged.
TICKETS = (
    (A, "open", ZOE, BILLING, -26, -2, None, 0, ""),
    (B, "new", KEN, TECHNICAL, -22, 2, None, 1, ""),
    (C, "closed", ZOE, BILLING, -72, -48, -66, 0, ""),
    (D, "waiting", KEN, BILLING, -960, -936, -930, 0, ""),
    (E, "waiting", KEN, TECHNICAL, -48, -24, -18, 0, "suppressed"),
)  # fmt: skip
# Ticket, actor, category, confidence, rule, hours from now.
DECISIONS = (
    (A, "daemon", "Billing", 0.83, "big customer", -26), (B, "daemon", "Bug", 0.41, "default", -22),
    (B, KIM, "Billing", 0.41, "default", -21), (C, "daemon", "Billing", 0.79, "default", -72),
    (D, "daemon", "Billing", 0.8, "default", -960), (E, "daemon", "Bug", 0.38, "default", -48),
)  # fmt: skip
# Number, hours from now, state, reason, ticket.
ARRIVALS = (
    (1, -960, "ticket", "a person", D), (2, -72, "ticket", "a person", C),
    (3, -70, "ignored", "an automatic reply", ""),
    (4, -26, "ticket", "a person", A), (5, -22, "ticket", "a person", B), (6, -2, "ignored", "an automatic reply", ""),
    (7, -1, "ignored", "an automatic reply", ""), (8, -1, "quarantined", "it breaks", ""),
)  # fmt: skip
# Number, kind, arrival, state, created in hours from now, seconds until sent.
OUTBOX = (
    (1, "forward", 2, "sent", -72, 500), (2, "forward", 4, "failed", -26, None), (3, "forward", 5, "sent", -22, 10),
    (4, "acknowledgement", 5, "sent", -22, 4),
)  # fmt: skip


def at(hours: float | None, seconds: float = 0) -> str | None:
    return None if hours is None else iso(NOW + timedelta(hours=hours, seconds=seconds))


def insert(connection: sqlite3.Connection, table: str, **values: Any) -> None:
    marks = ", ".join("?" * len(values))
    connection.execute(f"insert into {table} ({', '.join(values)}) values ({marks})", list(values.values()))


@pytest.fixture
def small(db: Database) -> sqlite3.Connection:
    connection = sqlite3.connect(db.path)
    for name, state, who, department, created, due, answered, review, why in TICKETS:
        insert(connection, "tickets", id=name, state=state, subject="Help", requester_email=who, requester_name="",
               mailbox="support", category="", department=department, address="", priority="Medium", sla_hours=24,
               due_at=at(due), needs_review=review, linked_to="", forward_id="", customer_id="", not_acknowledged=why,
               created_at=at(created), updated_at=at(created), first_answer_at=at(answered))  # fmt: skip
        insert(connection, "participants", ticket=name, email=who)
    for name, actor, category, confidence, rule, hours in DECISIONS:
        insert(connection, "decisions", ticket=name, at=at(hours), actor=actor, category=category,
               confidence=confidence, needs_review=0, review_reason="low confidence" if name == B else "",
               department="", priority="Medium", sla_hours=24, tags="[]", rule=rule, set_by="{}", neighbours="[]",
               model="", rules_version="")  # fmt: skip
    for number, hours, state, reason, name in ARRIVALS:
        insert(connection, "arrivals", id=number, mailbox="support", folder="INBOX", uidvalidity=1, uid=str(number),
               received_at=at(hours), fetched_at=at(hours), size=1, truncated=0, message_id="",
               sender=ZOE, subject="Help", digest=str(number), state=state, reason=reason, ticket=name or None,
               attempts=1, last_error="")  # fmt: skip
    insert(connection, "messages", ticket=A, direction="in", kind="request", arrival=4,
           message_id="<a@customer.example>", sender=ZOE, subject="Help", text="", new_text="", at=at(-26))  # fmt: skip
    for number, kind, arrival, state, hours, sent in OUTBOX:
        insert(connection, "outbox", id=number, kind=kind, ticket="", arrival=arrival, sender="",
               recipient="x@y.example", message_id=f"<{number}@helpdesk.example>", state=state, attempts=1,
               next_attempt_at=at(hours), created_at=at(hours),
               sent_at=None if sent is None else at(hours, sent), last_reply="no", size=1)  # fmt: skip
    connection.commit()
    with transaction(db.engine) as writing:
        audit.append(writing, [Audit("ticket.opened", {}, A), Audit("ticket.decided", {}, A, "rules"),
                               Audit("ticket.corrected", {"to": "Billing"}, B, KIM),
                               Audit("breaker.released", {}, actor="operator")], NOW)  # fmt: skip
    return connection


def days(rows: list[tuple[Any, ...]]) -> dict[str, int]:
    return {day: tickets for day, tickets, _ in rows}


def first(rows: list[tuple[Any, ...]]) -> list[Any]:
    return [row[0] for row in rows]


def whole(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return rows


CREATED = Counter(str(at(hours))[:10] for _, _, _, _, hours, *_ in TICKETS if hours > -900)
ANSWERS: dict[int, tuple[Callable[[list[tuple[Any, ...]]], Any], Any]] = {
    1: (lambda rows: [(row[0], round(row[-1])) for row in rows], [(A, 2)]),
    2: (first, [B]),
    3: (days, dict(CREATED)),
    4: (whole, [(BILLING, 2, 50.0), (TECHNICAL, 2, 50.0)]),
    5: (lambda rows: [(row[0], row[2], row[4]) for row in rows], [(B, "", "low confidence")]),
    6: (lambda rows: [row[1:3] for row in rows], [("daemon", "Bug"), (KIM, "Billing")]),
    7: (lambda rows: [row[1:3] for row in rows], [("ticket.corrected", "person")]),
    8: (first, [A, C]),
    9: (lambda rows: [row[:2] for row in rows], [("default", 4), ("big customer", 1)]),
    10: (whole, [("Bug", 2, 1, 0.5), ("Billing", 3, 3, 1.0)]),
    11: (whole, [("Bug", "Billing", 1)]),
    12: (whole, [(0.8, 3, 1.0), (0.4, 2, 0.5)]),
    13: (lambda rows: [row[:3] for row in rows],
         [("ignored", "an automatic reply", 2), ("quarantined", "it breaks", 1)]),
    14: (first, [2]),
    15: (lambda rows: [row[:2] for row in rows], [("suppressed", 1)]),
    16: (whole, [(TECHNICAL, 1, 30.0, 0.0), (BILLING, 1, 6.0, 100.0)]),
    17: (whole, [(KEN, 2, 1), (ZOE, 2, 1)]),
    18: (lambda rows: [(row[0], row[2], row[4]) for row in rows], [("received", "ticket", A)]),
    19: (whole, [("acknowledgement", 1, 4.0, 4.0), ("forward", 1, 10.0, 10.0)]),
    20: (lambda rows: [row[1:4] for row in rows], [("breaker.released", "operator", ""), ("ticket.corrected", KIM, B)]),
}  # fmt: skip


def test_there_are_twenty_questions() -> None:
    assert [number for number, _, _ in questions()] == sorted(ANSWERS) == list(range(1, 21))


@pytest.mark.parametrize(("number", "query"), [(n, q) for n, _, q in questions()], ids=[q for _, q, _ in questions()])
def test_a_question_is_answered_right(small: sqlite3.Connection, number: int, query: str) -> None:
    values = {"ticket": B, "address": ZOE, "message_id": "<a@customer.example>"}
    read, expected = ANSWERS[number]
    assert read(small.execute(query, values).fetchall()) == expected
    small.close()
