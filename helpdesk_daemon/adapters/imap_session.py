"""A signed-in connection to an IMAP server, by password (RFC 3501) or access token."""

from __future__ import annotations

import contextlib
import imaplib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import imapclient
from imapclient.exceptions import LoginError

from helpdesk_daemon.adapters.oauth.tokens import TokenSource
from helpdesk_daemon.adapters.sasl import Bearer, choose
from helpdesk_daemon.adapters.trust import trust
from helpdesk_daemon.errors import SignInError, TransientError

NOT_NOW = ("UNAVAILABLE", "INUSE", "TEMPORARY", "TRY AGAIN")  # response codes (RFC 5530) and words


@dataclass(frozen=True, slots=True)
class Server:
    """Where and how to reach an IMAP folder.

    Attributes:
        host: name or address.
        port: TCP port.
        security: `tls` (implicit), `starttls` or `none`.
        user: to sign in as.
        password: reads the secret anew at each sign-in, so that it can be changed while we run.
        folder: to read.
        timeout: seconds for connecting and for each read.
        ca_file: certificates to trust besides the system's, empty for none.
        tokens: gives access tokens, which are used instead of the password.
    """

    host: str
    port: int
    security: str
    user: str
    password: Callable[[], str]
    folder: str = "INBOX"
    timeout: float = 30.0
    ca_file: str = ""
    tokens: TokenSource | None = None


def sign_in(server: Server) -> tuple[Any, str]:
    """A connected, signed-in client, and the access token it signed in with (empty for a password).

    Raises:
        LoginError: refused; `refused` says what that means.
        SignInError, Unreachable, ConfigError: there is no token or password to be had.
        OSError, IMAPClientError: the connection failed.
    """
    tokens = server.tokens
    if tokens is None:
        return _connected(server, lambda client: client.login(server.user, server.password())), ""
    token = tokens.token()
    try:
        return _connected(server, lambda client: _bear(client, server, token)), token
    except LoginError as error:
        if not _is_refusal(error):
            raise
    # It may have been withdrawn before its time: once more, with one that was just made.
    fresh = tokens.token(refused=token)
    return _connected(server, lambda client: _bear(client, server, fresh)), fresh


def _connected(server: Server, authenticate: Callable[[Any], object]) -> Any:
    context = trust(server.ca_file)
    tls = server.security == "tls"
    client = imapclient.IMAPClient(
        server.host, server.port, ssl=tls, ssl_context=context if tls else None, timeout=server.timeout
    )
    client.normalise_times = False
    try:
        if server.security == "starttls":
            client.starttls(context)
        authenticate(client)
    except BaseException:
        with contextlib.suppress(Exception):
            client.shutdown()
        raise
    return client


def _bear(client: Any, server: Server, token: str) -> None:
    """AUTHENTICATE with a token."""
    offered = {name.decode().upper()[5:] for name in client.capabilities() if name.upper().startswith(b"AUTH=")}
    bearer = Bearer(choose(offered, server.host), server.user, token, server.host, server.port)
    try:
        client.sasl_login(bearer.mechanism, bearer)
    except LoginError as error:
        said = f"{error} ({bearer.said})" if bearer.said else str(error)
        raise LoginError(said) from error.__context__


def refused(server: Server, error: LoginError) -> SignInError | TransientError:
    """What a failed sign-in means, and what to do about it."""
    if not _is_refusal(error):
        return TransientError(f"sign-in is not possible now: {error}")
    mend = f". {server.tokens.advice(str(error))}" if server.tokens else ""
    return SignInError(f"{server.host} refused the sign-in of {server.user}: {error}{mend}")


def _is_refusal(error: LoginError) -> bool:
    """Whether our credentials were refused, rather than the connection lost or the server busy."""
    hung_up = isinstance(error.__cause__ or error.__context__, imaplib.IMAP4.abort)
    return not hung_up and not any(hint in str(error).upper() for hint in NOT_NOW)
