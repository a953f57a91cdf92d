"""The doors to the database, one a stage. Every method is one transaction; any may raise StoreError."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from helpdesk_daemon.ports.mailbox import Cursor, Fetched, Quota
from helpdesk_daemon.ports.meaning import Example, Revision
from helpdesk_daemon.ports.records import Arrival, Audit, Copy, Due, Known, Outcome, Question, Sent


class ArrivalStore(Protocol):
    """The ledger, as ingest uses it. Every method is one transaction; any may raise StoreError."""

    def cursor(self, mailbox: str, folder: str) -> Cursor | None:
        """How far a folder has been read; None for one never seen."""

    def unknown(self, mailbox: str, folder: str, uidvalidity: int, uids: Sequence[str]) -> list[str]:
        """Those of `uids` that are not in the ledger, in their order."""

    def record(self, mailbox: str, folder: str, cursor: Cursor, mails: Sequence[tuple[Fetched, str, str]]) -> int:
        """Keep mails and the cursor. Each mail comes with its digest and Message-ID.

        Returns:
            How many were new; a UID already in the ledger is passed over.
        """

    def untouched(self, mailbox: str, folder: str, uidvalidity: int, limit: int) -> list[str]:
        """UIDs that are kept but not yet marked in the mailbox, oldest first."""

    def touched(self, mailbox: str, folder: str, uidvalidity: int, uids: Sequence[str]) -> None:
        """Note that the mailbox was marked."""

    def note_poll(self, mailbox: str, folder: str, error: str = "", refused: bool = False) -> None:
        """Note how a poll ended; an empty error means well.

        `refused`: a person has to mend it, time will not. That stays noted until a poll ends well.
        """

    def note_quota(self, mailbox: str, folder: str, quota: Quota | None) -> None:
        """Note how full a mailbox is; None where its server does not say."""


class DecisionStore(Protocol):
    """Arrivals and tickets, as decide uses them. Every method is one transaction; any may raise StoreError."""

    def claim(self, limit: int) -> list[Arrival]:
        """Take pending arrivals, oldest first, counting an attempt for each.

        A mail that was taken before, and whose process died over it, comes alone.
        """

    def known(self, questions: Sequence[Question]) -> Known:
        """Look up what planning a batch must know."""

    def commit(self, outcomes: Sequence[Outcome]) -> None:
        """Write everything the batch leads to."""

    def release(self, arrivals: Sequence[int], error: str, count: bool) -> None:
        """Give arrivals back; `count` leaves the attempt counted, so that a third failure quarantines."""

    def recover(self) -> int:
        """Give back what a process that died had claimed; called once, before the first claim."""


class OutboxStore(Protocol):
    """The outbox, as deliver uses it. Every method is one transaction; any may raise StoreError."""

    def due(self, limit: int) -> list[Due]:
        """Rows whose time has come, alerts first, then oldest first; none but alerts while the breaker holds mail."""

    def settle(self, results: Sequence[Sent], begin: Sequence[int]) -> list[int]:
        """Write down how tries ended, and mark further rows as being sent, counting the attempt.

        Returns:
            Those of `begin` that were still waiting and are not held; only these may be sent.
        """

    def recover(self) -> list[int]:
        """Settle what a process that died was sending: acknowledgements become ambiguous, others wait again.

        Returns:
            Rows that became ambiguous.
        """

    def next_due(self) -> datetime | None:
        """When the next waiting row is due; None when none waits."""


class CopyStore(Protocol):
    """Sent mail of which a copy is to be filed. Every method is one transaction; any may raise StoreError."""

    def wanted(self, mailbox: str, after: int, limit: int) -> list[Copy]:
        """Copies still to be filed in a mailbox's Sent folder, by number, beginning after `after`."""

    def settle(self, copy: int, state: str, audit: Audit) -> None:
        """Write down how a try to file ended: `copied`, `given up`, or `wanted` for a refusal to be tried again."""


class ExampleStore(Protocol):
    """Labelled examples, the truth behind every index. Any method may raise StoreError."""

    def active(self) -> list[Example]:
        """All examples that vote, by number."""

    def revision(self) -> Revision:
        """Where the examples stand; one cheap look, for every batch."""

    def changed(self, since: int) -> tuple[list[Example], list[int]]:
        """Examples that were added, relabelled or taken back since a change, and numbers of those that vote no more.

        Args:
            since: `Revision.latest` of an earlier look.
        """

    def vectors(self, model: str, since: int = -1) -> dict[int, bytes]:
        """Kept vectors of a model: float32, little-endian, by example; only of those changed since a revision."""

    def save_vectors(self, model: str, vectors: Mapping[int, bytes]) -> None:
        """Keep vectors."""

    def add(self, rows: Sequence[tuple[str, str]], source: str) -> int:
        """Add (text, category) rows that are not there yet; returns how many were new."""
