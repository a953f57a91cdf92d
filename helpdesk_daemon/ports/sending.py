"""The door to where mail leaves."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol


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
