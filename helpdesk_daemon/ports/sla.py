"""What was promised on tickets, as the SLA stage reads and writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from helpdesk_daemon.outgoing.message import Outgoing
from helpdesk_daemon.ports.records import Audit
from helpdesk_daemon.tickets.sla import Pause, Promise, Signal
from helpdesk_daemon.tickets.ticket import Ticket


@dataclass(frozen=True, slots=True)
class Commitment:
    """All that was promised on one ticket, and what it is measured by.

    Attributes:
        ticket: as it is now.
        department: name of the one that gave the promises.
        started_at: from when on they run.
        answered_at: receipt of the first answer, None for none.
        closed_at: the ticket was closed, None while it is not.
        pauses: when no promise ran.
        response: until the first answer.
        resolution: until it is closed; None where nothing is promised.
        calendar: name of the calendar in which they run, empty for around the clock.
        rules: version of the rules by which they were judged.
        next_at: when to look again; None for never by itself.
        revision: grows with every change by others.
    """

    ticket: Ticket
    department: str
    started_at: datetime
    answered_at: datetime | None
    closed_at: datetime | None
    pauses: tuple[Pause, ...]
    response: Promise
    resolution: Promise | None
    calendar: str
    rules: str
    next_at: datetime | None
    revision: int


Mailed = tuple[str, str, Signal]  # mailbox, department, what it was told


class SlaStore(Protocol):
    """Promises. Every method is one transaction; any may raise StoreError."""

    def due(self, now: datetime) -> list[Commitment]:
        """Those whose time to be looked at has come, and those that others changed."""

    def mailed(self) -> dict[Mailed, datetime]:
        """When each department was last told of its promises."""

    def rules_changed(self, mailbox: str, rules: str) -> int:
        """Let running promises of a mailbox be looked at that were judged by other rules; how many these are."""

    def is_behind(self, since: datetime, mailboxes: Sequence[str]) -> bool:
        """Whether mail may wait that was not read or decided since a moment."""

    def settle(
        self, looked_at: Sequence[Commitment], mailed: Mapping[Mailed, datetime], mails: Sequence[Outgoing],
        lines: Sequence[Audit],
    ) -> bool:  # fmt: skip
        """Keep commitments, with the due time of their tickets, and what leaves about them.

        Returns:
            False when others changed one of them meanwhile: then nothing was written.
        """
