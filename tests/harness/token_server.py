"""A token server on loopback: gives tokens, rotates them, withdraws them, and tells mail servers which are good."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT, SECRET = "helpdesk", "client-secret-of-tests"
FIRST = "refresh-0"


@dataclass(slots=True)
class Scripted:
    """An answer to give instead of the right one."""

    status: int
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)


class TokenServer:
    """The server while the `with` block runs.

    Args:
        user: whose tokens they are.
        rotation: `never`; `at once`, where a refresh token dies as it is exchanged; or `on use`, where it
            dies when what was given for it is first used, as servers do that know that answers get lost.
        lifetime: seconds of an access token.
        certificate: PEM file with key and certificate, for TLS.

    Attributes:
        asked: every form that came to the token endpoint.
        instead: answers to give instead of the right one, first in, first out.
        gate: answers wait until it is set.
        skew: seconds by which the Date header is ahead.
        pending: how often a device is told to wait; it is told to slow down first when `slow` is set.
        refresh: refresh tokens that are good.
        access: access tokens that are good, and when they end.
    """

    def __init__(
        self, user: str = "support", rotation: str = "never", lifetime: int = 3_600, certificate: Path | None = None
    ) -> None:
        self.user, self.rotation, self.lifetime = user, rotation, lifetime
        self._certificate = certificate
        self.asked: list[dict[str, str]] = []
        self.instead: list[Scripted] = []
        self.gate = threading.Event()
        self.gate.set()
        self.skew = 0.0
        self.pending, self.slow, self.denied = 0, False, False
        self.refresh = {FIRST}
        self.access: dict[str, float] = {}
        self.challenge: dict[str, str] = {}
        self._replaces: dict[str, str] = {}
        self._made = 0
        self._lock = threading.Lock()

    def __enter__(self) -> TokenServer:
        self._http = _Quiet(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.port = int(self._http.server_port)
        self.url = f"http://127.0.0.1:{self.port}"
        if self._certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
            self.url = f"https://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(10)

    def withdraw(self) -> None:
        """End every access token now, long before its time."""
        self.access.clear()

    def valid(self, user: str, token: str) -> bool:
        """Whether a mail server should let somebody in; using a token retires what it replaced."""
        with self._lock:
            good = user == self.user and self.access.get(token, 0) > time.time()
            if good:
                self._retire(token)
            return good

    def _retire(self, token: str) -> None:
        self.refresh.discard(self._replaces.pop(token, ""))

    def _give(self, old: str) -> dict[str, Any]:
        self._made += 1
        access = f"access-{self._made}"
        self.access[access] = time.time() + self.lifetime
        given: dict[str, Any] = {"access_token": access, "token_type": "Bearer", "expires_in": self.lifetime}
        if old == "alone":
            return given
        if self.rotation == "never" and old:
            return given | {"refresh_token": old}
        new = f"refresh-{self._made}"
        self.refresh.add(new)
        if old and self.rotation == "at once":
            self.refresh.discard(old)
        elif old:
            self._replaces |= {access: old, new: old}
        return given | {"refresh_token": new}

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """The right answer to a form (RFC 6749 section 5)."""
        with self._lock:
            if form.get("client_id") != CLIENT or form.get("client_secret", SECRET) != SECRET:
                return 401, {"error": "invalid_client"}
            grant = form.get("grant_type", "")
            if grant == "client_credentials":
                return (200, self._give("alone")) if "client_secret" in form else (401, {"error": "invalid_client"})
            if grant == "refresh_token":
                old = form.get("refresh_token", "")
                if old not in self.refresh:
                    words = f"token {old} is expired or revoked"
                    return 400, {"error": "invalid_grant", "error_description": words}
                self._retire(old)
                return 200, self._give(old)
            if grant.endswith("device_code"):
                return self._device(form)
            made = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
            if self.challenge.pop(form.get("code", ""), None) != made.rstrip(b"=").decode():
                return 400, {"error": "invalid_grant", "error_description": "wrong code or verifier"}
            return 200, self._give("")

    def _device(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if form.get("device_code") != "device-secret":
            return 400, {"error": "invalid_grant"}
        if self.slow:
            self.slow = False
            return 400, {"error": "slow_down"}
        if self.pending:
            self.pending -= 1
            return 400, {"error": "authorization_pending"}
        return (400, {"error": "access_denied"}) if self.denied else (200, self._give(""))


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client may hang up."""


def _handler(server: TokenServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            form = {k: v[0] for k, v in parse_qs(self.rfile.read(length).decode()).items()}
            path = urlsplit(self.path).path
            if path == "/token":
                server.asked.append(form)
                server.gate.wait(30)
                if server.instead:
                    scripted = server.instead.pop(0)
                    self._say(scripted.status, scripted.body, scripted.headers)
                    return
                self._json(*server.token(form))
            elif path == "/introspect":
                good = server.valid(server.user, form.get("token", ""))
                self._json(200, {"active": good} | ({"username": server.user} if good else {}))
            elif path == "/device":
                found = {"device_code": "device-secret", "user_code": "WDJB-MJHT", "interval": 3, "expires_in": 600}
                self._json(200, found | {"verification_uri": f"{server.url}/enter"})

        def do_GET(self) -> None:
            """A browser whose owner consents at once."""
            asked = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
            if server.denied:
                back = {"error": "access_denied", "state": asked["state"]}
            else:
                assert asked["code_challenge_method"] == "S256"
                server.challenge["code-1"] = asked["code_challenge"]
                back = {"code": "code-1", "state": asked["state"]}
            self._say(302, b"", {"Location": f"{asked['redirect_uri']}?{urlencode(back)}"})

        def _json(self, status: int, found: dict[str, Any]) -> None:
            self._say(status, json.dumps(found).encode(), {"Content-Type": "application/json"})

        def _say(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response_only(status)
            self.send_header("Date", formatdate(time.time() + server.skew, usegmt=True))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
