"""A person's first consent, which ends in a refresh token: by a code typed elsewhere, or by a browser's redirect."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from helpdesk_daemon.adapters.oauth.client import Answer, Client, ask, clean, refusal
from helpdesk_daemon.adapters.oauth.kept import KeptToken
from helpdesk_daemon.errors import ConfigError, SignInError
from helpdesk_daemon.ports import Clock

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"  # RFC 8628 section 3.4
INTERVAL, SLOWER = 5.0, 5.0  # seconds between questions, and what `slow_down` adds (RFC 8628 section 3.5)
PATIENCE = 600.0  # seconds a person may take
SCHEMES = ("https", "http")

Say = Callable[[str], None]
Pause = Callable[[float], None]


def consent(client: Client, kept: KeptToken, clock: Clock, say: Say, port: int = 0, pause: Pause = time.sleep) -> None:
    """Have a person consent, and keep the refresh token that comes of it.

    Args:
        client: who asks.
        kept: where the refresh token goes.
        clock: tells when the person's time is over.
        say: shows a line to the person.
        port: on this machine, for the browser's redirect; 0 for any.
        pause: waits some seconds.

    Raises:
        SignInError: nobody consented, or the provider refused.
        Unreachable: the provider did not answer.
        ConfigError: there is no way to ask, or to keep the answer.
    """
    try:
        with kept.held():
            pass  # found out now rather than after somebody has consented
    except OSError as error:
        mend = "Run this as the daemon's user, and make room if the disk is full"
        raise ConfigError(str(kept.path.parent), "", f"cannot be written: {error.strerror}", mend) from error
    if client.device_url:
        answer = by_code(client, clock, say, pause)
    elif client.authorize_url:
        answer = by_redirect(client, clock, say, port)
    else:
        mend = "Add device_url or authorize_url, or give a refresh_token_file"
        raise ConfigError("settings", f"{client.name}.oauth", "says nowhere to consent", mend)
    token = answer.fields.get("refresh_token")
    if not isinstance(token, str) or not token:
        raise SignInError(
            "the provider gave no refresh token. Add what it wants for one to scope, often offline_access"
        )
    with kept.held():
        kept.write(token, kept.origin())


def by_code(client: Client, clock: Clock, say: Say, pause: Pause = time.sleep) -> Answer:
    """The device authorization grant (RFC 8628): the person types a code into a page on any device."""
    now = clock.now()
    answer = ask(client, client.device_url, client.identification() | {"scope": client.scope}, now)
    code, user_code = answer.fields.get("device_code"), clean(answer.fields.get("user_code"))
    page = clean(answer.fields.get("verification_uri") or answer.fields.get("verification_url"))
    if answer.status != 200 or not isinstance(code, str) or not user_code or urlsplit(page).scheme not in SCHEMES:
        raise refusal(client, answer)
    say(f"Open {page} in a browser, sign in as {client.user} and type the code {user_code}")
    until = now + timedelta(seconds=min(_number(answer.fields.get("expires_in"), PATIENCE), PATIENCE))
    interval = _number(answer.fields.get("interval"), INTERVAL)
    while clock.now() < until:
        pause(interval)
        form = client.identification() | {"grant_type": DEVICE_GRANT, "device_code": code}
        answer = ask(client, client.token_url, form, clock.now())
        if answer.status == 200:
            return answer
        if answer.error == "slow_down":
            interval += SLOWER
        elif answer.error != "authorization_pending":
            raise refusal(client, answer, (code,))
    raise SignInError("nobody consented in time. Run the command again")


def by_redirect(client: Client, clock: Clock, say: Say, port: int = 0) -> Answer:
    """The authorization code grant with a redirect to this machine (RFC 8252) and PKCE (RFC 7636)."""
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    try:
        listener = _Listener(("127.0.0.1", port), _Redirect)
    except OSError as error:
        raise ConfigError("--port", str(port), f"cannot be used: {error.strerror}", "Name another one") from error
    with listener:
        back = f"http://127.0.0.1:{listener.server_port}/"
        question = {
            "response_type": "code", "client_id": client.client_id, "redirect_uri": back, "scope": client.scope,
            "state": state, "code_challenge": challenge, "code_challenge_method": "S256", "login_hint": client.user,
        }  # fmt: skip
        joint = "&" if urlsplit(client.authorize_url).query else "?"
        say(f"Open this address in a browser and sign in as {client.user}:")
        filled = {key: value for key, value in (question | dict(client.extra)).items() if value}
        say(client.authorize_url + joint + urlencode(filled))
        say(
            "A browser on another machine finds its way back through"
            f" ssh -L {listener.server_port}:127.0.0.1:{listener.server_port} THIS-MACHINE"
        )
        found = listener.wait_for(state, PATIENCE)
    if "code" not in found:
        said = f"{clean(found.get('error'))} {clean(found.get('error_description'))}".strip()
        raise SignInError(f"nobody consented: {said or 'no answer in time'}. Run the command again")
    form = client.identification() | {
        "grant_type": "authorization_code", "code": found["code"], "redirect_uri": back, "code_verifier": verifier,
    }  # fmt: skip
    answer = ask(client, client.token_url, form, clock.now())
    if answer.status != 200:
        raise refusal(client, answer, (found["code"], verifier))
    return answer


def _number(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e6 else otherwise


class _Listener(HTTPServer):
    """Waits for one redirect; anything without our state is somebody else's and changes nothing."""

    found: Mapping[str, str] | None = None
    state = ""

    def wait_for(self, state: str, seconds: float) -> Mapping[str, str]:
        """The parameters that came with our state, none when the time is up."""
        self.state = state
        until = time.monotonic() + seconds
        while self.found is None and (left := until - time.monotonic()) > 0:
            self.timeout = left
            self.handle_request()
        return self.found or {}


class _Redirect(BaseHTTPRequestHandler):
    """The page a browser ends on."""

    server: _Listener
    timeout = 10

    def do_GET(self) -> None:
        """Take the redirect's parameters."""
        found = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        ours = secrets.compare_digest(found.get("state", "").encode(), self.server.state.encode())
        if ours:
            self.server.found = found
        words = b"This window can be closed." if ours else b"This is not the page that was asked for."
        self.send_response(200 if ours else 404)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the query holds the code."""
