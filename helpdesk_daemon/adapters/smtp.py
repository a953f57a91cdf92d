"""An SMTP server as transport (RFC 5321), over a few connections that are kept and reused."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from helpdesk_daemon.adapters.oauth.tokens import TokenSource
from helpdesk_daemon.adapters.sasl import Bearer, choose
from helpdesk_daemon.adapters.trust import trust
from helpdesk_daemon.errors import (
    AmbiguousDelivery,
    PermanentError,
    SignInError,
    TooLarge,
    TransientError,
    Unreachable,
)

FINAL_DOT_TIMEOUT = 600.0  # RFC 5321 section 4.5.3.2.6: giving up early means sending twice
HANG_UP_GRACE = 0.005
IDLE_LIMIT = 20.0  # seconds after which a kept connection is not trusted to be still there
DOT_LINE = re.compile(rb"(?m)^\.")


@dataclass(frozen=True, slots=True)
class Relay:
    """Where and how outgoing mail is handed over.

    Attributes:
        host: name or address.
        port: TCP port.
        security: `tls` (implicit), `starttls` or `none`.
        user: to sign in as, empty for no sign-in.
        password: reads the secret anew at each sign-in.
        timeout: seconds for each command but the final dot.
        connections: how many are used at once.
        fallback_sender: envelope sender where a server refuses the null reverse-path.
        ca_file: certificates to trust besides the system's, empty for none.
        tokens: gives access tokens, which are used instead of the password.
    """

    host: str
    port: int
    security: str
    user: str
    password: Callable[[], str]
    timeout: float = 60.0
    connections: int = 4
    fallback_sender: str = ""
    ca_file: str = ""
    tokens: TokenSource | None = None


class SmtpTransport:
    """`Transport` on an SMTP server."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._idle: list[tuple[Any, float]] = []
        self._signed: WeakKeyDictionary[Any, str] = WeakKeyDictionary()  # connection to access token
        self._slots = asyncio.Semaphore(relay.connections)

    async def send(self, sender: str, recipient: str, mime: bytes) -> str:
        """See `Transport.send`."""
        async with self._slots:
            client, fresh = await self._client()
            try:
                try:
                    await self._open(client, sender, recipient, mime)
                except _Gone:
                    # Nothing was sent yet. A kept connection may have died unseen: try a new one, once.
                    self._drop(client)
                    if fresh:
                        raise
                    client = await self._connect()
                    await self._open(client, sender, recipient, mime)
                reply = await self._content(client, mime, careful=not sender)
            except _SignedOut as error:
                self._drop(client)
                raise SignInError(f"{self._relay.host} lets {self._relay.user} send nothing: {error}") from error
            except BaseException as error:
                await self._after_failure(client, error)
                raise
            self._idle.append((client, time.monotonic()))
            return reply

    async def greet(self) -> str:
        """Connect and sign in, send nothing; what the server says of itself.

        Raises:
            Unreachable, SignInError: that did not work.
        """
        client = await self._connect()
        self._idle.append((client, time.monotonic()))
        offers = ", ".join(sorted(client.esmtp_extensions))
        return f"{self._relay.host}:{self._relay.port}, {self._relay.security}, offers {offers or 'nothing'}"

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Any]:
        """A signed-in connection of its own, for asking without sending.

        Raises:
            Unreachable, SignInError: there is none.
        """
        client = await self._connect()
        try:
            yield client
        finally:
            await self._quit(client)

    async def _client(self) -> tuple[Any, bool]:
        while self._idle:
            client, since = self._idle.pop()
            if client.is_connected and time.monotonic() - since < IDLE_LIMIT and not self._outdated(client):
                return client, False
            self._drop(client)
        return await self._connect(), True

    def _outdated(self, client: Any) -> bool:
        tokens = self._relay.tokens
        return tokens is not None and tokens.outdated(self._signed.get(client, ""))

    async def _connect(self) -> Any:
        relay, tokens = self._relay, self._relay.tokens
        if tokens is None:
            return await self._session(lambda client: client.login(relay.user, relay.password()))
        token = await asyncio.to_thread(tokens.token)
        try:
            return await self._with_token(token)
        except SignInError as error:
            if error.__cause__ is None:
                raise  # not the token was refused: the server takes none
            # It may have been withdrawn before its time: once more, with one that was just made.
            return await self._with_token(await asyncio.to_thread(tokens.token, token))

    async def _with_token(self, token: str) -> Any:
        client = await self._session(lambda client: self._bear(client, token))
        self._signed[client] = token
        return client

    async def _bear(self, client: Any, token: str) -> None:
        """AUTH with an initial response (RFC 4954); a challenge after it only says why the answer will be no."""
        import aiosmtplib

        relay = self._relay
        offered = {name.upper() for name in client.server_auth_methods}
        bearer = Bearer(choose(offered, relay.host), relay.user, token, relay.host, relay.port)
        first = base64.b64encode(bearer(b""))
        reply = await client.execute_command(b"AUTH", bearer.mechanism.encode(), first)
        if reply.code == 334:
            closing = bearer(_decoded(reply.message))
            reply = await client.execute_command(base64.b64encode(closing))
        if reply.code != 235:
            why = f" ({bearer.said})" if bearer.said else ""
            raise aiosmtplib.SMTPAuthenticationError(reply.code, reply.message + why)

    async def _session(self, authenticate: Callable[[Any], Awaitable[object]]) -> Any:
        import aiosmtplib

        relay = self._relay
        client = aiosmtplib.SMTP(
            hostname=relay.host, port=relay.port, use_tls=relay.security == "tls",
            start_tls=relay.security == "starttls", timeout=relay.timeout,
            local_hostname=socket.gethostname() or "localhost",
            tls_context=trust(relay.ca_file) if relay.security != "none" else None,
        )  # fmt: skip
        try:
            await client.connect()
            await client.ehlo()
            if relay.user:
                await authenticate(client)
        except aiosmtplib.SMTPAuthenticationError as error:
            self._drop(client)
            if error.code // 100 == 4:
                raise Unreachable(f"sign-in is not possible now: {error.code} {error.message}") from error
            said = f"{error.code} {error.message}"
            mend = f". {relay.tokens.advice(said)}" if relay.tokens else ""
            raise SignInError(f"{relay.host} refused the sign-in of {relay.user}: {said}{mend}") from error
        except SignInError:
            self._drop(client)
            raise
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            self._drop(client)
            raise Unreachable(f"{relay.host}:{relay.port}: {type(error).__name__}: {error}") from error
        return client

    async def _open(self, client: Any, sender: str, recipient: str, mime: bytes) -> None:
        """MAIL, RCPT and DATA up to the server's 354; no failure in here can have delivered anything."""
        import aiosmtplib

        limit = int(client.esmtp_extensions.get("size") or 0)
        if limit and len(mime) > limit:
            raise TooLarge(f"the mail has {len(mime)} bytes, {self._relay.host} takes {limit}", limit)
        try:
            await self._mail(client, sender, mime)
            dsn = not sender and client.supports_extension("dsn")
            await client.rcpt(recipient, options=["NOTIFY=NEVER"] if dsn else None)
            reply = await client.execute_command(b"DATA")
            if reply.code != 354:
                raise _refusal(reply.code, reply.message)
        except aiosmtplib.SMTPResponseException as error:
            raise _refusal(error.code, error.message) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _Gone(f"{self._relay.host}: {type(error).__name__}: {error}") from error
        except (UnicodeError, ValueError) as error:
            raise PermanentError(f"address {recipient!r} cannot be written in SMTP: {error}") from error

    async def _mail(self, client: Any, sender: str, mime: bytes) -> None:
        import aiosmtplib

        options = []
        if client.supports_extension("size"):
            options.append(f"SIZE={len(mime)}")
        if client.supports_extension("8bitmime") and not mime.isascii():
            options.append("BODY=8BITMIME")
        try:
            await client.mail(sender, options=options)
        except aiosmtplib.SMTPResponseException as error:
            if error.code == 421:
                raise _Gone(f"{self._relay.host}: {error.code} {error.message}") from error
            if error.code in (530, 535) and self._relay.user:  # RFC 4954 section 6; a token may have expired
                raise _SignedOut(f"{error.code} {error.message}") from error
            if sender or error.code // 100 != 5 or not self._relay.fallback_sender:
                raise
            await client.rset()
            await client.mail(self._relay.fallback_sender, options=options)

    async def _content(self, client: Any, mime: bytes, careful: bool) -> str:
        """The mail and its final dot; from the dot on, silence means that it is perhaps delivered."""
        import aiosmtplib

        content = DOT_LINE.sub(b"..", mime if mime.endswith(b"\r\n") else mime + b"\r\n")
        try:
            client.protocol.write(content)
            await client.protocol._drain_helper()
            # A server that refuses in mid-content hangs up at once. Seeing that before the dot keeps a mail that
            # must not go twice from being left in doubt; the others are simply sent again.
            await asyncio.sleep(HANG_UP_GRACE if careful else 0)
            if not client.is_connected:
                raise TransientError(f"{self._relay.host} hung up before the final dot")
        except (aiosmtplib.SMTPException, OSError) as error:
            raise TransientError(f"{self._relay.host} hung up before the final dot: {error}") from error
        try:
            reply = await client.execute_command(b".", timeout=FINAL_DOT_TIMEOUT)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise AmbiguousDelivery(f"{self._relay.host} hung up after the final dot: {error}") from error
        if reply.code // 100 != 2:
            raise _refusal(reply.code, reply.message)
        return f"{reply.code} {reply.message}"

    async def _after_failure(self, client: Any, error: BaseException) -> None:
        """Keep the connection after a refusal, drop it after anything else."""
        refused = isinstance(error, PermanentError | _Refused) and client.is_connected
        if refused:
            with contextlib.suppress(Exception):
                await client.rset()
                self._idle.append((client, time.monotonic()))
                return
        self._drop(client)

    def _drop(self, client: Any) -> None:
        with contextlib.suppress(Exception):
            client.close()

    async def close(self) -> None:
        """See `Transport.close`."""
        while self._idle:
            client, _ = self._idle.pop()
            await self._quit(client)

    async def _quit(self, client: Any) -> None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(client.quit(), 2)
        self._drop(client)


def _decoded(challenge: str) -> bytes:
    try:
        return base64.b64decode(challenge)
    except ValueError:
        return b""


class _Gone(Unreachable):
    """The connection broke before anything was sent."""


class _SignedOut(_Gone):
    """The server no longer knows who we are."""


class _Refused(TransientError):
    """The server said 4xx; the connection is still good."""


def _refusal(code: int, words: str) -> PermanentError | TransientError:
    """A reply code as RFC 5321 section 4.2.1 means it; 421 closes the connection."""
    text = f"{code} {words}"
    if code // 100 == 5:
        return PermanentError(text)
    return TransientError(text) if code == 421 else _Refused(text)
