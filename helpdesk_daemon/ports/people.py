"""Who may use the console: accounts with a role, and the browsers they are signed in with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

ROLES = ("viewer", "agent", "admin")  # each may what those before it may
IDLE = timedelta(hours=2)  # after which a browser that asks nothing is signed out
LONGEST = timedelta(hours=12)  # after which every browser is
SEEN_EVERY = timedelta(minutes=1)  # how exactly it is known when a browser last asked
SHORTEST, LONGEST_PASSWORD = 12, 500  # characters; bytes are never cut


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with an account.

    Attributes:
        id: number.
        email: lower-cased; their name at sign-in, and the actor in the audit log.
        role: one of `ROLES`.
    """

    id: int
    email: str
    role: str

    def may(self, role: str) -> bool:
        """Whether they may do what a role may."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that somebody is signed in with.

    Attributes:
        digest: of its secret.
        user: who.
        seen_at: when it last asked, within `SEEN_EVERY`.
    """

    digest: str
    user: User
    seen_at: datetime


class SignIn(Protocol):
    """Who asks. Any may raise StoreError, writing ones also TransientError."""

    def verified(self, email: str, password: str) -> User | None:
        """Who has this address and password; takes as long when nobody has."""

    def session(self, digest: str) -> Session | None:
        """A session that is not over."""

    def begin(self, user: User, digest: str) -> None:
        """Sign a browser in."""

    def seen(self, digest: str) -> None:
        """Note that it asks."""

    def end(self, digest: str) -> None:
        """Sign it out."""


class Accounts(Protocol):
    """Accounts in an administrator's hand. Every method but the first raises Refused with the reason."""

    def users(self) -> list[Mapping[str, Any]]:
        """All, by address, with the time they last asked for something."""

    def add(self, email: str, role: str, password: str, actor: str) -> None:
        """Make one."""

    def set_role(self, email: str, role: str, actor: str) -> None:
        """Give it another role; the last administrator stays one."""

    def set_password(self, email: str, password: str, actor: str) -> None:
        """Give it another password; its browsers are signed out."""

    def remove(self, email: str, actor: str) -> None:
        """End one, and its sessions; the last administrator stays."""
