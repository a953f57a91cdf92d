"""The outbox: what is due, what is being sent, how each try ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, bindparam, func, insert, select, true, update

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.bulk import insert_rows
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.mail.bounded import front
from helpdesk_daemon.adapters.store.schema.mail import breakers, outbox
from helpdesk_daemon.adapters.store.schema.tickets import tickets
from helpdesk_daemon.outgoing.message import AT_MOST_ONCE, UNHELD, Kind, Outgoing
from helpdesk_daemon.ports import Audit, Clock, Due, Sent
from helpdesk_daemon.tickets.ticket import State

WAITING = ("pending", "deferred")
COPIED = ("kind", "ticket", "arrival", "mailbox", "sender", "message_id", "size", "mime")  # to a redirected mail
# Made once: to build such a statement takes longer than to run it.
_these = outbox.c.id.in_(bindparam("ids", expanding=True))
_due = select(
    outbox.c.id, outbox.c.kind, outbox.c.ticket, outbox.c.sender, outbox.c.recipient, outbox.c.message_id,
    outbox.c.mime, outbox.c.attempts, outbox.c.created_at, func.coalesce(tickets.c.address, ""),
    outbox.c.mailbox,
).select_from(outbox.outerjoin(tickets, tickets.c.id == outbox.c.ticket)).where(_these)  # fmt: skip
_free = select(outbox.c.id).where(_these, outbox.c.state.in_(WAITING))
_begun = update(outbox).where(_these).values(state="sending", attempts=outbox.c.attempts + 1)
_open = (  # a ticket is open once its forward has left
    update(tickets)
    .where(tickets.c.id.in_(select(outbox.c.ticket).where(_these, outbox.c.kind == Kind.FORWARD)))
    .where(tickets.c.state == State.NEW)
    .values(state=State.OPEN)
)
_held = select(breakers.c.id).where(breakers.c.released_at.is_(None))
_mark_sent = (
    update(outbox)
    .where(outbox.c.id == bindparam("row"))
    .values(state="sent", last_reply=bindparam("reply"), sent_at=bindparam("now", type_=outbox.c.sent_at.type))
)


def outbox_row(mail: Outgoing, arrival: int | None, now: datetime) -> Mapping[str, object]:
    """A new row for a mail that waits to be sent, or for a person to let it go."""
    return {
        "kind": mail.kind, "ticket": mail.ticket, "arrival": arrival, "mailbox": mail.mailbox, "sender": mail.sender,
        "recipient": mail.recipient, "message_id": mail.message_id, "state": "held" if mail.held else "pending",
        "attempts": 0, "next_attempt_at": now, "created_at": now, "last_reply": mail.held, "size": len(mail.mime),
        "mime": mail.mime,
    }  # fmt: skip


class Outbox:
    """`OutboxStore` on the database.

    Args:
        engine: the database.
        clock: tells the time.
        mailbox: whose outgoing mail this is; empty for that of all mailboxes but `besides`.
        besides: mailboxes whose mail leaves another way.
        copies: by mailbox, the kinds of mail of which its Sent folder gets a copy.
    """

    def __init__(
        self, engine: Engine, clock: Clock, mailbox: str = "", besides: Sequence[str] = (),
        copies: Mapping[str, Sequence[str]] | None = None,
    ) -> None:  # fmt: skip
        self._engine, self._clock, self._copies = engine, clock, copies or {}
        column, others = outbox.c.mailbox, list(besides)
        self._ours: ColumnElement[bool] = column == mailbox if mailbox else column.not_in(others) if others else true()

    def due(self, limit: int) -> list[Due]:
        """See `OutboxStore.due`."""
        now = self._clock.now()
        with transaction(self._engine) as connection:
            wanted = (
                select(outbox.c.id, outbox.c.size)
                .where(self._ours, outbox.c.state.in_(WAITING), outbox.c.next_attempt_at <= now)
                .order_by(outbox.c.kind.not_in(list(UNHELD)), outbox.c.next_attempt_at, outbox.c.id)
                .limit(limit)
            )
            found = connection.execute(_unheld(connection, wanted)).all()
            ids = [row.id for row in found[: front(row.size for row in found)]]
            rows = {row.id: row for row in connection.execute(_due, {"ids": ids})}
        return [Due(*rows[number]) for number in ids]

    def settle(self, results: Sequence[Sent], begin: Sequence[int]) -> list[int]:
        """See `OutboxStore.settle`."""
        now = self._clock.now()
        with transaction(self._engine) as connection:
            self._finish(connection, results, now)
            return self._begin(connection, begin)

    def _finish(self, connection: Connection, results: Sequence[Sent], now: datetime) -> None:
        done = [r for r in results if r.state == "sent"]
        if done:
            connection.execute(_mark_sent, [{"row": r.id, "reply": r.reply[:1_000], "now": now} for r in done])
            connection.execute(_open, {"ids": [r.id for r in done]})
            self._want_copies(connection, [r.id for r in done])
        for sent in results:
            if sent.state != "sent":
                self._unsent(connection, sent, now)
        audit.append(connection, [sent.audit for sent in results if sent.audit], now)

    def _begin(self, connection: Connection, ids: Sequence[int]) -> list[int]:
        if not ids:
            return []
        rows = list(connection.execute(_unheld(connection, _free), {"ids": ids}).scalars())
        if rows:
            connection.execute(_begun, {"ids": rows})
        return rows

    def _unsent(self, connection: Connection, sent: Sent, now: datetime) -> None:
        values: dict[str, object] = {"state": sent.state, "last_reply": sent.reply[:1_000]}
        if sent.next_attempt_at is not None:
            values["next_attempt_at"] = sent.next_attempt_at
        if sent.state == "pending":
            values["attempts"] = outbox.c.attempts - 1
        connection.execute(update(outbox).where(outbox.c.id == sent.id).values(values))
        if sent.redirect:
            self._redirect(connection, sent, now)
        if sent.notice:
            insert_rows(connection, outbox, [outbox_row(sent.notice, None, now)])

    def _redirect(self, connection: Connection, sent: Sent, now: datetime) -> None:
        copied = [c.name for c in outbox.c if c.name in COPIED]
        row = connection.execute(select(*(outbox.c[name] for name in copied)).where(outbox.c.id == sent.id)).one()
        values = dict(row._mapping) | {
            "recipient": sent.redirect,
            "state": "pending",
            "next_attempt_at": now,
            "created_at": now,
        }
        connection.execute(insert(outbox).values(values))

    def _want_copies(self, connection: Connection, ids: list[int]) -> None:
        """Say which of the mails that left are still to be filed in a Sent folder."""
        for mailbox, kinds in self._copies.items():
            ours = outbox.c.mailbox == mailbox, outbox.c.kind.in_(list(kinds))
            connection.execute(update(outbox).where(outbox.c.id.in_(ids), *ours).values(copy_state="wanted"))

    def recover(self) -> list[int]:
        """See `OutboxStore.recover`."""
        with transaction(self._engine) as connection:
            unsure = connection.execute(
                update(outbox)
                .where(self._ours, outbox.c.state == "sending", outbox.c.kind.in_(list(AT_MOST_ONCE)))
                .values(state="ambiguous", last_reply="the process died while sending")
                .returning(outbox.c.id, outbox.c.ticket, outbox.c.kind)
            ).all()
            connection.execute(
                update(outbox)
                .where(self._ours, outbox.c.state == "sending")
                .values(
                    state="deferred",
                    last_reply="the process died while sending",
                    next_attempt_at=self._clock.now(),
                )
            )
            lines = [
                Audit("outgoing.left_ambiguous", {"outbox": row.id, "kind": row.kind}, row.ticket) for row in unsure
            ]
            audit.append(connection, lines, self._clock.now())
        return [row.id for row in unsure]

    def next_due(self) -> datetime | None:
        """See `OutboxStore.next_due`."""
        with transaction(self._engine) as connection:
            at: datetime | None = connection.execute(
                _unheld(
                    connection,
                    select(func.min(outbox.c.next_attempt_at)).where(self._ours, outbox.c.state.in_(WAITING)),
                )
            ).scalar()
        return at


def _unheld(connection: Connection, wanted: Select[Any]) -> Select[Any]:
    """Without what the circuit breaker holds back at the moment."""
    held = connection.execute(_held).first()
    return wanted.where(outbox.c.kind.in_(list(UNHELD))) if held else wanted
