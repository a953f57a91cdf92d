"""How long pages of tickets take in a database with many: `python -m scripts.web_lists [--tickets N]`."""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, insert

from helpdesk_daemon.adapters.store.engine import open_engine, transaction
from helpdesk_daemon.adapters.store.migrate import migrate
from helpdesk_daemon.adapters.store.schema.deciding import decisions
from helpdesk_daemon.adapters.store.schema.tickets import tickets
from helpdesk_daemon.adapters.store.views.web_reading import WebReads
from helpdesk_daemon.ports.web import Place, TicketFilter
from helpdesk_daemon.tickets.tracking import new_tracking_id

START = datetime(2026, 1, 1, tzinfo=UTC)
CATEGORIES = ("Technical", "Account", "Billing", "Product", "Bug", "General")


def fill(engine: Engine, count: int) -> None:
    """Invented tickets, one a minute; one in a thousand is of a rare category."""
    dice = random.Random(1)
    for first in range(0, count, 5_000):
        rows = []
        for number in range(first, min(first + 5_000, count)):
            at = START + timedelta(minutes=number)
            category = "Rare" if number % 1_000 == 7 else dice.choice(CATEGORIES)
            rows.append(
                {
                    "id": new_tracking_id(), "state": dice.choice(("new", "open", "waiting", "closed", "closed")),
                    "subject": f"Case {number} about {category.lower()} things", "requester_name": "Ada",
                    "requester_email": f"c{number % 7_000}@customer.example", "mailbox": "support",
                    "category": category,
                    "department": f"{category} Team", "address": "team@helpdesk.example",
                    "priority": dice.choice(("High", "Medium", "Low")), "sla_hours": 8.0,
                    "due_at": at + timedelta(hours=8), "needs_review": number % 50 == 0, "created_at": at,
                    "updated_at": at,
                }
            )  # fmt: skip
        made = [
            {
                "ticket": r["id"], "at": r["created_at"], "actor": "daemon", "category": r["category"],
                "confidence": 0.9, "needs_review": False, "review_reason": "", "department": r["department"],
                "priority": r["priority"], "sla_hours": 8.0, "tags": "[]", "rule": "default", "set_by": "{}",
                "neighbours": "[]", "model": "m", "rules_version": "r",
            }
            for r in rows
        ]  # fmt: skip
        with transaction(engine) as connection:
            connection.execute(insert(tickets), rows)
            connection.execute(insert(decisions), made)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Median and longest of twenty runs, milliseconds."""
    took = []
    for _ in range(20):
        begun = time.perf_counter()
        work()
        took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took), max(took)


def main() -> None:
    """Fill a database and time each list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickets", type=int, default=100_000)
    count = parser.parse_args().tickets
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(Path(folder) / "many.db")
        migrate(engine)
        fill(engine, count)
        reads = WebReads(open_engine(Path(folder) / "many.db", readonly=True))
        middle = Place(START + timedelta(minutes=count // 2), "HD-00000000")
        asked = {
            "newest": (TicketFilter(), None), "from the middle": (TicketFilter(), middle),
            "status": (TicketFilter(state="waiting"), middle), "rare category": (TicketFilter(category="Rare"), None),
            "department": (TicketFilter(department="Billing Team"), middle),
            "priority": (TicketFilter(priority="Low"), middle), "to review": (TicketFilter(review=True), None),
            "two filters": (TicketFilter(state="new", category="Rare"), None),
            "text, common": (TicketFilter(text="billing"), None), "text, never": (TicketFilter(text="zebra"), None),
            "none such": (TicketFilter(category="None", state="open"), None),
        }  # fmt: skip
        for name, (wanted, after) in asked.items():
            median, longest = timed(lambda wanted=wanted, after=after: reads.tickets(wanted, after, 51))  # type: ignore[misc]
            print(f"{name:<16} median {median:6.1f} ms  longest {longest:6.1f} ms")
        median, longest = timed(lambda: reads.stats(START + timedelta(minutes=count)))
        print(f"{'stats':<16} median {median:6.1f} ms  longest {longest:6.1f} ms")


if __name__ == "__main__":
    main()
