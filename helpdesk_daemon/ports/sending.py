"""The doors to where mail leaves, and to where a copy of it is kept."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from helpdesk_daemon.ports.records import Copy


class Transport(Protocol):
    """Hands mail to a server."""

    def send(self, sender: str, recipient: str, mime: bytes) -> Awaitable[str]:
        """Send one mail.

        Returns:
            The server's final reply.

        Raises:
            TransientError: not sent, try later.
            PermanentError: never going to be accepted.
            SignInError: credentials refused.
            AmbiguousDelivery: perhaps sent.
        """

    def close(self) -> Awaitable[None]:
        """End all connections in good order."""


class SentFolder(Protocol):
    """Where a mailbox keeps what it sent. Blocking: one thread owns it."""

    mailbox: str

    def file(self, copy: Copy) -> bool:
        """Put a mail there, marked as read; make the folder when there is none.

        Returns:
            False when the mail was there already.

        Raises:
            TransientError: the server cannot be reached or does not answer; the mail may be there all the same.
            SignInError: credentials refused.
            PermanentError: the server refuses this mail, or the folder.
        """

    def close(self) -> None:
        """Let go of the connection; the next call opens a new one."""
