"""The ledger's side of `audit reconcile`: what it holds of a folder, and where it contradicts itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, func, select, text, update

from helpdesk_daemon.adapters.store.audit import append
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.mail.arrivals import keep
from helpdesk_daemon.adapters.store.schema.columns import iso, read_iso
from helpdesk_daemon.adapters.store.schema.mail import arrivals, cursors
from helpdesk_daemon.adapters.store.schema.tickets import messages, tickets
from helpdesk_daemon.ports import Audit, Cursor, Fetched

TERMINAL = ("ticket", "reply", "ignored", "quarantined")
STUCK = timedelta(minutes=15)  # in which every arrival should have been decided
REJOINED = "its row was gone, and it is on a ticket"
MOST = 1_000  # findings of a kind that are told one by one


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that should not be.

    Attributes:
        kind: `lost`, or the name of a check of the ledger.
        problem: in words.
        mailbox: where the mail came by, empty for findings about tickets.
        folder: the same.
        uid: of the mail in its folder, empty when that is not known.
        arrival: its number in the ledger, 0 when it has none.
        ticket: tracking ID, empty for none.
        at: when the mail was received, UTC.
        sender: address, empty when unknown.
        subject: of the mail or ticket.
    """

    kind: str
    problem: str
    mailbox: str = ""
    folder: str = ""
    uid: str = ""
    arrival: int = 0
    ticket: str = ""
    at: datetime | None = None
    sender: str = ""
    subject: str = ""


ARRIVAL = (
    "select a.mailbox, a.folder, a.uid, a.id as arrival, coalesce(a.ticket, '') as ticket, a.received_at as at, "
    "a.sender, a.subject from arrivals a "
)
TICKET = "select t.mailbox, t.id as ticket, t.created_at as at, t.requester_email as sender, t.subject from tickets t "
LOGGED = (
    "select json_extract(d.detail, '$.mailbox') as mailbox, json_extract(d.detail, '$.folder') as folder, "
    "json_extract(d.detail, '$.uid') as uid, json_extract(d.detail, '$.arrival') as arrival, l.at "
    "from audit_log l join audit_detail d on d.seq = l.seq "
)
# Each finds rows that contradict a promise: kind, what is wrong, what to tell of it, where.
CHECKS: tuple[tuple[str, str, str, str], ...] = (
    (
        "undecided",
        "it was kept more than 15 minutes ago and nothing was decided",
        ARRIVAL,
        "where a.state in ('pending', 'claimed') and a.fetched_at < :before",
    ),
    (
        "unknown state",
        "its state is none that this program knows",
        ARRIVAL,
        "where a.state not in ('pending', 'claimed', 'ticket', 'reply', 'ignored', 'quarantined')",
    ),
    (
        "no ticket",
        "it should be on a ticket, and that ticket does not exist",
        ARRIVAL,
        "where a.state in ('ticket', 'reply') and not exists (select 1 from tickets t where t.id = a.ticket)",
    ),
    (
        "no mail",
        "the ticket exists, and the mail that opened it does not",
        TICKET,
        "where t.id not in (select a.ticket from arrivals a where a.state = 'ticket' and a.ticket is not null)",
    ),
    (
        "no forward",
        "it opened a ticket, and no mail to a department was made",
        ARRIVAL,
        "where a.state = 'ticket' "
        "and not exists (select 1 from outbox o where o.ticket = a.ticket and o.kind = 'forward')",
    ),
    (
        "no acknowledgement",
        "its ticket was neither acknowledged nor is there a reason why not",
        ARRIVAL,
        "join tickets t on t.id = a.ticket "
        "where a.state = 'ticket' and t.not_acknowledged = '' "
        "and not exists (select 1 from outbox o where o.ticket = t.id and o.kind = 'acknowledgement') "
        "and not exists (select 1 from audit_log l where l.ticket = t.id and l.event = 'acknowledgement.withheld')",
    ),
    (
        "no notice",
        "it is in quarantine, and nobody was sent it",
        ARRIVAL,
        "where a.state = 'quarantined' and a.id not in (select o.arrival from outbox o where o.arrival is not null)",
    ),
    (
        "two tickets",
        "the same mail opened a ticket before",
        ARRIVAL,
        "where a.state = 'ticket' and exists "
        "(select 1 from arrivals b where b.digest = a.digest and b.state = 'ticket' and b.id < a.id)",
    ),
    (
        "UID twice",
        "its UID stands in the ledger before",
        ARRIVAL,
        "where exists (select 1 from arrivals b where b.mailbox = a.mailbox "
        "and b.folder = a.folder and b.uidvalidity = a.uidvalidity and b.uid = a.uid and b.id < a.id)",
    ),
    (
        "row gone",
        "the audit log says that it was kept, and the ledger does not have it",
        LOGGED,
        "where l.event = 'message.arrived' and d.detail <> '' "
        "and not exists (select 1 from arrivals a where a.id = json_extract(d.detail, '$.arrival')) "
        "and not exists (select 1 from arrivals a where a.mailbox = json_extract(d.detail, '$.mailbox') "
        "and a.folder = json_extract(d.detail, '$.folder') and a.uid = json_extract(d.detail, '$.uid') "
        "and a.uidvalidity = json_extract(d.detail, '$.uidvalidity'))",
    ),
)  # fmt: skip


def contradictions(engine: Engine, now: datetime) -> list[Finding]:
    """Run every check over one state of the database; at most `MOST` findings of each."""
    found = []
    with transaction(engine) as connection:
        for kind, problem, told, where in CHECKS:
            values = {"before": iso(now - STUCK)} if ":before" in where else {}
            for row in connection.execute(text(f"{told} {where} limit {MOST}"), values).mappings():
                found.append(Finding(kind, problem, **dict(row) | {"at": read_iso(row["at"])}))
    return found


def position(engine: Engine, mailbox: str, folder: str) -> Cursor | None:
    """How far a folder was read; None when it never was."""
    with transaction(engine) as connection:
        here = cursors.c.mailbox == mailbox, cursors.c.folder == folder
        row = connection.execute(select(cursors).where(*here)).first()
    return Cursor(row.uidvalidity, row.position, row.started_at, row.backlog, row.since) if row else None


def history(engine: Engine, mailbox: str, folder: str, uidvalidity: int) -> tuple[datetime | None, bool]:
    """When the newest kept mail of a folder was received; whether all of it came under one UIDVALIDITY."""
    here = arrivals.c.mailbox == mailbox, arrivals.c.folder == folder
    with transaction(engine) as connection:
        newest = connection.execute(select(func.max(arrivals.c.received_at)).where(*here)).scalar()
        other = select(arrivals.c.id).where(*here, arrivals.c.uidvalidity != uidvalidity).limit(1)
        return newest, connection.execute(other).first() is None


def states(engine: Engine, mailbox: str, folder: str, uidvalidity: int, uids: Sequence[str]) -> dict[str, str]:
    """The state of those of some UIDs, at most a thousand, that the ledger has."""
    here = (
        arrivals.c.mailbox == mailbox, arrivals.c.folder == folder, arrivals.c.uidvalidity == uidvalidity,
        arrivals.c.uid.in_(uids),
    )  # fmt: skip
    with transaction(engine) as connection:
        return {row.uid: row.state for row in connection.execute(select(arrivals.c.uid, arrivals.c.state).where(*here))}


def message_ids(engine: Engine, mailbox: str) -> Counter[str]:
    """How often each Message-ID stands in the ledger for a mailbox."""
    wanted = select(arrivals.c.message_id).where(arrivals.c.mailbox == mailbox, arrivals.c.message_id != "")
    with transaction(engine) as connection:
        return Counter(connection.execute(wanted).scalars())


def known_digests(engine: Engine, digests: Sequence[str]) -> set[str]:
    """Those of some digests, at most a thousand, that the ledger has."""
    with transaction(engine) as connection:
        return set(connection.execute(select(arrivals.c.digest).where(arrivals.c.digest.in_(digests))).scalars())


def take_back(
    engine: Engine, mailbox: str, folder: str, uidvalidity: int, mails: Sequence[tuple[Fetched, str, str]],
    now: datetime, actor: str,
) -> int:  # fmt: skip
    """Keep mails that were lost, as ingest would have, but for the cursor; how many were new to the ledger.

    A mail that is on a ticket already, and whose row alone is gone, is joined to it again, not decided twice.
    """
    where: dict[str, Any] = {"mailbox": mailbox, "folder": folder, "uidvalidity": uidvalidity}
    with transaction(engine) as connection:
        new = keep(connection, mailbox, folder, uidvalidity, mails, now)
        _rejoin(connection, mailbox, folder, uidvalidity, [mail.uid for mail, _, _ in mails], now)
        line = Audit("mailbox.repaired", where | {"uids": [mail.uid for mail, _, _ in mails]}, actor=actor)
        append(connection, [line] if new else [], now)
    return new


def _rejoin(
    connection: Connection, mailbox: str, folder: str, uidvalidity: int, uids: Sequence[str], now: datetime
) -> None:
    """Give rows that were just taken back the ticket that their mail is on, if it still is on one."""
    here = (
        arrivals.c.mailbox == mailbox, arrivals.c.folder == folder, arrivals.c.uidvalidity == uidvalidity,
        arrivals.c.uid.in_(uids), arrivals.c.state == "pending", arrivals.c.message_id != "",
    )  # fmt: skip
    dangling = (
        messages.c.direction == "in", messages.c.arrival.not_in(select(arrivals.c.id)),
        messages.c.ticket.in_(select(tickets.c.id)),
    )  # fmt: skip
    same_mail = messages.c.message_id == arrivals.c.message_id
    on_ticket = select(arrivals.c.id, messages).join(messages, same_mail).where(*here, *dangling)
    for row in connection.execute(on_ticket).all():
        settled = {"state": "ticket" if row.kind == "request" else "reply", "reason": REJOINED, "decided_at": now}
        told = {"ticket": row.ticket, "sender": row.sender, "subject": row.subject}
        connection.execute(update(arrivals).where(arrivals.c.id == row.id).values(**settled, **told))
        connection.execute(update(messages).where(messages.c.id == row.id_1).values(arrival=row.id))
