"""Access tokens, one source for all connections of a client; asked for anew before they expire."""

from __future__ import annotations

import random
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from helpdesk_daemon.adapters.oauth.client import Answer, Client, ask, refusal
from helpdesk_daemon.adapters.oauth.kept import KeptToken
from helpdesk_daemon.adapters.oauth.providers import advice
from helpdesk_daemon.errors import SignInError, TransientError, Unreachable
from helpdesk_daemon.log import get, who
from helpdesk_daemon.ports import Clock, Reached, pass_by

LIFETIME = 3_600  # seconds, when the server does not say (RFC 6749 section 5.1)
LONGEST_LIFETIME = 86_400
MARGIN, JITTER = 300.0, 60.0  # seconds before the end at which a new one is fetched


@dataclass(frozen=True, slots=True)
class Access:
    """An access token.

    Attributes:
        token: the secret.
        renew_at: from when on a new one is wanted.
        ends_at: when it expires.
    """

    token: str = field(repr=False)
    renew_at: datetime
    ends_at: datetime


class TokenSource:
    """Access tokens of one client; safe to use from any thread, never from one that runs a loop.

    Args:
        client: who asks.
        kept: where its refresh token lies.
        clock: tells when a token is old.
        reached: named moments, for crash tests.
    """

    def __init__(self, client: Client, kept: KeptToken, clock: Clock, reached: Reached = pass_by) -> None:
        self._client, self._kept, self._clock, self._reached = client, kept, clock, reached
        self._lock = threading.Lock()
        self._access: Access | None = None
        self._asking: Future[Access] | None = None
        self._unsaved: tuple[str, str] | None = None
        self._quiet: tuple[datetime, str] | None = None
        self._log = get("oauth")

    def token(self, refused: str = "") -> str:
        """A token to sign in with. Of many callers at once one asks the server, the others wait for its answer.

        Args:
            refused: a token that a mail server did not take; it is not given again.

        Raises:
            SignInError: there is none until the operator acts.
            Unreachable: there is none now.
            ConfigError: a secret's file cannot be read.
        """
        with self._lock:
            access = self._access
            if access and access.token != refused and self._clock.now() < access.renew_at:
                return access.token
            asking, mine = self._asking, self._asking is None
            if asking is None:
                asking = self._asking = Future()
        if mine:
            self._answer(asking)
        try:
            return asking.result().token
        except TransientError:
            # A token server that is down costs nothing while the last token lasts.
            if access and access.token != refused and self._clock.now() < access.ends_at:
                return access.token
            raise

    def outdated(self, token: str) -> bool:
        """Whether a session signed in with `token` should sign in anew: the server ends it when the token expires."""
        with self._lock:
            access = self._access
        return access is None or access.token != token or self._clock.now() >= access.renew_at

    def advice(self, said: str) -> str:
        """What the operator should do about a mail server's refusal."""
        return advice(self._client.provider, said, self._client.name)

    def _answer(self, asking: Future[Access]) -> None:
        """Ask the server, and tell everybody who waits."""
        try:
            access = self._renew()
        except BaseException as error:
            with self._lock:
                self._asking = None
            asking.set_exception(error)
        else:
            with self._lock:
                self._access, self._asking = access, None
            asking.set_result(access)

    def _renew(self) -> Access:
        now = self._clock.now()
        if self._quiet and now < self._quiet[0]:
            raise Unreachable(self._quiet[1], (self._quiet[0] - now).total_seconds())
        self._quiet = None
        try:
            if self._client.grant == "client_credentials":
                return self._accept(self._ask({"grant_type": "client_credentials"}, now), now)
            with self._kept.held():
                return self._refresh(now)
        except Unreachable as error:
            if error.retry_after:
                self._quiet = now + timedelta(seconds=error.retry_after), str(error)
            raise
        except OSError as error:
            raise Unreachable(f"{self._kept.path} cannot be used: {error.strerror}") from error

    def _refresh(self, now: datetime) -> Access:
        """Exchange the refresh token; a new one is on the disk before the access token is shown to anyone."""
        self._save()
        token, origin = self._kept.read()
        if not token:
            mend = f"Run helpdesk-daemon sign-in {self._client.name}, or give a refresh_token_file"
            raise SignInError(f"nobody has consented for {self._client.user} yet. {mend}")
        answer = self._ask({"grant_type": "refresh_token", "refresh_token": token}, now)
        access = self._accept(answer, now)
        self._reached("oauth.received")
        rotated = answer.fields.get("refresh_token")
        if isinstance(rotated, str) and rotated and rotated != token:
            self._unsaved = rotated, origin
            self._save()
        self._reached("oauth.stored")
        return access

    def _save(self) -> None:
        """Keep a rotated token; one that could not be kept is tried again before anything is asked."""
        if self._unsaved:
            self._kept.write(*self._unsaved)
            self._unsaved = None
            self._log.info("token.rotated", user=who(self._client.user))

    def _ask(self, form: dict[str, str], now: datetime) -> Answer:
        form |= self._client.identification()
        if self._client.scope:
            form["scope"] = self._client.scope
        answer = ask(self._client, self._client.token_url, form, now)
        if answer.status == 200 and usable(answer.fields.get("access_token")):
            return answer
        raise refusal(self._client, answer, (form.get("refresh_token", ""), form.get("client_secret", "")))

    def _accept(self, answer: Answer, now: datetime) -> Access:
        seconds = lifetime(answer.fields.get("expires_in"))
        early = min(MARGIN + random.uniform(0, JITTER), seconds / 2)  # noqa: S311  spreads load, guards nothing
        self._log.info("token.renewed", user=who(self._client.user), seconds=seconds)
        ends = now + timedelta(seconds=seconds)
        return Access(answer.fields["access_token"], ends - timedelta(seconds=early), ends)


def usable(token: object) -> bool:
    """Whether an access token can be written in a sign-in (RFC 6750 section 2.1: visible ASCII)."""
    return isinstance(token, str) and 0 < len(token) < 50_000 and all("!" <= c <= "~" for c in token)


def lifetime(value: Any) -> int:
    """`expires_in` in seconds, within reason; some servers write it as text."""
    text = str(value)
    seconds = int(text[:9]) if text.isascii() and text.isdigit() else LIFETIME
    return min(max(seconds, 1), LONGEST_LIFETIME)


class Tokens:
    """The sources of an installation; tables that name the same account share one.

    Args:
        folder: of the data.
        clock: for all of them.
        reached: named moments, for crash tests.
    """

    def __init__(self, folder: Path, clock: Clock, reached: Reached = pass_by) -> None:
        self._folder, self._clock, self._reached = folder / "tokens", clock, reached
        self._sources: dict[str, TokenSource] = {}

    def kept(self, client: Client) -> KeptToken:
        """Where a client's refresh token lies."""
        return KeptToken(self._folder, client.user, client.key, client.seed)

    def source(self, client: Client) -> TokenSource:
        """The source for a client."""
        if client.key not in self._sources:
            self._sources[client.key] = TokenSource(client, self.kept(client), self._clock, self._reached)
        return self._sources[client.key]
