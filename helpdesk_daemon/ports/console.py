"""What the console asks of the database beside what every page asks; each door one subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from helpdesk_daemon.ports.web import Row
from helpdesk_daemon.triage.rehearsal.findings import Finding
from helpdesk_daemon.triage.rehearsal.replay import Comparison
from helpdesk_daemon.triage.rules import Routing


class TicketDesk(Protocol):
    """One ticket whole, and the queue of those that a person should check. Any may raise StoreError."""

    def story(self, ticket: str) -> Row | None:
        """A ticket with `messages`, `decisions` (newest first, neighbours in words), `outgoing`, `promise`, `log`."""

    def original(self, ticket: str, message: int) -> bytes:
        """A mail on a ticket as it came; empty when it is gone, or not on this ticket."""

    def log(self, wanted: LogFilter, before: int, limit: int) -> list[Row]:
        """Lines of the audit log, newest first, below number `before` unless that is 0."""

    def next_in_review(self, after: str) -> str:
        """The ticket that waits longest for a check, of those younger than `after`; empty when there is none."""


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines of the audit log are shown; what is empty filters nothing.

    Attributes:
        ticket: only of this ticket.
        event: only this event; `*` stands for anything.
        address: only of tickets that it takes part in, or whose detail names it, as that of who did it.
        since: from this moment on, ISO 8601 UTC.
        until: before this moment.
    """

    ticket: str = ""
    event: str = ""
    address: str = ""
    since: str = ""
    until: str = ""


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


@dataclass(frozen=True, slots=True)
class ExampleFilter:
    """Which labelled examples a list shows; what is empty filters nothing."""

    source: str = ""
    person: str = ""
    category: str = ""
    state: str = "active"


class ExampleDesk(Protocol):
    """The labelled examples in a person's hand; every act is in the audit log. Any may raise StoreError."""

    def listed(self, wanted: ExampleFilter, before: int, limit: int) -> list[Row]:
        """Examples, newest first, below number `before` unless that is 0."""

    def counted(self) -> Row:
        """How many there are by category and source, by person, withdrawn; and the imports."""

    def add(self, subject: str, body: str, category: str, actor: str) -> None:
        """Let a text vote for a category; raises Refused where it has no words or there is no such category."""

    def withdraw(self, numbers: Sequence[int], actor: str) -> int:
        """Let examples vote no more; how many."""

    def restore(self, numbers: Sequence[int], actor: str) -> int:
        """Let withdrawn ones vote again; how many, as some may have got another label meanwhile."""

    def prepared(
        self, name: str, content: bytes, columns: Mapping[str, str], renamed: Mapping[str, str], skip: bool, actor: str
    ) -> Callable[[], object]:
        """The import of a CSV file, checked and ready to be run on a thread of its own; the file is not kept.

        Args:
            name: of the file.
            content: CSV, UTF-8, with a header.
            columns: `subject`, `body` or `category` to the file's name of it; others are found by their names.
            renamed: label in the file to the category it stands for.
            skip: leave out rows whose label is no category.
            actor: who imports.

        Raises:
            ConfigError: a column is missing, or a label is no category.
            Refused: no row has words and a label.
        """


@dataclass(frozen=True, slots=True)
class RulesText:
    """A file with rules as it is now.

    Attributes:
        file: its path.
        mailboxes: names of those that it is for.
        editable: False for the file that comes with the program.
        text: what it holds.
        version: digest of that (SHA-256, hexadecimal).
    """

    file: str
    mailboxes: tuple[str, ...]
    editable: bool
    text: str
    version: str


class RulesDesk(Protocol):
    """The files with rules in an administrator's hand."""

    def files(self) -> list[RulesText]:
        """All files in use; raises ConfigError where one cannot be read."""

    def parsed(self, file: RulesText, text: str) -> Routing | list[Finding]:
        """The rules that a text would be; else all that is wrong with it."""

    def odd(self, file: RulesText, text: str) -> list[Finding]:
        """All that is wrong or odd about it, tried on the mail of the last days; may take seconds."""

    def compared(self, file: RulesText, text: str) -> Comparison:
        """What it would have done otherwise with that mail; may take seconds. Raises ConfigError when it is unsound."""

    def edited(self, text: str, table: str, name: str, values: Mapping[str, object]) -> str:
        """The text with other values in `[table.name]`, comments kept; raises Refused when there is no such table."""

    def save(self, file: RulesText, text: str, version: str, actor: str) -> None:
        """Put a text into the file's place, and the one before beside it.

        Raises:
            Refused: the file changed since `version`, the text is unsound, or it cannot be written.
        """
