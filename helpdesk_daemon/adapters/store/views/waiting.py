"""How much needs a person, for the menu of every page: three counts, each by an index."""

from __future__ import annotations

from sqlalchemy import Engine, func, select, text

from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.schema.mail import arrivals, outbox
from helpdesk_daemon.adapters.store.schema.tickets import tickets

MOST = 1_000  # counted at most
IN_REVIEW = text("tickets.needs_review = 1 and tickets.state <> 'closed'")  # as the partial index says it
STUCK = ("failed", "ambiguous", "held")

WAITING = {
    "review": select(tickets.c.id).where(IN_REVIEW),
    "outbox": select(outbox.c.id).where(outbox.c.state.in_(STUCK)),
    "quarantine": select(arrivals.c.id).where(arrivals.c.state == "quarantined"),
}


def waiting(engine: Engine) -> dict[str, int]:
    """Tickets in review, outgoing mail that did not leave, mail in quarantine; 1,000 means that many or more."""
    with transaction(engine) as connection:
        return {
            name: connection.execute(select(func.count()).select_from(rows.limit(MOST).subquery())).scalar_one()
            for name, rows in WAITING.items()
        }
