"""What the API and the pages ask of the database, and the values that pass."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

Row = Mapping[str, Any]  # columns of the database by name
UNSORTED = "-"
SCOPES = ("submit", "read", "manage")


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """Which tickets a list shows; what is empty or None filters nothing.

    Attributes:
        state: see `State`.
        category: exactly; `UNSORTED` for none.
        department: exactly.
        priority: see `Priority`.
        text: stands in the subject, the requester's address, or is the tracking ID.
        review: only those that a person should check, or only the others.
        after: created at this moment or later.
        before: created before this moment.
        sla: `running`, `kept` or `missed`: how the promise of a first answer stands.
        due: unanswered, and due after the first moment, where there is one, up to the second.
        band: the daemon was confident from the first percentage up to below the second, or 100.
        crowd: number of the crowd they belong to.
    """

    state: str = ""
    category: str = ""
    department: str = ""
    priority: str = ""
    text: str = ""
    review: bool | None = None
    after: datetime | None = None
    before: datetime | None = None
    sla: str = ""
    due: tuple[datetime | None, datetime] | None = None
    band: tuple[int, int] | None = None
    crowd: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of tickets begins: after this ticket, newest first."""

    created_at: datetime
    ticket: str


@dataclass(frozen=True, slots=True)
class Token:
    """Who calls the API: a token that was not revoked."""

    id: int
    name: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Typed:
    """A form as it is to be kept.

    Attributes:
        raw: the mail it makes.
        digest: of that mail.
        message_id: of that mail.
        ticket: tracking ID that its ticket is to have; of a mail on a ticket, that one.
        caller: who sent it, such as `token:3`.
        key: by which the caller recognises its own repeat, empty for none.
        request: digest of what was typed, to tell a repeat from another form under the same key.
    """

    raw: bytes = field(repr=False)
    digest: str
    message_id: str
    ticket: str
    caller: str
    key: str = ""
    request: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A form that is in the ledger.

    Attributes:
        arrival: its number.
        ticket: tracking ID that was promised.
        fresh: False when it is the repeat of one kept before.
        same: False when the key was used before for another form.
        answer: what was answered before, empty when nothing was.
    """

    arrival: int
    ticket: str
    fresh: bool = True
    same: bool = True
    answer: str = ""


class WebReading(Protocol):
    """What the API and the pages read. None of it waits for the daemon; any may raise StoreError."""

    def tickets(self, wanted: TicketFilter, after: Place | None, limit: int) -> list[Row]:
        """Tickets, newest first, with confidence and rule of their latest decision."""

    def ticket(self, ticket: str) -> Row | None:
        """One of these; None when there is none."""

    def messages(self, ticket: str) -> list[Row]:
        """The mails on a ticket, oldest first; of an agent's answer, `relayed` is the mail the customer got."""

    def decisions(self, ticket: str) -> list[Row]:
        """How a ticket was routed, oldest first, with the neighbours and their texts where they are shipped ones."""

    def stats(self, now: datetime) -> Row:
        """Figures of now and today."""

    def audit(self, before: int, limit: int, ticket: str, event: str) -> list[Row]:
        """Lines of the audit log, newest first, below number `before` unless that is 0."""

    def mail(self, ticket: str, message: int) -> bytes:
        """A mail on a ticket as the customer sent or got it; empty when it is gone, or was not for the customer."""


class TokenReading(Protocol):
    """Who calls the API. May raise StoreError."""

    def token(self, digest: str) -> Token | None:
        """The token with this digest; None when there is none or it was revoked."""


class WebWriting(Protocol):
    """What the API and the pages write. Every method is one transaction; any may raise StoreError or TransientError."""

    def keep(self, form: Typed) -> Kept:
        """Put a form into the ledger, where decide finds it; a repeat under the same key is found again."""

    def answered(self, caller: str, key: str, answer: str) -> str:
        """Keep what was answered under a key; what was kept first is returned."""

    def send_link(self, ticket: str, email: str, digest: str, url: str) -> bool:
        """Mail a link to somebody who takes part in a ticket; False, and nothing, for others and over the limits."""

    def use_link(self, digest: str) -> str:
        """Use a link up: the ticket it leads to, empty when it was used, is over, or never was."""


class Orders(Protocol):
    """What people order about one ticket; raises Refused with the reason where it cannot be done."""

    def __call__(self, order: str, ticket: str, actor: str, words: Sequence[str] = ()) -> None:
        """Carry out `correct`, `reroute`, `close`, `reopen`, `forward` or `acknowledge`, the last two once more."""


def token_digest(token: str) -> str:
    """What is kept of a token: SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
