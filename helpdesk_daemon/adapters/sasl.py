"""Signing in with an access token: XOAUTH2 as Google and Microsoft document it, OAUTHBEARER as RFC 7628 does."""

from __future__ import annotations

import json
from collections.abc import Collection

from helpdesk_daemon.errors import SignInError

# What ends the exchange after the server has said why it refuses (RFC 7628 section 3.2.3), in order of preference.
MECHANISMS = {"XOAUTH2": b"", "OAUTHBEARER": b"\x01"}


def choose(offered: Collection[str], host: str) -> str:
    """The mechanism to use.

    Raises:
        SignInError: the server has none of ours.
    """
    for name in MECHANISMS:
        if name in offered:
            return name
    shown = ", ".join(sorted(offered)) or "nothing"
    raise SignInError(f'{host} offers no sign-in with a token, but {shown}. Write auth = "password"')


class Bearer:
    """One try to sign in; called with each challenge of the server, gives the response.

    Attributes:
        mechanism: a key of `MECHANISMS`.
        said: why the server refused, as far as it said so in the exchange.
    """

    def __init__(self, mechanism: str, user: str, token: str, host: str, port: int) -> None:
        self.mechanism, self.said = mechanism, ""
        if mechanism == "XOAUTH2":
            self.first = f"user={user}\x01auth=Bearer {token}\x01\x01".encode()
        else:
            name = user.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 section 4
            self.first = f"n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01".encode()
        self._begun = False

    def __call__(self, challenge: bytes) -> bytes:
        """The response to a challenge."""
        if not self._begun:
            self._begun = True
            return self.first
        self.said = _words(challenge)
        return MECHANISMS[self.mechanism]


def _words(challenge: bytes) -> str:
    """The refusal's status and scope; whatever else a server may write there is not repeated."""
    try:
        found = json.loads(challenge[:2_000])
    except (ValueError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    pairs = (f"{key} {str(found[key])[:100]}" for key in ("status", "scope") if key in found)
    return "".join(c for c in ", ".join(pairs) if c.isprintable())
