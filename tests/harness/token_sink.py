"""An SMTP server (aiosmtpd) that wants an access token, from the token server that gave it."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.harness.dovecot import free_port
from tests.harness.sink import Mail
from tests.harness.token_server import TokenServer


class TokenSink:
    """The server while the `with` block runs.

    Args:
        tokens: says which tokens are good.
        mechanisms: what is offered, of XOAUTH2 and OAUTHBEARER.

    Attributes:
        mails: what was accepted, in order.
        tries: (mechanism, token) of each AUTH.
        closings: what clients answered to the challenge that says why.
        refuse: a line to answer AUTH with instead, empty for none.
    """

    def __init__(self, tokens: TokenServer, mechanisms: tuple[str, ...] = ("XOAUTH2",)) -> None:
        self.mails: list[Mail] = []
        self.tries: list[tuple[str, str]] = []
        self.closings: list[bytes] = []
        self.refuse = ""
        self._tokens, self.port = tokens, free_port()
        others = [name for name in ("XOAUTH2", "OAUTHBEARER") if name not in mechanisms]
        self._controller = Controller(
            self, hostname="127.0.0.1", port=self.port, auth_require_tls=False,
            auth_exclude_mechanism=["LOGIN", "PLAIN", *others],
        )  # fmt: skip

    def __enter__(self) -> TokenSink:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    async def auth_XOAUTH2(self, server: Any, args: list[str]) -> AuthResult:
        user, _, token = self._read(args[1], b"user=")
        return await self._decide(server, args[0], user, token)

    async def auth_OAUTHBEARER(self, server: Any, args: list[str]) -> AuthResult:
        user, rest, token = self._read(args[1], b"n,a=")
        assert rest == ["host=127.0.0.1", f"port={self.port}"]
        return await self._decide(server, args[0], user.rstrip(","), token)

    @staticmethod
    def _read(words: str, begin: bytes) -> tuple[str, list[str], str]:
        """User, what stands between, and token."""
        raw = base64.b64decode(words, validate=True)
        assert raw.startswith(begin)
        assert raw.endswith(b"\x01\x01")
        first, *rest = raw.removeprefix(begin)[:-2].decode().split("\x01")
        return first, rest[:-1], rest[-1].removeprefix("auth=Bearer ")

    async def _decide(self, server: Any, mechanism: str, user: str, token: str) -> AuthResult:
        self.tries.append((mechanism, token))
        if self.refuse:
            return AuthResult(success=False, handled=False, message=self.refuse)
        if self._tokens.valid(user, token):
            return AuthResult(success=True, auth_data=(user, token))
        why = {"status": "invalid_token", "scope": "https://mail.example/"}
        self.closings.append(await server.challenge_auth(json.dumps(why)))
        return AuthResult(success=False, handled=False)

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if not (session.authenticated and self._tokens.valid(*session.auth_data)):
            return "530 5.7.57 Client not authenticated to send mail"
        envelope.mail_from = address
        return "250 ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        content = envelope.original_content or envelope.content
        for recipient in envelope.rcpt_tos:
            self.mails.append(Mail(envelope.mail_from or "", recipient, content, time.time()))
        return "250 kept"
