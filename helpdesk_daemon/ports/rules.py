"""Files with rules, as they are followed while the daemon runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from helpdesk_daemon.triage.rules import Routing


class RulesSource(Protocol):
    """One file, which people save whenever they like."""

    name: str
    mailboxes: tuple[str, ...]

    def changed(self) -> bool:
        """Whether it was saved since this was last true; cheap, for every second."""

    def load(self) -> Routing | None:
        """The rules in it; None where they are those in use.

        Raises:
            UnusableRules: they cannot be used; it says why, in which line, and what to do.
        """

    def use(self, routing: Routing) -> None:
        """These are in use from now on."""

    def again(self) -> None:
        """What was loaded could not be put into use: let it count as changed once more."""


KeepRules = Callable[[Routing, str, str], None]  # the rules, the file, and the version before; one transaction
