"""Erase a person: everything that came from an address or was sent to it, and the address wherever else it stands.

What stays is what keeps the promises: rows of the ledger with their keyed digests, so that mail that still lies on the
server is not taken again, and the audit log's chain without its details.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy import Connection, Engine, String, Table, bindparam, delete, func, select, update

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.bulk import chunks
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.mail.arrivals import unpack
from helpdesk_daemon.adapters.store.schema import metadata
from helpdesk_daemon.adapters.store.schema.deciding import votes
from helpdesk_daemon.adapters.store.schema.labels import examples
from helpdesk_daemon.adapters.store.schema.log import audit_checkpoints, audit_detail, audit_log
from helpdesk_daemon.adapters.store.schema.mail import arrivals, auto_replies, outbox, suppressions
from helpdesk_daemon.adapters.store.schema.pages import submissions, users
from helpdesk_daemon.adapters.store.schema.tickets import messages, participants, tickets
from helpdesk_daemon.errors import StoreError
from helpdesk_daemon.mail.mention import Mention
from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.outgoing.message import Kind
from helpdesk_daemon.ports import Audit, Clock

UNSETTLED = ("pending", "claimed", "quarantined")
UNSENT = ("pending", "deferred", "sending", "held")
CHAIN = (audit_log, audit_checkpoints, audit_detail)  # not for redacting: their triggers say what may change
TRACKING_IDS = re.compile(r"HD-[0-9A-Z]{8}")
Progress = Callable[[int], None]


@dataclass(slots=True)
class Found:
    """What an address is found in, as keys of rows.

    Attributes:
        tickets: tracking IDs of its own tickets, which go.
        arrivals: received mails that came from it or stand on its tickets; their rows stay, emptied.
        raw: received mails of others that mention it, whose bytes go.
        outbox: outgoing mails to it or on its tickets, which go.
        mime: mails to others that mention it and left or were given up, whose bytes go.
        messages: mails on tickets of others that it wrote or that quote it; their texts go, or what they quote.
        examples: labelled texts of its tickets, or that mention it, which go with their vectors.
        details: lines of the audit log, whose details go.
        kept: mails of others that mention it and are not done with: they must arrive first.
        unsent: of `outbox`, how many have not left yet.
    """

    tickets: list[str] = field(default_factory=list)
    arrivals: list[int] = field(default_factory=list)
    raw: list[int] = field(default_factory=list)
    outbox: list[int] = field(default_factory=list)
    mime: list[int] = field(default_factory=list)
    messages: list[int] = field(default_factory=list)
    examples: list[int] = field(default_factory=list)
    details: list[int] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    unsent: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """How many of each kind go."""
        return {f.name: len(rows) for f in fields(self) if isinstance(rows := getattr(self, f.name), list)}


def find(engine: Engine, address: str, progress: Progress = lambda mails: None) -> Found:
    """Look an address up everywhere; received and sent mails are read with their encodings undone.

    Args:
        engine: the database, perhaps for looking only.
        address: lower-cased.
        progress: told how many mails were read so far.
    """
    mention, found = Mention(address), Found()
    with transaction(engine) as connection:
        found.tickets = _ids(connection, select(tickets.c.id).where(func.lower(tickets.c.requester_email) == address))
        read = _received(connection, mention, address, found, progress)
        _sent(connection, mention, address, found, lambda mails: progress(read + mails))
        theirs = messages.c.ticket.in_(found.tickets)
        found.messages = _mentioned(connection, messages, ("sender", "subject", "text", "new_text"), mention, ~theirs)
        mentioned = _mentioned(connection, examples, ("text", "actor"), mention)
        own = _ids(connection, select(examples.c.id).where(examples.c.ticket.in_(found.tickets)))
        found.examples = sorted({*own, *mentioned})
        found.details = _details(connection, mention, found)
    return found


def _ids(connection: Connection, wanted: Any) -> list[Any]:
    return list(connection.execute(wanted).scalars())


def _received(connection: Connection, mention: Mention, address: str, found: Found, progress: Progress) -> int:
    """Sort the ledger's rows into those that go and those that only lose their bytes; how many were read."""
    own, wanted = set(found.tickets), select(arrivals.c.id, arrivals.c.state, arrivals.c.ticket, arrivals.c.sender,
                                             arrivals.c.raw)  # fmt: skip
    read = 0
    for read, row in enumerate(connection.execute(wanted.order_by(arrivals.c.id)), 1):
        progress(read)
        raw = unpack(row.raw) if row.raw else b""
        if row.ticket in own or mention.in_text(row.sender):
            found.arrivals.append(row.id)
        elif raw and mention.in_mail(raw):
            if row.state in UNSETTLED and _wrote(raw, address):
                found.arrivals.append(row.id)
            elif row.state in UNSETTLED:
                found.kept.append(f"received mail {row.id}, which is {row.state}")
            else:
                found.raw.append(row.id)
    return read


def _wrote(raw: bytes, address: str) -> bool:
    """Whether a mail that was not decided comes from an address."""
    message = parse(raw)
    return address in (message.sender.email, *(person.email for person in message.reply_to))


def _sent(connection: Connection, mention: Mention, address: str, found: Found, progress: Progress) -> None:
    own, theirs = set(found.tickets), set(found.arrivals)
    wanted = select(outbox.c.id, outbox.c.ticket, outbox.c.arrival, outbox.c.recipient, outbox.c.state, outbox.c.kind,
                    outbox.c.mime)  # fmt: skip
    for read, row in enumerate(connection.execute(wanted.order_by(outbox.c.id)), 1):
        progress(read)
        if row.ticket in own or row.arrival in theirs or row.recipient.lower() == address:
            found.outbox.append(row.id)
            found.unsent += row.state in UNSENT
        elif row.mime and (_tells_of(own, row.kind, row.mime) or mention.in_mail(row.mime)):
            if row.state not in UNSENT:
                found.mime.append(row.id)
            else:
                found.kept.append(f"outgoing mail {row.id} ({row.kind}), which is {row.state}")


def _tells_of(own: set[str], kind: str, mime: bytes) -> bool:
    """Whether a mail about several tickets, such as an escalation, quotes the subject of one that goes."""
    return kind == Kind.NOTICE and not own.isdisjoint(TRACKING_IDS.findall(mime.decode("latin-1")))


def _mentioned(
    connection: Connection, table: Table, columns: Sequence[str], mention: Mention, *where: Any
) -> list[int]:  # fmt: skip
    """Rows with a column that mentions the address; SQLite looks for its local part first."""
    likely = [func.instr(func.lower(table.c[name]), mention.local) > 0 for name in columns]
    any_of = likely[0]
    for condition in likely[1:]:
        any_of = any_of | condition
    rows = connection.execute(select(table.c.id, *(table.c[name] for name in columns)).where(any_of, *where))
    return [row[0] for row in rows if any(mention.in_text(str(value)) for value in row[1:])]


def _details(connection: Connection, mention: Mention, found: Found) -> list[int]:
    """Lines about the tickets and mails that go, and others that mention the address."""
    seqs: set[int] = set()
    for chunk in chunks(found.tickets):
        seqs.update(_ids(connection, select(audit_log.c.seq).where(audit_log.c.ticket.in_(chunk))))
    for name, ids in (("arrival", set(found.arrivals)), ("outbox", set(found.outbox))):
        number = func.json_extract(audit_detail.c.detail, f"$.{name}")
        about = select(audit_detail.c.seq, number.label("id")).where(func.instr(audit_detail.c.detail, f'"{name}"') > 0)
        seqs.update(row.seq for row in connection.execute(about) if row.id in ids)
    likely = select(audit_detail).where(func.instr(func.lower(audit_detail.c.detail), mention.local) > 0)
    seqs.update(row.seq for row in connection.execute(likely) if mention.in_text(row.detail))
    full = select(audit_detail.c.seq).where(audit_detail.c.detail != "")
    return [
        seq for chunk in chunks(sorted(seqs)) for seq in _ids(connection, full.where(audit_detail.c.seq.in_(chunk)))
    ]


def remove(engine: Engine, clock: Clock, address: str, found: Found, digest: str, actor: str) -> int:
    """Erase what was found, in one transaction; no stage may run meanwhile.

    Args:
        engine: the database.
        clock: tells the time.
        address: lower-cased.
        found: what `find` said.
        digest: keyed, of the address: stands in the audit log in its place.
        actor: for the audit log.

    Returns:
        The number of the line in the audit log.
    """
    mention = Mention(address)
    with transaction(engine) as connection:
        _remove_rows(connection, address, found)
        emptied = {"state": "ignored", "reason": "erased", "sender": "", "subject": "", "message_id": "",
                   "last_error": "", "ticket": None, "raw": None}  # fmt: skip
        _update(connection, arrivals, found.arrivals, emptied)
        _update(connection, arrivals, found.raw, {"raw": None})
        _update(connection, outbox, found.mime, {"mime": None})
        _unquote(connection, mention, found.messages)
        audit.empty_details(connection, found.details)
        for table in metadata.sorted_tables:
            if table not in CHAIN:
                _redact(connection, mention, table)
        line = Audit("address.erased", {"digest": digest, **found.counts}, actor=actor)
        audit.append(connection, [line], clock.now())
        return audit.head(connection).seq


def _remove_rows(connection: Connection, address: str, found: Found) -> None:
    _delete(connection, outbox.c.id, found.outbox)
    _delete(connection, examples.c.id, found.examples)
    _delete(connection, submissions.c.arrival, found.arrivals)
    _delete(connection, votes.c.arrival, found.arrivals)
    for column in (tickets.c.linked_to, tickets.c.merged_into):
        for chunk in chunks(found.tickets):
            connection.execute(update(tickets).where(column.in_(chunk)).values({column: ""}))
    for table in reversed(metadata.sorted_tables):  # whatever belongs to a ticket, whoever added it
        for column in table.columns:
            if column.references(tickets.c.id):
                _delete(connection, column, found.tickets)
    _delete(connection, tickets.c.id, found.tickets)
    for kind in ("ticket", "conversation", "told:ticket", "told:conversation"):
        _delete(connection, auto_replies.c.scope, [f"{kind}:{ticket}" for ticket in found.tickets])
    scope = func.lower(auto_replies.c.scope)
    connection.execute(delete(auto_replies).where(scope.endswith(f":{address}", autoescape=True)))
    for column in (participants.c.email, suppressions.c.email, users.c.email):
        connection.execute(delete(column.table).where(func.lower(column) == address))


def _delete(connection: Connection, column: Any, values: Sequence[Any]) -> None:
    for chunk in chunks(values):
        connection.execute(delete(column.table).where(column.in_(chunk)))


def _update(connection: Connection, table: Table, ids: Sequence[int], values: dict[str, Any]) -> None:
    for chunk in chunks(ids):
        connection.execute(update(table).where(table.c.id.in_(chunk)).values(values))


def _unquote(connection: Connection, mention: Mention, ids: Sequence[int]) -> None:
    """Take the text from mails that the address wrote, and the quotes from others that mention it."""
    for chunk in chunks(ids):
        for row in connection.execute(select(messages).where(messages.c.id.in_(chunk))).all():
            new = "" if mention.in_text(row.sender) else mention.redact(row.new_text)
            subject = "" if mention.in_text(row.sender) else mention.redact(row.subject)
            values = {"text": new, "new_text": new, "subject": subject, "sender": mention.redact(row.sender)}
            connection.execute(update(messages).where(messages.c.id == row.id).values(values))


def _redact(connection: Connection, mention: Mention, table: Table) -> None:
    """The net under all that was done before: the address goes from every text of a table, whoever added it."""
    keys = list(table.primary_key.columns)
    for column in table.columns:
        if not isinstance(getattr(column.type, "impl", column.type), String) or column in keys:
            continue
        plain: Any = func.lower(column, type_=String())
        value: Any = func.coalesce(column, "", type_=String()).label("value")
        rows = connection.execute(select(*keys, value).where(func.instr(plain, mention.local) > 0)).all()
        for row in rows:
            if mention.in_text(row.value):
                here = [key == part for key, part in zip(keys, row[:-1], strict=True)]
                text = bindparam("text", mention.redact(row.value), type_=String())
                connection.execute(update(table).where(*here).values({column: text}))


def scrub(engine: Engine) -> None:
    """Write the file anew, so that nothing of what was erased is left in free pages or in the write-ahead log.

    Raises:
        StoreError: another program reads the database at the moment.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.rollback()
        for statement in ("pragma temp_store = file", "pragma secure_delete = on", "vacuum"):
            raw.execute(statement)
        busy, *_ = raw.execute("pragma wal_checkpoint(truncate)").fetchone()
    if busy:
        raise StoreError("another program reads the database, so its log still holds what was erased. "
                         "Close it and run the same erase again")  # fmt: skip
