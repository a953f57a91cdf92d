"""Invented values for the stores, and a database file to put them in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from helpdesk_daemon.adapters.store.engine import open_engine, transaction
from helpdesk_daemon.adapters.store.learning.examples import Examples
from helpdesk_daemon.adapters.store.mail.arrivals import Arrivals
from helpdesk_daemon.adapters.store.mail.decisions import Decisions
from helpdesk_daemon.adapters.store.mail.outbox import Outbox
from helpdesk_daemon.adapters.store.migrate import migrate
from helpdesk_daemon.outgoing.limits import Bucket
from helpdesk_daemon.outgoing.message import Kind, Outgoing
from helpdesk_daemon.ports import Audit, Cursor, Fetched, Outcome, Stored
from helpdesk_daemon.tickets.ticket import Priority, State, Ticket
from helpdesk_daemon.triage.decide import Decision
from helpdesk_daemon.triage.rules import Department
from helpdesk_daemon.triage.vote import Neighbour

START = datetime(2026, 11, 22, 9, 30, 0, 123_000, tzinfo=UTC)
BOX, FOLDER = "support", "INBOX"
CUSTOMER, BILLING = "zoe@customer.example", "billing@helpdesk.example"


class Hands:
    """A clock that goes on when it is told to."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def turn(self, **by: float) -> None:
        self.at += timedelta(**by)


class Database:
    """A SQLite file with all stores on it."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock = path, Hands()
        self.engine: Engine = open_engine(path)
        migrate(self.engine)
        self.arrivals = Arrivals(self.engine, self.clock)
        self.decisions = Decisions(self.engine, self.clock)
        self.outbox = Outbox(self.engine, self.clock)
        self.examples = Examples(self.engine, self.clock)

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with transaction(self.engine) as connection:
            return [dict(row) for row in connection.execute(text(query), values).mappings()]

    def one(self, query: str, **values: Any) -> Any:
        """The first column of the only row."""
        (row,) = self.rows(query, **values)
        return next(iter(row.values()))

    def write(self, statement: str, **values: Any) -> None:
        with transaction(self.engine) as connection:
            connection.execute(text(statement), values)

    def counts(self) -> dict[str, int]:
        """Rows of every table that a commit writes."""
        names = ("tickets", "participants", "messages", "decisions", "outbox", "audit_log", "audit_detail", "breakers",
                 "auto_replies", "suppressions")  # fmt: skip
        return {name: int(self.one(f"select count(*) from {name}")) for name in names}

    def arrive(self, count: int = 1, first: int = 1) -> list[int]:
        """Keep mails; their numbers."""
        self.arrivals.record(BOX, FOLDER, cursor(first + count - 1), [kept(n) for n in range(first, first + count)])
        uids = [str(n) for n in range(first, first + count)]
        found = {row["uid"]: row["id"] for row in self.rows("select id, uid from arrivals where folder = 'INBOX'")}
        return [int(found[uid]) for uid in uids]

    def open_ticket(self, number: int = 1, **changes: Any) -> Ticket:
        """A ticket with a forward and an acknowledgement on the way."""
        (arrival,) = self.arrive(1, number)
        self.decisions.claim(1)
        made = outcome(arrival, number, **changes)
        self.decisions.commit([made])
        assert made.opened
        return made.opened


def cursor(position: int = 0, uidvalidity: int = 7) -> Cursor:
    return Cursor(uidvalidity, position, START, 3, START - timedelta(days=1))


def raw(number: int) -> bytes:
    return f"From: {CUSTOMER}\r\nSubject: mail {number}\r\n\r\nInvoice {number} is wrong.\r\n".encode()


def kept(number: int, received_at: datetime | None = None) -> tuple[Fetched, str, str]:
    """A fetched mail with digest and Message-ID."""
    fetched = Fetched(str(number), raw(number), received_at or START - timedelta(minutes=5))
    return fetched, f"{number:064x}", f"<m{number}@customer.example>"


def ticket_id(number: int) -> str:
    return f"HD-{number:08d}"


def ticket(number: int = 1, **changes: Any) -> Ticket:
    fields: dict[str, Any] = {
        "id": ticket_id(number), "state": State.NEW, "subject": f"Invoice {number}", "requester_email": CUSTOMER,
        "requester_name": "Zoë Hartley", "mailbox": BOX, "category": "Billing", "department": "Billing Team",
        "address": BILLING, "priority": Priority.MEDIUM, "sla_hours": 24.0, "due_at": START + timedelta(hours=24),
        "created_at": START, "needs_review": False, "linked_to": "", "forward_id": f"<f{number}@helpdesk.example>",
        "customer_id": f"<m{number}@customer.example>",
    }  # fmt: skip
    return Ticket(**(fields | changes))


def decision() -> Decision:
    near = (Neighbour(3, "Billing", 0.87654321, "seed", "", "charged twice"),)
    return Decision(
        "Billing", 0.83, False, "", Department("Billing Team", BILLING), Priority.MEDIUM, 24.0, ("vip",),
        rule="big customer", set_by={"priority": "big customer"}, neighbours=near, model="all-MiniLM-L6-v2",
        rules_version="abc",
    )  # fmt: skip


def outgoing(number: int, kind: Kind = Kind.FORWARD, recipient: str = BILLING) -> Outgoing:
    sender = "" if kind == Kind.ACKNOWLEDGEMENT else "support@helpdesk.example"
    return Outgoing(
        kind, recipient, sender, f"<{kind.value}-{number}@helpdesk.example>", b"Subject: x\r\n\r\n" + bytes(range(256)),
        ticket_id(number),
    )  # fmt: skip


def stored(number: int) -> Stored:
    return Stored(ticket_id(number), "in", "customer", f"<m{number}@customer.example>", CUSTOMER, f"Invoice {number}",
                  "Invoice is wrong.\n> quoted", "Invoice is wrong.", START)  # fmt: skip


def outcome(arrival: int, number: int = 1, **changes: Any) -> Outcome:
    """What a customer's first mail leads to."""
    fields: dict[str, Any] = {
        "arrival": arrival, "state": "ticket", "reason": "a person", "sender": CUSTOMER, "subject": f"Invoice {number}",
        "ticket": ticket_id(number), "opened": ticket(number), "participants": (CUSTOMER, "ken@customer.example", ""),
        "decision": decision(), "message": stored(number),
        "outgoing": (outgoing(number), outgoing(number, Kind.ACKNOWLEDGEMENT, CUSTOMER)),
        "buckets": {"all": Bucket(4.5, START), f"address:{CUSTOMER}": Bucket(1.0, START)},
        "audit": (Audit("ticket.opened", {"subject": "Zoë ☃"}, ticket_id(number)),
                  Audit("ticket.decided", {"confidence": 0.83}, ticket_id(number), "rules")),
    }  # fmt: skip
    return Outcome(**(fields | changes))


def ignored(arrival: int, **changes: Any) -> Outcome:
    """What mail leads to that opens nothing."""
    fields: dict[str, Any] = {"arrival": arrival, "state": "ignored", "reason": "an automatic reply"}
    return Outcome(**(fields | changes))


Values = Mapping[str, Any]
