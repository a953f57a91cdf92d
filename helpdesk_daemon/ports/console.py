"""What the console asks of the database beside what every page asks; each door one subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from helpdesk_daemon.ports.web import Row


class TicketDesk(Protocol):
    """One ticket whole, and the queue of those that a person should check. Any may raise StoreError."""

    def story(self, ticket: str) -> Row | None:
        """A ticket with `messages`, `decisions` (newest first, neighbours in words), `outgoing`, `promise`, `log`."""

    def original(self, ticket: str, message: int) -> bytes:
        """A mail on a ticket as it came; empty when it is gone, or not on this ticket."""

    def next_in_review(self, after: str) -> str:
        """The ticket that waits longest for a check, of those younger than `after`; empty when there is none."""


class MailReading(Protocol):
    """Mail that leaves, and mail that was set aside. Any may raise StoreError."""

    def outbox(self, states: Sequence[str], before: int, limit: int) -> list[Row]:
        """Outgoing mails, newest first, below number `before` unless that is 0; of all states when none is named."""

    def outgoing(self, number: int) -> tuple[Row, bytes] | None:
        """One of them, and its bytes as they leave."""

    def breaker(self) -> Row | None:
        """Since when and why outgoing mail is held; None when it is not."""

    def quarantine(self, limit: int) -> list[Row]:
        """Received mails that were set aside, newest first."""

    def arrival(self, number: int) -> tuple[Row, bytes] | None:
        """One received mail, and its bytes as they came."""

    def suppressions(self, limit: int) -> list[Row]:
        """Addresses that are not acknowledged, newest first."""


class MailWriting(Protocol):
    """The same in a person's hand; every act is in the audit log under `actor`. Any may raise StoreError."""

    def hold(self, reason: str, actor: str) -> None:
        """Hold all outgoing mail but alerts."""

    def release(self, actor: str) -> None:
        """Let it go on."""

    def retry(self, numbers: Sequence[int], actor: str) -> int:
        """Send mails now that failed, are in doubt, wait or are held; how many."""

    def drop(self, numbers: Sequence[int], actor: str) -> int:
        """Never send mails that have not left; how many."""

    def retry_quarantined(self, numbers: Sequence[int], actor: str) -> int:
        """Let quarantined mails be decided again; how many."""

    def unsuppress(self, emails: Sequence[str], actor: str) -> int:
        """Acknowledge addresses again; how many."""
