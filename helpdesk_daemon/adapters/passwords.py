"""Passwords: kept as argon2id (RFC 9106), compared in a time that does not depend on who asks."""

from __future__ import annotations

from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from helpdesk_daemon.errors import Refused
from helpdesk_daemon.ports.people import LONGEST_PASSWORD, SHORTEST

_hasher = PasswordHasher()  # RFC 9106, low memory: 64 MiB, three passes


def hashed(password: str) -> str:
    """What is kept of a password.

    Raises:
        Refused: it is too short or too long.
    """
    if len(password) < SHORTEST:
        raise Refused(f"a password has {SHORTEST} characters at least")
    if len(password) > LONGEST_PASSWORD:
        raise Refused(f"a password has {LONGEST_PASSWORD} characters at most")
    return _hasher.hash(password)


@lru_cache(maxsize=1)
def nobodys() -> str:
    """What is compared where nobody has the name."""
    return _hasher.hash("of nobody")


def matches(kept: str, password: str) -> bool:
    """Whether a password is the one that was kept; where none was, it takes as long and is not."""
    try:
        _hasher.verify(kept or nobodys(), password[:LONGEST_PASSWORD])
    except (VerificationError, InvalidHashError):
        return False
    return bool(kept)
