"""What operators change by command, beside the running daemon; each change leaves a line in the audit log."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine, select, update

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.schema.mail import arrivals, suppressions
from helpdesk_daemon.ports import Audit, Clock

OPERATOR = "operator"


def retry_quarantined(engine: Engine, clock: Clock, numbers: Sequence[int], actor: str = OPERATOR) -> list[int]:
    """Put quarantined mails back in front of the decide stage.

    Args:
        engine: the database.
        clock: tells the time.
        numbers: of the arrivals; none means all that are quarantined.
        actor: for the audit log.

    Returns:
        Those that were quarantined and now wait again.
    """
    with transaction(engine) as connection:
        wanted = select(arrivals.c.id).where(arrivals.c.state == "quarantined").order_by(arrivals.c.id)
        if numbers:
            wanted = wanted.where(arrivals.c.id.in_(numbers))
        found = list(connection.execute(wanted).scalars())
        connection.execute(update(arrivals).where(arrivals.c.id.in_(found)).values(state="pending", attempts=0))
        lines = [Audit("quarantine.retried", {"arrival": number}, actor=actor) for number in found]
        audit.append(connection, lines, clock.now())
    return found


def release_suppressions(engine: Engine, clock: Clock, emails: Sequence[str], actor: str = OPERATOR) -> list[str]:
    """Acknowledge addresses again that bounced; those of `emails` that were suppressed."""
    now = clock.now()
    with transaction(engine) as connection:
        here = suppressions.c.email.in_([email.lower() for email in emails]), suppressions.c.released_at.is_(None)
        found = list(connection.execute(select(suppressions.c.email).where(*here)).scalars())
        connection.execute(update(suppressions).where(*here).values(released_at=now))
        audit.append(connection, [Audit("suppression.released", {"email": e}, actor=actor) for e in found], now)
    return found


def note(engine: Engine, clock: Clock, line: Audit) -> None:
    """Write down what was done outside of the database."""
    with transaction(engine) as connection:
        audit.append(connection, [line], clock.now())
