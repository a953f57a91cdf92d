"""The circuit breaker and the outbox in an operator's hand; each act leaves a line in the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, delete, insert, or_, select, update

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.schema.mail import auto_replies, breakers, outbox
from helpdesk_daemon.outgoing.limits import ALL_ACKNOWLEDGEMENTS, ALL_MAIL
from helpdesk_daemon.ports import Audit, Clock

OPERATOR = "operator"
RETRIED = ("failed", "ambiguous", "deferred", "held")  # by number
DROPPED = ("pending", "deferred", "held", "failed", "ambiguous")
RECENT = timedelta(days=1)  # failed mail that is tried again when none is named
_open = breakers.c.released_at.is_(None)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which outgoing mails an act is meant for; empty fields ask nothing.

    Attributes:
        ids: numbers of outbox rows.
        kinds: such as `acknowledgement`.
        recipient: address.
    """

    ids: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()
    recipient: str = ""

    def clauses(self) -> list[ColumnElement[bool]]:
        """The conditions that hold for these mails."""
        asked = (
            (self.ids, outbox.c.id.in_(self.ids)), (self.kinds, outbox.c.kind.in_(self.kinds)),
            (self.recipient, outbox.c.recipient == self.recipient.lower()),
        )  # fmt: skip
        return [clause for given, clause in asked if given]


def breaker(engine: Engine) -> dict[str, Any] | None:
    """When and why the circuit breaker opened; None when mail is not held."""
    with transaction(engine) as connection:
        row = connection.execute(select(breakers.c.opened_at, breakers.c.reason).where(_open)).mappings().first()
    return dict(row) if row else None


def open_breaker(engine: Engine, clock: Clock, reason: str, actor: str = OPERATOR) -> bool:
    """Hold outgoing mail from now on, alerts excepted; False when it was held already."""
    now = clock.now()
    with transaction(engine) as connection:
        if connection.execute(select(breakers.c.id).where(_open)).first():
            return False
        connection.execute(insert(breakers).values(opened_at=now, reason=reason))
        audit.append(connection, [Audit("breaker.opened", {"reason": reason}, actor=actor)], now)
    return True


def release_breaker(engine: Engine, clock: Clock, actor: str = OPERATOR) -> bool:
    """Let held mail leave; False when none was held.

    The limits of all mail begin anew: otherwise the next mail would open the breaker again.
    """
    now = clock.now()
    with transaction(engine) as connection:
        closed = connection.execute(update(breakers).where(_open).values(released_at=now, released_by=actor)).rowcount
        if closed:
            connection.execute(delete(auto_replies).where(auto_replies.c.scope.in_([ALL_ACKNOWLEDGEMENTS, ALL_MAIL])))
            audit.append(connection, [Audit("breaker.released", {}, actor=actor)], now)
    return bool(closed)


def retry(engine: Engine, clock: Clock, ids: Sequence[int], actor: str = OPERATOR) -> list[int]:
    """Make mails due now, as if they were new: their tries and the days after which they are given up count anew.

    Args:
        engine: the database.
        clock: tells the time.
        ids: of failed, ambiguous, deferred or held mails; none means all that are deferred or failed within
            the last day. An ambiguous mail may then arrive twice and a held one was held for a reason,
            so these are only tried by number.
        actor: for the audit log.

    Returns:
        Those that now wait.
    """
    now = clock.now()
    named = and_(outbox.c.id.in_(list(ids)), outbox.c.state.in_(RETRIED))
    failed_lately = and_(outbox.c.state == "failed", outbox.c.next_attempt_at >= now - RECENT)
    wanted = named if ids else or_(outbox.c.state == "deferred", failed_lately)
    wanted = and_(wanted, outbox.c.mime.is_not(None))  # an erasure may have taken it
    return _moved(engine, clock, wanted, "pending", "outgoing.retried", actor,
                  next_attempt_at=now, created_at=now, attempts=0)  # fmt: skip


def drop(engine: Engine, clock: Clock, wanted: Wanted, actor: str = OPERATOR) -> list[int]:
    """Never send mails that have not left; those that were dropped. They stay in the outbox to be looked at.

    Raises:
        ValueError: nothing is asked for, which would drop everything.
    """
    if not wanted.clauses():
        raise ValueError("name mails to drop")
    which = and_(outbox.c.state.in_(DROPPED), *wanted.clauses())
    return _moved(engine, clock, which, "dropped", "outgoing.dropped", actor)


def _moved(
    engine: Engine, clock: Clock, wanted: ColumnElement[bool], state: str, event: str, actor: str, **values: Any
) -> list[int]:
    with transaction(engine) as connection:
        rows = connection.execute(
            select(outbox.c.id, outbox.c.kind, outbox.c.ticket, outbox.c.recipient, outbox.c.state)
            .where(wanted)
            .order_by(outbox.c.id)
        ).all()
        connection.execute(update(outbox).where(wanted).values(state=state, **values))
        lines = [
            Audit(event, {"outbox": r.id, "kind": r.kind, "to": r.recipient, "was": r.state}, r.ticket, actor)
            for r in rows
        ]
        audit.append(connection, lines, clock.now())
    return [row.id for row in rows]
