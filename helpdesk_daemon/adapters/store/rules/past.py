"""Mails that were decided, as rules read them: for trying other rules on them, and for counting what rules did."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, Row, Table, and_, bindparam, select

from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.mail.arrivals import unpack
from helpdesk_daemon.adapters.store.schema.deciding import decisions, votes
from helpdesk_daemon.adapters.store.schema.mail import arrivals
from helpdesk_daemon.adapters.store.schema.tickets import messages, tickets
from helpdesk_daemon.mail.message import Address, Headers, Message
from helpdesk_daemon.mail.parse import parse, split_head
from helpdesk_daemon.tickets.ticket import Priority
from helpdesk_daemon.triage.decide import Basis
from helpdesk_daemon.triage.rehearsal.replay import IGNORED, GoneError, Past, Placement

HEAD_BYTES = 64_000  # unpacked first: nearly every head ends there
BLANK = b" \t\r\n\x00\xef\xbb\xbf"
BY_RULE = "rule "  # how the reason begins of what a rule ignored or kept back


def _of_arrival(table: Table) -> ColumnElement[bool]:
    """Rows of a table that came of an arrival; asked by ticket first, as that has an index."""
    return and_(table.c.ticket == arrivals.c.ticket, table.c.arrival == arrivals.c.id)


_raw_of = select(arrivals.c.raw).where(arrivals.c.id == bindparam("number"))


class File(NamedTuple):
    """An attached file."""

    name: str


class StoredMail:
    """A mail as the database has it; what only its bytes tell is read when a rule asks. See `Readable`."""

    def __init__(self, connection: Connection, row: Row[Any]) -> None:
        self._connection, self._row = connection, row
        self.language: str = row.language
        self.subject: str = row.subject

    @property
    def sender(self) -> Address:
        """Who wrote; the name is left out."""
        written = str(self._row.sender)
        return Address("", written.rpartition("<")[2].removesuffix(">"))

    @property
    def text(self) -> str:
        """The whole body."""
        return self._row.text or self._whole.text

    @property
    def attachments(self) -> Sequence[File]:
        """Its files."""
        if self._row.files is None:
            return [File(a.name) for a in self._whole.attachments]
        return [File(words.rpartition(" (")[0]) for words in self._row.files]

    @property
    def recipients(self) -> tuple[str, ...]:
        """Every address it was sent to."""
        return self._head.recipients

    @property
    def headers(self) -> Headers:
        """Every header field."""
        return self._head.headers

    @cached_property
    def _raw(self) -> bytes:
        raw: bytes | None = self._connection.execute(_raw_of, {"number": self._row.arrival}).scalar()
        if raw is None:
            raise GoneError
        return raw

    @cached_property
    def _head(self) -> Message:
        beginning = zlib.decompressobj().decompress(self._raw, HEAD_BYTES)
        head, body = split_head(beginning.lstrip(BLANK))
        return parse(head + b"\r\n\r\n") if body else self._whole

    @cached_property
    def _whole(self) -> Message:
        return parse(unpack(self._raw))


def decided_since(
    engine: Engine, since: datetime, limit: int, mailboxes: Sequence[str], addresses: Mapping[str, str]
) -> Iterator[Past]:
    """Mails on which rules decided, newest first.

    Args:
        engine: the database, perhaps for looking only.
        since: the earliest moment.
        limit: at most so many.
        mailboxes: names of those at whose desks they were decided.
        addresses: by name of a department, where its mail goes by the rules in use.
    """
    wanted = (
        select(
            votes, arrivals.c.sender, arrivals.c.subject, arrivals.c.reason, arrivals.c.ticket,
            decisions.c.category.label("decided"), decisions.c.department, decisions.c.priority,
            decisions.c.sla_hours, decisions.c.needs_review, decisions.c.tags, decisions.c.rule,
            messages.c.text, messages.c.files, tickets.c.not_acknowledged,
        )
        .join(arrivals, arrivals.c.id == votes.c.arrival)
        .outerjoin(tickets, tickets.c.id == arrivals.c.ticket)
        .outerjoin(decisions, _of_arrival(decisions))
        .outerjoin(messages, _of_arrival(messages))
        .where(votes.c.at >= since, votes.c.mailbox.in_(list(mailboxes)))
        .order_by(votes.c.at.desc(), votes.c.arrival.desc())
        .limit(limit)
    )  # fmt: skip
    with transaction(engine) as connection:
        for row in connection.execute(wanted):
            yield Past(
                row.arrival, row.ticket or "", row.at, StoredMail(connection, row),
                Basis(row.category, row.confidence, row.earned, row.to_triage, row.automatic, row.language,
                      row.mailbox),
                _was(row, addresses), row.rule or row.reason.removeprefix(BY_RULE),
            )  # fmt: skip


def _was(row: Row[Any], addresses: Mapping[str, str]) -> Placement:
    if row.department is None:
        return IGNORED
    withheld = row.not_acknowledged or ""
    return Placement(
        False, row.department, addresses.get(row.department, ""), row.decided, Priority(row.priority), row.sla_hours,
        row.needs_review, tuple(json.loads(row.tags)),
        not withheld if not withheld or withheld.startswith(BY_RULE) else None,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hits:
    """How often a rule set something.

    Attributes:
        rule: its name, as decisions have it.
        count: of mails.
        last: the latest of them.
        things: what it set, with how often.
    """

    rule: str
    count: int
    last: datetime
    things: Mapping[str, int]


def hits_since(engine: Engine, since: datetime, mailboxes: Sequence[str]) -> list[Hits]:
    """What rules set on mails since a moment, the busiest rule first."""
    things: dict[str, Counter[str]] = {}
    counts: Counter[str] = Counter()
    last: dict[str, datetime] = {}
    wanted = (
        select(votes.c.at, decisions.c.set_by, arrivals.c.reason)
        .join(arrivals, arrivals.c.id == votes.c.arrival)
        .outerjoin(decisions, _of_arrival(decisions))
        .where(votes.c.at >= since, votes.c.mailbox.in_(list(mailboxes)))
    )  # fmt: skip
    with transaction(engine) as connection:
        for row in connection.execute(wanted):
            ignored = {"action": row.reason.removeprefix(BY_RULE)} if row.reason.startswith(BY_RULE) else {}
            set_by: dict[str, str] = json.loads(row.set_by) if row.set_by else ignored
            for thing, rule in set_by.items():
                things.setdefault(rule, Counter())[thing] += 1
            for rule in set(set_by.values()):
                counts[rule] += 1
                last[rule] = max(last.get(rule, row.at), row.at)
    return [Hits(rule, count, last[rule], dict(things[rule])) for rule, count in counts.most_common()]
