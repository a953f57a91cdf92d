"""What is wrong at a moment, the incident it becomes, and the doors through which people hear of it."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from helpdesk_daemon.outgoing.message import Outgoing
from helpdesk_daemon.ports.records import Audit


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong at the moment it was looked for.

    Attributes:
        name: of the condition, such as `mailbox.silent`.
        subject: what it is about, such as a mailbox; empty for the installation. With the name, what makes it one.
        title: in a few words.
        problem: in full.
        mend: what to do about it.
        holds: how long it has to last before people are told.
    """

    name: str
    subject: str
    title: str
    problem: str
    mend: str
    holds: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Incident:
    """A row of `incidents`: a trouble from when it was first seen until it is over.

    Attributes:
        id: number, 0 before it is kept.
        name: see `Trouble`.
        subject: see `Trouble`.
        title: see `Trouble`.
        problem: see `Trouble`; as it was when the incident opened.
        mend: see `Trouble`.
        seen_at: first seen.
        opened_at: had lasted long enough to tell people; None while only suspected.
        gone_at: no longer seen since; None while it is seen.
        recovered_at: stayed gone for long enough.
        mailed_at: an alert was put into the outbox.
        recovery_mailed_at: so was the note that it is over.
        posted_at: the webhook took it.
        recovery_posted_at: the webhook took that it is over.
        post_due_at: when the webhook is to hear of it; None when it need not.
        post_attempts: tries at the webhook that failed in a row.
        post_error: why the last one did.
    """

    id: int
    name: str
    subject: str
    title: str
    problem: str
    mend: str
    seen_at: datetime
    opened_at: datetime | None = None
    gone_at: datetime | None = None
    recovered_at: datetime | None = None
    mailed_at: datetime | None = None
    recovery_mailed_at: datetime | None = None
    posted_at: datetime | None = None
    recovery_posted_at: datetime | None = None
    post_due_at: datetime | None = None
    post_attempts: int = 0
    post_error: str = ""


class IncidentStore(Protocol):
    """Incidents, as the watcher uses them. Every method is one transaction; any may raise StoreError."""

    def unfinished(self) -> list[Incident]:
        """Those suspected or open, by name and subject."""

    def settle(
        self, changed: Sequence[Incident], forgotten: Sequence[int], mails: Sequence[Outgoing], lines: Sequence[Audit]
    ) -> None:
        """Keep incidents, forget suspicions that came to nothing, and put the mails about them into the outbox."""

    def to_post(self, limit: int) -> list[Incident]:
        """Those the webhook is due to hear of, the longest due first."""


class Webhook(Protocol):
    """Takes alerts as JSON over HTTP."""

    def post(self, payload: Mapping[str, object]) -> Awaitable[str]:
        """Post one alert.

        Returns:
            The server's answer in a few words.

        Raises:
            TransientError: it may take it later.
            PermanentError: it refuses; a person has to mend something.
            ConfigError: its address or secret cannot be read.
        """

    def close(self) -> Awaitable[None]:
        """End all connections."""
