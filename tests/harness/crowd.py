"""A database with many tickets in it, as months of mail would leave it; invented, and the same for the same seed."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert

from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.schema.deciding import decisions
from helpdesk_daemon.adapters.store.schema.mail import arrivals, outbox
from helpdesk_daemon.adapters.store.schema.sla import sla
from helpdesk_daemon.adapters.store.schema.tickets import messages, participants, tickets
from helpdesk_daemon.adapters.store.schema.watching import verdicts

DESKS = (
    ("Technical Issue", "Technical Support", "High", 4), ("Billing", "Finance", "Medium", 24),
    ("Account", "Account Management", "High", 2), ("Feature Request", "Product", "Low", 72),
    ("General Inquiry", "General Support", "Medium", 24), ("Refund", "Finance", "High", 8),
)  # fmt: skip
WEIGHTS = (34, 22, 17, 6, 12, 9)
THINGS = ("Printer", "Invoice", "Password", "Export", "Delivery", "Report", "Login", "Calendar", "Refund", "Contract")
TROUBLES = ("stays dark", "is wrong", "does not arrive", "cannot be opened", "was charged twice", "is slow since today")
HOURS = (1, 1, 1, 1, 1, 2, 4, 9, 15, 18, 17, 15, 12, 14, 16, 15, 13, 10, 7, 5, 4, 3, 2, 1)
CHUNK = 5_000


def _row(number: int, draw: random.Random, now: datetime, days: int) -> dict[str, dict[str, Any]]:
    while True:
        day = now.replace(hour=0, minute=0, second=0) - timedelta(days=draw.randrange(days))
        at = day + timedelta(hours=draw.choices(range(24), HOURS)[0], seconds=draw.random() * 3600)
        if at <= now and (at.weekday() < 5 or draw.random() < 0.25):
            break
    category, department, priority, hours = draw.choices(DESKS, WEIGHTS)[0]
    confidence = min(0.99, max(0.05, draw.betavariate(6, 1.6)))
    doubted, due = confidence < 0.55, at + timedelta(hours=hours)
    answered = at + timedelta(hours=hours * draw.expovariate(2.2))
    if draw.random() < 0.01:
        answered = now + timedelta(days=1)
    state = "closed" if answered + timedelta(days=1) <= now else "waiting" if answered <= now else "open"
    response = "kept" if answered <= due else "missed"
    first = answered if answered <= now else None
    ticket, mail = f"HD-{number:08d}", f"person{number % 40_000}@customer.example"
    subject = f"{draw.choice(THINGS)} {draw.choice(TROUBLES)}"
    return {
        "arrivals": {"id": number, "mailbox": "support", "folder": "INBOX", "uidvalidity": 1, "uid": str(number),
                     "received_at": at, "fetched_at": at, "size": 900, "digest": f"{number:064x}", "touched_at": at,
                     "state": "ticket", "ticket": ticket, "sender": mail, "subject": subject, "decided_at": at},
        "tickets": {"id": ticket, "state": state, "subject": subject, "requester_email": mail, "mailbox": "support",
                    "category": category, "department": department, "address": f"{number % 9}@helpdesk.example",
                    "priority": priority, "sla_hours": hours, "due_at": due, "created_at": at, "updated_at": at,
                    "needs_review": doubted and draw.random() < 0.3, "first_answer_at": first,
                    "closed_at": first if state == "closed" else None},
        "participants": {"ticket": ticket, "email": mail},
        "messages": {"ticket": ticket, "direction": "in", "kind": "request", "arrival": number, "sender": mail,
                     "subject": subject, "text": subject, "new_text": subject, "at": at, "message_id": f"<{number}@x>"},
        "decisions": {"ticket": ticket, "arrival": number, "at": at, "actor": "daemon", "category": category,
                      "confidence": confidence, "needs_review": doubted, "review_reason": "", "department": department,
                      "priority": priority, "sla_hours": hours, "tags": "[]", "rule": "default", "set_by": "{}",
                      "neighbours": "[]", "model": "m", "rules_version": "r"},
        "sla": {"ticket": ticket, "department": department, "started_at": at, "response_hours": hours,
                "response": response if first or due <= now else "running", "response_due_at": due, "next_at": None},
        "verdicts": {"ticket": ticket, "at": first, "category": category, "department": department,
                     "confidence": confidence, "needs_review": doubted, "by_rule": False, "right": number % 90 > 0,
                     "said_by": "closing" if number % 90 else "correction"},
        "outbox": {"kind": "forward", "ticket": ticket, "arrival": number, "mailbox": "support", "sender": "s@x",
                   "recipient": "d@x", "message_id": f"<f{number}@x>", "state": "sent", "attempts": 1,
                   "next_attempt_at": at, "created_at": at, "sent_at": at, "size": 900},
    }  # fmt: skip


def fill(engine: Engine, now: datetime, count: int, days: int = 30, seed: int = 7, first: int = 1) -> None:
    """Add tickets with their mails, decisions and promises.

    Args:
        engine: a migrated database without them.
        now: the present moment; none is younger.
        count: of tickets.
        days: over which they are spread, fewer at night and at weekends.
        seed: of what is drawn.
        first: number of the first.
    """
    draw = random.Random(seed)
    tables = (arrivals, tickets, participants, messages, decisions, sla, outbox, verdicts)
    for start in range(first, first + count, CHUNK):
        rows = [_row(n, draw, now, days) for n in range(start, min(start + CHUNK, first + count))]
        with transaction(engine) as connection:
            for table in tables:
                connection.execute(insert(table), [row[table.name] for row in rows if _has(row, table.name)])


def _has(row: dict[str, dict[str, Any]], table: str) -> bool:
    """A third of the closed tickets were judged."""
    return table != "verdicts" or (row["tickets"]["state"] == "closed" and row["arrivals"]["id"] % 3 == 0)
