"""Fill a database with many tickets and time every query of docs/operations.md, and the audit log, on it.

Run as `python -m scripts.cookbook [--tickets 100000] [--lines 1000000]`.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from sqlalchemy import Connection, Engine

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.bulk import insert_rows
from helpdesk_daemon.adapters.store.engine import open_engine, transaction
from helpdesk_daemon.adapters.store.migrate import migrate
from helpdesk_daemon.adapters.store.schema.deciding import decisions
from helpdesk_daemon.adapters.store.schema.mail import arrivals, outbox
from helpdesk_daemon.adapters.store.schema.tickets import messages, participants, tickets
from helpdesk_daemon.ports import Audit

PAGE = Path(__file__).parents[1] / "docs" / "operations.md"
QUESTION = re.compile(r"^### (\d+)\. (.+?)$.*?^```sql\n(.*?)^```", re.MULTILINE | re.DOTALL)
DEPARTMENTS = ("Billing Team", "Technical Support", "Sales", "Customer Success")
CATEGORIES = ("Billing", "Bug", "Sales", "General")
NEIGHBOURS = json.dumps([{"example": 1, "category": "Bug", "similarity": 0.5}] * 20)
BATCH = 2_000


def questions() -> list[tuple[int, str, str]]:
    """Number, question and query of each in the cookbook."""
    found = QUESTION.findall(PAGE.read_text(encoding="utf-8"))
    return [(int(number), question, query.strip()) for number, question, query in found]


def fill(connection: Connection, first: int, count: int, now: datetime, of: int) -> None:
    """Add tickets with a mail, decisions, outgoing mails and lines of the log, over a year up to now."""
    rng = random.Random(first)
    rows: dict[str, list[dict[str, object]]] = {}
    lines = []
    for n in range(first, first + count):
        at = now - timedelta(days=365 * (1 - n / of), seconds=rng.randrange(60))
        name, which = f"HD-{n:08d}", rng.randrange(4)
        who, sent = f"person{rng.randrange(of // 4)}@customer.example", at + timedelta(seconds=rng.uniform(1, 20))
        state = "open" if n > of * 0.98 else rng.choice(("waiting", "closed", "closed"))
        answered = None if state == "open" else at + timedelta(hours=rng.expovariate(0.1))
        corrected = rng.random() < 0.08
        for table, row in _rows(n, name, who, at, sent, which, state, answered, corrected):
            rows.setdefault(table, []).append(row)
        lines += [Audit("message.arrived", {"arrival": n}), Audit("ticket.opened", {"from": who}, name),
                  Audit("ticket.decided", {"confidence": 0.8}, name, "rules")]  # fmt: skip
    for kind in (tickets, participants, arrivals, messages, decisions, outbox):
        insert_rows(connection, kind, rows.get(kind.name, []))
    audit.append(connection, lines, now)


def _rows(
    n: int, name: str, who: str, at: datetime, sent: datetime, which: int, state: str, answered: datetime | None,
    corrected: bool,
) -> Iterator[tuple[str, dict[str, object]]]:  # fmt: skip
    common = {"category": CATEGORIES[which], "department": DEPARTMENTS[which], "priority": "Medium", "sla_hours": 24.0}
    yield "tickets", {
        "id": name, "state": state, "subject": f"Subject {n}", "requester_email": who, "requester_name": "",
        "mailbox": "support", "address": "billing@helpdesk.example", "due_at": at + timedelta(hours=24),
        "needs_review": n % 9 == 0, "not_acknowledged": "" if n % 50 else "suppressed", "created_at": at,
        "updated_at": at, "first_answer_at": answered, "closed_at": answered if state == "closed" else None, **common,
    }  # fmt: skip
    yield "participants", {"ticket": name, "email": who}
    ended = "ignored" if n % 20 == 0 else "ticket"
    yield "arrivals", {
        "id": n, "mailbox": "support", "folder": "INBOX", "uidvalidity": 1, "uid": str(n), "received_at": at,
        "fetched_at": at, "size": 2_000, "truncated": False, "message_id": f"<m{n}@customer.example>", "sender": who,
        "subject": f"Subject {n}", "digest": f"{n:064x}", "touched_at": at, "state": ended, "reason": "a person",
        "ticket": name, "attempts": 1, "last_error": "", "decided_at": sent, "raw": b"x" * 1_500,
    }  # fmt: skip
    yield "messages", {
        "ticket": name, "direction": "in", "kind": "request", "arrival": n, "sender": who, "subject": f"Subject {n}",
        "message_id": f"<m{n}@customer.example>", "text": "words " * 80, "new_text": "words " * 60, "at": at,
    }  # fmt: skip
    for actor, category in (("daemon", CATEGORIES[which]), ("kim", CATEGORIES[which - 1]))[: 1 + corrected]:
        yield "decisions", {
            "ticket": name, "arrival": n, "at": at, "actor": actor, "confidence": (n % 50) / 50,
            "needs_review": n % 9 == 0, "review_reason": "low confidence" if n % 9 == 0 else "", "tags": "[]",
            "rule": ("default", "vip", "invoices")[n % 3], "set_by": "{}", "neighbours": NEIGHBOURS,
            "model": "m", "rules_version": "v", **common, "category": category,
        }  # fmt: skip
    for kind, to in (("forward", "billing@helpdesk.example"), ("acknowledgement", who)):
        yield "outbox", {
            "kind": kind, "ticket": name, "arrival": n, "mailbox": "support", "sender": "", "recipient": to,
            "message_id": f"<{kind}-{n}@helpdesk.example>", "state": "sent" if n % 1_000 else "failed", "attempts": 1,
            "next_attempt_at": at, "created_at": at, "sent_at": sent, "last_reply": "250", "size": 3_000,
            "mime": b"x" * 2_000,
        }  # fmt: skip


def timed(path: Path, query: str) -> tuple[float, int]:
    """Seconds and rows of a query, asked anew as a tool would."""
    values = {"ticket": "HD-00000500", "address": "person7@customer.example", "message_id": "<m500@customer.example>"}
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    begun = time.perf_counter()
    rows = connection.execute(query, values).fetchall()
    took = time.perf_counter() - begun
    connection.close()
    return took, len(rows)


@click.command()
@click.option("--tickets", "count", default=100_000, show_default=True)
@click.option("--lines", default=0, help="Lines that the audit log is filled up to, and walked")
def main(count: int, lines: int) -> None:
    """Time every query of the cookbook on a large database."""
    with tempfile.TemporaryDirectory() as folder:
        path, now = Path(folder) / "helpdesk.db", datetime.now(UTC)
        engine = open_engine(path)
        migrate(engine)
        for first in range(1, count + 1, BATCH):
            with transaction(engine) as connection:
                fill(connection, first, min(BATCH, count + 1 - first), now, count)
        click.echo(f"{count} tickets, {path.stat().st_size / 1e6:.0f} MB")
        slowest = 0.0
        for number, question, query in questions():
            took, rows = timed(path, query)
            slowest = max(slowest, took)
            click.echo(f"{number:>3}  {took:7.3f} s  {rows:>6} rows  {question}")
        click.echo(f"slowest {slowest:.3f} s")
        if lines:
            _log(path, lines, now)


def _log(path: Path, lines: int, now: datetime) -> None:
    engine = open_engine(path)
    click.echo(f"appending to {_end(engine)} lines: {_append(engine, now):.2f} ms a commit of 3")
    with transaction(engine) as connection:
        missing = lines - audit.head(connection).seq
    for done in range(0, missing, 10_000):
        with transaction(engine) as connection:
            some = [Audit("thing.happened", {"n": n}) for n in range(min(10_000, missing - done))]
            audit.append(connection, some, now)
    click.echo(f"appending to {_end(engine)} lines: {_append(engine, now):.2f} ms a commit of 3")
    begun = time.perf_counter()
    with transaction(engine) as connection:
        found = audit.verify(connection)
    click.echo(f"verify: {found.rows} rows in {time.perf_counter() - begun:.1f} s, {found.problem or 'all hold'}")


def _end(engine: Engine) -> int:
    with transaction(engine) as connection:
        return audit.head(connection).seq


def _append(engine: Engine, now: datetime, commits: int = 200) -> float:
    """Milliseconds a commit."""
    begun = time.perf_counter()
    for _ in range(commits):
        with transaction(engine) as connection:
            audit.append(connection, [Audit("thing.happened", {"n": 1})] * 3, now)
    return (time.perf_counter() - begun) * 1_000 / commits


if __name__ == "__main__":
    main()
