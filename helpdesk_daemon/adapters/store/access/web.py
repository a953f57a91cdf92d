"""What the API and the pages write: forms into the ledger, links to one ticket."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Connection, Engine, delete, insert, select, update

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.mail.arrivals import keep
from helpdesk_daemon.adapters.store.mail.decisions import ticket_of
from helpdesk_daemon.adapters.store.mail.outbox import outbox_row
from helpdesk_daemon.adapters.store.schema.mail import arrivals, auto_replies, breakers, outbox, suppressions
from helpdesk_daemon.adapters.store.schema.pages import submissions, track_links
from helpdesk_daemon.adapters.store.schema.tickets import participants, tickets
from helpdesk_daemon.mail.message import base_address
from helpdesk_daemon.outgoing.form import FORM
from helpdesk_daemon.outgoing.limits import ALL_MAIL, Bucket, Rate, take
from helpdesk_daemon.outgoing.message import Outgoing
from helpdesk_daemon.ports import Audit, Clock, Fetched
from helpdesk_daemon.ports.web import Kept, Typed
from helpdesk_daemon.tickets.ticket import Ticket

REMEMBERED = timedelta(days=2)  # that a key is recognised again
LINK_LIVES = timedelta(hours=1)
LINKS_HOURLY = Rate(3, 3)  # to one address


class WebWrites:
    """`WebWriting` on the database.

    Args:
        engine: the database.
        clock: tells the time.
        mail_rate: of all mail of this installation.
        compose: makes the mail with a link, of ticket, recipient and URL.
    """

    def __init__(
        self, engine: Engine, clock: Clock, mail_rate: Rate, compose: Callable[[Ticket, str, str], Outgoing]
    ) -> None:
        self._engine, self._clock, self._mail_rate, self._compose = engine, clock, mail_rate, compose

    def keep(self, form: Typed) -> Kept:
        """See `WebWriting.keep`."""
        now = self._clock.now()
        mine = submissions.c.caller == form.caller, submissions.c.key == form.key
        with transaction(self._engine) as connection:
            if form.key and (row := connection.execute(select(submissions).where(*mine)).first()):
                if row.at > now - REMEMBERED:
                    return Kept(row.arrival, row.ticket, False, row.request == form.request, row.answer)
                connection.execute(delete(submissions).where(*mine))
            arrival = self._keep(connection, form)
            if form.key:
                values = {"caller": form.caller, "key": form.key, "request": form.request, "arrival": arrival,
                          "ticket": form.ticket, "answer": "", "at": now}  # fmt: skip
                connection.execute(insert(submissions).values(values))
                connection.execute(delete(submissions).where(submissions.c.at < now - REMEMBERED))
        return Kept(arrival, form.ticket)

    def _keep(self, connection: Connection, form: Typed) -> int:
        """Into the ledger, under a UID that is the mail's own name; there is no mailbox to be marked."""
        now, uid = self._clock.now(), form.message_id.strip("<>")
        mail = (Fetched(uid, form.raw, now), form.digest, form.message_id)
        folder = form.caller.partition(":")[0]  # the kind of caller: no network address stands in the ledger
        keep(connection, FORM, folder, 0, [mail], now)
        here = arrivals.c.mailbox == FORM, arrivals.c.folder == folder, arrivals.c.uid == uid
        connection.execute(update(arrivals).where(*here).values(touched_at=now))
        return int(connection.execute(select(arrivals.c.id).where(*here)).scalar_one())

    def answered(self, caller: str, key: str, answer: str) -> str:
        """See `WebWriting.answered`."""
        mine = submissions.c.caller == caller, submissions.c.key == key
        with transaction(self._engine) as connection:
            connection.execute(update(submissions).where(*mine, submissions.c.answer == "").values(answer=answer))
            return connection.execute(select(submissions.c.answer).where(*mine)).scalar() or answer

    def send_link(self, ticket: str, email: str, digest: str, url: str) -> bool:
        """See `WebWriting.send_link`."""
        now = self._clock.now()
        with transaction(self._engine) as connection:
            row = connection.execute(
                select(tickets)
                .join(participants, participants.c.ticket == tickets.c.id)
                .where(tickets.c.id == ticket, participants.c.email == email)
            ).first()
            if row is None or _may_not_be_written_to(connection, email):
                return False
            if not self._within_limits(connection, email):
                return False
            mail = self._compose(ticket_of(row), email, url)
            connection.execute(insert(outbox).values(outbox_row(mail, None, now)))
            connection.execute(delete(track_links).where(track_links.c.expires_at < now))
            link = {"digest": digest, "ticket": ticket, "expires_at": now + LINK_LIVES}
            connection.execute(insert(track_links).values(link))
            audit.append(connection, [Audit("link.sent", {"to": email}, ticket)], now)
        return True

    def _within_limits(self, connection: Connection, email: str) -> bool:
        """Count a link against the limits of its address and of all mail."""
        scopes = {f"link:{base_address(email)}": LINKS_HOURLY, ALL_MAIL: self._mail_rate}
        wanted = select(auto_replies).where(auto_replies.c.scope.in_(scopes))
        before = {row.scope: Bucket(row.tokens, row.at) for row in connection.execute(wanted)}
        after, empty = take(before, scopes, self._clock.now())
        for scope, bucket in after.items():
            connection.execute(delete(auto_replies).where(auto_replies.c.scope == scope))
            values = {"scope": scope, "tokens": bucket.tokens, "at": bucket.at}
            connection.execute(insert(auto_replies).values(values))
        return not empty

    def use_link(self, digest: str) -> str:
        """See `WebWriting.use_link`."""
        now = self._clock.now()
        here = track_links.c.digest == digest, track_links.c.used_at.is_(None), track_links.c.expires_at > now
        with transaction(self._engine) as connection:
            ticket = connection.execute(update(track_links).where(*here).values(used_at=now).returning(
                track_links.c.ticket)).scalar()  # fmt: skip
            if ticket:
                audit.append(connection, [Audit("link.used", {}, ticket)], now)
        return ticket or ""


def _may_not_be_written_to(connection: Connection, email: str) -> bool:
    """Whether an address bounced, or the breaker holds all mail."""
    dead = select(suppressions.c.email).where(suppressions.c.email == email, suppressions.c.released_at.is_(None))
    held = select(breakers.c.id).where(breakers.c.released_at.is_(None))
    return bool(connection.execute(dead).first() or connection.execute(held).first())
