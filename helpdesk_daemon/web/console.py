"""What the pages behind the sign-in work with beside the services of all pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.ports.console import MailReading, MailWriting, TicketDesk
from helpdesk_daemon.ports.people import Accounts, SignIn


@dataclass(slots=True)
class Console:
    """Doors to the database for people with an account.

    Attributes:
        sign_in: who asks.
        accounts: accounts, for administrators.
        prove: the thread that compares passwords, which takes a core for a while.
        waiting: how much needs a person: `review`, `outbox`, `quarantine`.
        tickets: one ticket whole, and the review queue.
        mail: outbox, quarantine and suppressions.
        mail_acts: the same, to act on.
    """

    sign_in: SignIn
    accounts: Accounts
    prove: Lane
    waiting: Callable[[], Mapping[str, int]]
    tickets: TicketDesk
    mail: MailReading
    mail_acts: MailWriting
