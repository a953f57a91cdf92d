"""What the pages behind the sign-in work with beside the services of all pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.ports.console import ExampleDesk, MailReading, MailWriting, RulesDesk, TicketDesk
from helpdesk_daemon.ports.people import Accounts, SignIn


@dataclass(slots=True)
class Console:
    """Doors to the database for people with an account.

    Attributes:
        sign_in: who asks.
        accounts: accounts, for administrators.
        prove: the thread that compares passwords, which takes a core for a while.
        slow: the thread for what takes seconds: imports, rules tried on old mail.
        waiting: how much needs a person: `review`, `outbox`, `quarantine`.
        tickets: one ticket whole, and the review queue.
        mail: outbox, quarantine and suppressions.
        mail_acts: the same, to act on.
        examples: labelled examples.
        rules: the files with rules.
    """

    sign_in: SignIn
    accounts: Accounts
    prove: Lane
    slow: Lane
    waiting: Callable[[], Mapping[str, int]]
    tickets: TicketDesk
    mail: MailReading
    mail_acts: MailWriting
    examples: ExampleDesk
    rules: RulesDesk

    def close(self) -> None:
        """End the threads."""
        self.prove.close()
        self.slow.close()
