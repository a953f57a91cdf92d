"""Arrivals become tickets: what decide claims, looks up and commits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.bulk import chunks, insert_rows
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.mail.arrivals import unpack
from helpdesk_daemon.adapters.store.mail.bounded import front
from helpdesk_daemon.adapters.store.mail.labels import learn
from helpdesk_daemon.adapters.store.mail.outbox import outbox_row
from helpdesk_daemon.adapters.store.mail.promises import note
from helpdesk_daemon.adapters.store.mail.stories import copies, story
from helpdesk_daemon.adapters.store.mail.verdicts import note as note_verdicts
from helpdesk_daemon.adapters.store.schema.deciding import decisions, votes
from helpdesk_daemon.adapters.store.schema.mail import arrivals, auto_replies, breakers, outbox, suppressions
from helpdesk_daemon.adapters.store.schema.tickets import messages, participants, tickets
from helpdesk_daemon.adapters.store.schema.watching import crowds
from helpdesk_daemon.outgoing.limits import Bucket, scopes_of
from helpdesk_daemon.ports import Arrival, Clock, Known, Outcome, Question
from helpdesk_daemon.tickets.ticket import Priority, State, Ticket

_open_bursts = select(crowds.c.id, crowds.c.centre).where(crowds.c.kind == "burst", crowds.c.ended_at.is_(None))
_open_breaker = select(breakers.c.id).where(breakers.c.released_at.is_(None))

DIED = "the process died over it"
_claimed = select(
    arrivals.c.id, arrivals.c.mailbox, arrivals.c.digest, arrivals.c.received_at, arrivals.c.attempts,
    arrivals.c.truncated, arrivals.c.raw, (arrivals.c.last_error == DIED).label("died"),
)  # fmt: skip
_settle = (
    update(arrivals)
    .where(arrivals.c.id == bindparam("row"))
    .values(
        state=bindparam("end"), reason=bindparam("why"), sender=bindparam("who"), subject=bindparam("what"),
        ticket=bindparam("on"), decided_at=bindparam("now", type_=arrivals.c.decided_at.type),
    )
)  # fmt: skip
_new_bucket = upsert(auto_replies)
_fill = _new_bucket.on_conflict_do_update(
    index_elements=["scope"], set_={"tokens": _new_bucket.excluded.tokens, "at": _new_bucket.excluded.at}
)


def ticket_of(row: Row[Any]) -> Ticket:
    """The ticket in a row of the tickets table."""
    return Ticket(
        id=row.id, state=State(row.state), subject=row.subject, requester_email=row.requester_email,
        requester_name=row.requester_name, mailbox=row.mailbox, category=row.category, department=row.department,
        address=row.address, priority=Priority(row.priority), sla_hours=row.sla_hours, due_at=row.due_at,
        created_at=row.created_at, needs_review=row.needs_review, linked_to=row.linked_to,
        forward_id=row.forward_id, customer_id=row.customer_id, not_acknowledged=row.not_acknowledged,
        zone=row.zone,
        merged_into=row.merged_into, tags=row.tags,
    )  # fmt: skip


class Decisions:
    """`DecisionStore` on the database."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    def claim(self, limit: int) -> list[Arrival]:
        """See `DecisionStore.claim`."""
        waiting = (
            select(arrivals.c.id, arrivals.c.attempts, arrivals.c.size)
            .where(arrivals.c.state == "pending")
            .order_by(arrivals.c.id)
            .limit(limit)
        )
        with transaction(self._engine) as connection:
            found = connection.execute(waiting).all()
            # One that was tried before comes alone: if it is what kills us, it must not take others along.
            alone = next((n for n, row in enumerate(found) if row.attempts), len(found))
            ids = [row.id for row in found[: max(min(alone, front(row.size for row in found)), 1)]]
            if not ids:
                return []
            rows = connection.execute(_claimed.where(arrivals.c.id.in_(ids)).order_by(arrivals.c.id)).all()
            connection.execute(
                update(arrivals).where(arrivals.c.id.in_(ids)).values(state="claimed", attempts=arrivals.c.attempts + 1)
            )
        return [
            Arrival(
                row.id,
                row.mailbox,
                unpack(row.raw),
                row.digest,
                row.received_at,
                row.attempts + 1,
                row.truncated,
                bool(row.died),
            )
            for row in rows
        ]

    def known(self, questions: Sequence[Question]) -> Known:
        """See `DecisionStore.known`."""
        with transaction(self._engine) as connection:
            return self._look_up(connection, questions)

    def operate(self, question: Question, plan: Callable[[Known], Sequence[Outcome]]) -> Sequence[Outcome]:
        """Look up, plan and write in one transaction: a command beside the running daemon.

        Returns:
            What `plan` made.
        """
        with transaction(self._engine) as connection:
            outcomes = plan(self._look_up(connection, [question]))
            self._write(connection, outcomes)
        return outcomes

    def _look_up(self, connection: Connection, questions: Sequence[Question]) -> Known:
        found = Known()
        for ids in chunks(i for q in questions for i in q.message_ids):
            for row in connection.execute(
                select(messages.c.message_id, messages.c.ticket)
                .where(messages.c.message_id.in_(ids))
                .order_by(messages.c.id)  # the first to carry an identifier keeps it
            ):
                found.by_message_id.setdefault(row.message_id, row.ticket)
        wanted = [*(t for q in questions for t in q.tickets), *found.by_message_id.values()]
        for ids in chunks(wanted):
            self._know_tickets(connection, ids, found)
        # A merge leads straight to the ticket that goes on (see `_change`): one step is enough.
        merged = [t.merged_into for t in found.tickets.values() if t.merged_into]
        for ids in chunks(t for t in merged if t not in found.tickets):
            self._know_tickets(connection, ids, found)
        wanted += merged
        for ids in chunks(q.message_id for q in questions if q.message_id):
            found.copies |= copies(connection, ids)
        for ticket in {t for q in questions for t in q.stories} & found.tickets.keys():
            lasting = found.tickets[ticket].merged_into or ticket
            found.stories[lasting] = story(connection, lasting)
        for digests in chunks(q.digest for q in questions):
            for row in connection.execute(
                select(arrivals.c.id, arrivals.c.digest).where(arrivals.c.digest.in_(digests)).order_by(arrivals.c.id)
            ):
                found.digests.setdefault(row.digest, row.id)
        people = list(dict.fromkeys(a for q in questions for a in q.addresses))
        for chunk in chunks(scopes_of(people, wanted)):
            for row in connection.execute(select(auto_replies).where(auto_replies.c.scope.in_(chunk))):
                found.buckets[row.scope] = Bucket(row.tokens, row.at)
        for chunk in chunks(a for q in questions for a in q.addresses):
            found.suppressed.update(
                connection.execute(
                    select(suppressions.c.email).where(
                        suppressions.c.email.in_(chunk), suppressions.c.released_at.is_(None)
                    )
                ).scalars()
            )
        found.breaker_open = bool(connection.execute(_open_breaker).first())
        found.bursts = {row.id: row.centre for row in connection.execute(_open_bursts)}
        return found

    def _know_tickets(self, connection: Connection, ids: list[str], found: Known) -> None:
        for row in connection.execute(select(tickets).where(tickets.c.id.in_(ids))):
            found.tickets[row.id] = ticket_of(row)
            if row.closed_at:
                found.closed_at[row.id] = row.closed_at
        for row in connection.execute(select(participants).where(participants.c.ticket.in_(ids))):
            found.participants.setdefault(row.ticket, set()).add(row.email)
        for row in connection.execute(
            select(decisions.c.ticket, decisions.c.confidence, decisions.c.rule, decisions.c.department)
            .where(decisions.c.ticket.in_(ids))
            .order_by(decisions.c.id)
        ):
            found.confidence[row.ticket] = (row.confidence, row.rule)
            found.departments.setdefault(row.ticket, set()).add(row.department)

    def commit(self, outcomes: Sequence[Outcome]) -> None:
        """See `DecisionStore.commit`."""
        with transaction(self._engine) as connection:
            self._write(connection, outcomes)

    def _write(self, connection: Connection, outcomes: Sequence[Outcome]) -> None:
        now = self._clock.now()
        opened = [o for o in outcomes if o.opened]
        insert_rows(connection, tickets, [_ticket_row(o, now) for o in opened])
        people = [{"ticket": t, "email": e} for o in outcomes for t, e in _participants(o)]
        if people:
            connection.execute(upsert(participants).on_conflict_do_nothing(), people)
        settled = [
            {"row": o.arrival, "end": o.state, "why": o.reason, "who": o.sender, "what": o.subject,
             "on": o.ticket or None, "now": now}
            for o in outcomes if o.arrival
        ]  # fmt: skip
        if settled:
            connection.execute(_settle, settled)
        buckets = {scope: bucket for o in outcomes for scope, bucket in o.buckets.items()}
        if buckets:
            connection.execute(_fill, [{"scope": s, "tokens": b.tokens, "at": b.at} for s, b in buckets.items()])
        for outcome in outcomes:
            self._change(connection, outcome, now)
        for table, rows in (
            (votes, [_vote_row(o, now) for o in outcomes if o.arrival and o.basis]),
            (messages, [_message_row(o) for o in outcomes if o.message]),
            (decisions, [_decision_row(o, now) for o in outcomes if o.decision]),
            (outbox, [outbox_row(mail, o.arrival or None, now) for o in outcomes for mail in o.outgoing]),
        ):
            insert_rows(connection, table, rows)
        learned = [line for o in outcomes if o.label and (line := learn(connection, o.label, now))]
        note(connection, outcomes, now)
        note_verdicts(connection, outcomes, now)
        audit.append(connection, [line for o in outcomes for line in o.audit] + learned, now)

    def _change(self, connection: Connection, o: Outcome, now: Any) -> None:
        """The rows that are updated rather than added."""
        if o.change:
            values: dict[str, Any] = {"updated_at": now, **o.change.columns}
            if o.change.state is not None:
                values["closed_at"] = now if o.change.state == State.CLOSED else None
            if o.change.merged_into:
                moved = update(tickets).where(tickets.c.merged_into == o.change.ticket)
                connection.execute(moved.values(merged_into=o.change.merged_into))
            connection.execute(update(tickets).where(tickets.c.id == o.change.ticket).values(values))
            if o.change.first_answer_at is not None:
                connection.execute(
                    update(tickets)
                    .where(tickets.c.id == o.change.ticket, tickets.c.first_answer_at.is_(None))
                    .values(first_answer_at=o.change.first_answer_at)
                )
        if o.breaker and not connection.execute(_open_breaker).first():
            connection.execute(insert(breakers).values(opened_at=now, reason=o.breaker))
        for email, reason in o.suppress.items():
            values = {"reason": reason, "at": now, "released_at": None}
            connection.execute(
                upsert(suppressions)
                .values(email=email, **values)
                .on_conflict_do_update(index_elements=["email"], set_=values)
            )

    def release(self, ids: Sequence[int], error: str, count: bool) -> None:
        """See `DecisionStore.release`."""
        attempts = arrivals.c.attempts if count else arrivals.c.attempts - 1
        with transaction(self._engine) as connection:
            connection.execute(
                update(arrivals)
                .where(arrivals.c.id.in_(list(ids)), arrivals.c.state == "claimed")
                .values(state="pending", attempts=attempts, last_error=error)
            )

    def recover(self) -> int:
        """See `DecisionStore.recover`."""
        with transaction(self._engine) as connection:
            return connection.execute(
                update(arrivals).where(arrivals.c.state == "claimed").values(state="pending", last_error=DIED)
            ).rowcount


def _participants(o: Outcome) -> Iterable[tuple[str, str]]:
    if o.opened:
        yield from ((o.opened.id, email) for email in o.participants if email)
    if o.change:
        yield from ((o.change.ticket, email) for email in o.change.participants if email)


def _columns(value: Any) -> dict[str, Any]:
    """A flat record as columns; `asdict` would copy every value."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _ticket_row(o: Outcome, now: Any) -> dict[str, Any]:
    assert o.opened
    return _columns(o.opened) | {"updated_at": now, "closed_at": None, "first_answer_at": None}


def _message_row(o: Outcome) -> dict[str, Any]:
    assert o.message
    return _columns(o.message) | {"arrival": o.arrival or None}


def _vote_row(o: Outcome, now: Any) -> dict[str, Any]:
    assert o.basis
    return _columns(o.basis) | {"arrival": o.arrival, "at": now}


def _decision_row(o: Outcome, now: Any) -> dict[str, Any]:
    d = o.decision
    assert d
    neighbours = [
        {"example": n.example, "category": n.category, "similarity": round(n.similarity, 4), "source": n.source,
         "ticket": n.ticket}
        for n in d.neighbours
    ]  # fmt: skip
    return {
        "ticket": o.ticket, "arrival": o.arrival or None, "at": now, "actor": o.actor, "category": d.category,
        "confidence": d.confidence, "needs_review": d.needs_review, "review_reason": d.review_reason,
        "department": d.department.name, "priority": d.priority, "sla_hours": d.sla_hours,
        "tags": json.dumps(d.tags), "rule": d.rule, "set_by": json.dumps(dict(d.set_by)),
        "neighbours": json.dumps(neighbours), "model": d.model, "judge": d.judge,
        "views": json.dumps([{"view": v.name, "category": v.category, "share": round(v.share, 4)} for v in d.views]),
        "rules_version": d.rules_version, "language": d.basis.language if d.basis else "",
    }  # fmt: skip
