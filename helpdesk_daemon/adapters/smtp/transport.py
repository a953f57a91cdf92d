"""An SMTP server as transport (RFC 5321), over a few connections that are kept and reused."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from helpdesk_daemon.adapters.oauth.tokens import TokenSource
from helpdesk_daemon.adapters.sasl import Bearer, choose
from helpdesk_daemon.adapters.smtp.dialogue import Dialogue, Envelope, Gone, Refused, SignedOut
from helpdesk_daemon.adapters.trust import trust
from helpdesk_daemon.errors import PermanentError, SignInError, Unreachable

IDLE_LIMIT = 20.0  # seconds after which a kept connection is not trusted to be still there


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
        self._idle: list[tuple[Dialogue, float]] = []
        self._slots = asyncio.Semaphore(relay.connections)

    async def send(self, sender: str, recipient: str, mime: bytes) -> str:
        """See `Transport.send`."""
        envelope = Envelope(sender, recipient, self._relay.fallback_sender)
        async with self._slots:
            dialogue, fresh = await self._dialogue()
            try:
                try:
                    reply = await dialogue.hand_over(envelope, mime)
                except Gone:
                    # Nothing was sent yet. A kept connection may have died unseen: try a new one, once.
                    dialogue.close()
                    if fresh:
                        raise
                    dialogue = await self._new()
                    reply = await dialogue.hand_over(envelope, mime)
            except SignedOut as error:
                dialogue.close()
                raise SignInError(f"{self._relay.host} lets {self._relay.user} send nothing: {error}") from error
            except BaseException as error:
                await self._after_failure(dialogue, error)
                raise
            self._keep(dialogue)
            return reply

    async def greet(self) -> str:
        """Connect and sign in, send nothing; what the server says of itself.

        Raises:
            Unreachable, SignInError: that did not work.
        """
        client, token = await self._connect()
        offers = ", ".join(sorted(client.esmtp_extensions))
        self._keep(self._taken_over(client, token))
        return f"{self._relay.host}:{self._relay.port}, {self._relay.security}, offers {offers or 'nothing'}"

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Any]:
        """A signed-in connection of its own, for asking without sending.

        Raises:
            Unreachable, SignInError: there is none.
        """
        client, _ = await self._connect()
        try:
            yield client
        finally:
            await self._quit(client)

    async def _dialogue(self) -> tuple[Dialogue, bool]:
        """A connection, and whether it is new."""
        while self._idle:
            dialogue, since = self._idle.pop()
            if dialogue.is_open and time.monotonic() - since < IDLE_LIMIT and not self._outdated(dialogue):
                return dialogue, False
            dialogue.close()
        return await self._new(), True

    async def _new(self) -> Dialogue:
        return self._taken_over(*await self._connect())

    def _taken_over(self, client: Any, token: str) -> Dialogue:
        relay, offers = self._relay, client.esmtp_extensions
        return Dialogue(client.transport, offers, relay.host, relay.timeout, bool(relay.user), token)

    def _keep(self, dialogue: Dialogue) -> None:
        self._idle.append((dialogue, time.monotonic()))

    def _outdated(self, dialogue: Dialogue) -> bool:
        tokens = self._relay.tokens
        return tokens is not None and tokens.outdated(dialogue.token)

    async def _connect(self) -> tuple[Any, str]:
        """A signed-in client, and the access token that was used, if any."""
        relay, tokens = self._relay, self._relay.tokens
        if tokens is None:
            return await self._session(lambda client: client.login(relay.user, relay.password())), ""
        token = await asyncio.to_thread(tokens.token)
        try:
            return await self._with_token(token)
        except SignInError as error:
            if error.__cause__ is None:
                raise  # not the token was refused: the server takes none
            # It may have been withdrawn before its time: once more, with one that was just made.
            return await self._with_token(await asyncio.to_thread(tokens.token, token))

    async def _with_token(self, token: str) -> tuple[Any, str]:
        return await self._session(lambda client: self._bear(client, token)), token

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

    async def _after_failure(self, dialogue: Dialogue, error: BaseException) -> None:
        """Keep the connection after a refusal, drop it after anything else."""
        if isinstance(error, PermanentError | Refused) and await dialogue.reset():
            self._keep(dialogue)
        else:
            dialogue.close()

    def _drop(self, client: Any) -> None:
        with contextlib.suppress(Exception):
            client.close()

    async def close(self) -> None:
        """See `Transport.close`."""
        while self._idle:
            dialogue, _ = self._idle.pop()
            await dialogue.quit()

    async def _quit(self, client: Any) -> None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(client.quit(), 2)
        self._drop(client)


def _decoded(challenge: str) -> bytes:
    try:
        return base64.b64decode(challenge)
    except ValueError:
        return b""
