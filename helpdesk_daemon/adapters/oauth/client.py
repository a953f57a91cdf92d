"""One question to a token server: a form is posted, a JSON object comes back (RFC 6749 section 5)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from helpdesk_daemon.adapters.oauth.providers import advice
from helpdesk_daemon.adapters.trust import trust
from helpdesk_daemon.errors import SignInError, Unreachable

DEADLINE = 15.0  # seconds for a whole answer, name look-up included
MOST_BYTES = 100_000  # no honest answer is near it
LONGEST_WAIT = 3_600.0  # seconds; a server that asks for more patience is asked again all the same
SKEW = 300.0  # seconds between the server's clock and ours that are worth a word
LATER = ("temporarily_unavailable", "server_error", "slow_down")  # RFC 6749 section 4.1.2.1, RFC 8628 section 3.5


def _nothing() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Client:
    """This installation as a client of a token server.

    Attributes:
        name: of the settings table, as the `sign-in` command takes it.
        user: whose mailbox it is.
        provider: a key of `PROVIDERS`, or empty.
        token_url: token endpoint.
        client_id: as registered with the provider.
        secret: reads the client's secret anew at each use; empty for a public client.
        grant: `refresh_token` or `client_credentials`.
        scope: what to ask for, separated by spaces.
        seed: reads the refresh token that the operator gave, empty for none.
        device_url: device authorization endpoint, empty for none.
        authorize_url: authorization endpoint, empty for none.
        extra: further parameters for the authorization endpoint.
        ca_file: certificates to trust besides the system's, empty for none.
    """

    name: str
    user: str
    token_url: str
    client_id: str
    provider: str = ""
    secret: Callable[[], str] = field(default=_nothing, repr=False)
    grant: str = "refresh_token"
    scope: str = ""
    seed: Callable[[], str] = field(default=_nothing, repr=False)
    device_url: str = ""
    authorize_url: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    ca_file: str = ""

    @property
    def key(self) -> str:
        """Equal for tables that share their tokens: a person's are that person's, an application's are for all."""
        return "\0".join((self.token_url, self.client_id, self.grant, self.user * (self.grant == "refresh_token")))

    def identification(self) -> dict[str, str]:
        """How the client names itself in a form (RFC 6749 section 2.3.1).

        Raises:
            ConfigError: the secret cannot be read.
        """
        secret = self.secret()
        return {"client_id": self.client_id} | ({"client_secret": secret} if secret else {})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a token server said.

    Attributes:
        status: of HTTP.
        fields: of the JSON object; empty when there was none.
        retry_after: seconds it wants to be left alone, None when it did not say.
        skew: seconds by which its clock is ahead of ours, 0 when it did not say.
    """

    status: int
    fields: Mapping[str, Any] = field(repr=False)
    retry_after: float | None = None
    skew: float = 0.0

    @property
    def error(self) -> str:
        """The error code (RFC 6749 section 5.2), empty when there is none."""
        return clean(self.fields.get("error"))


def clean(value: object, most: int = 300) -> str:
    """A stranger's words as one bounded line."""
    text = value if isinstance(value, str) else ""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: most * 2]).split())[:most]


def ask(client: Client, url: str, form: Mapping[str, str], now: datetime) -> Answer:
    """Post a form. Blocks for `DEADLINE` at most; not for a thread that runs a loop.

    Raises:
        Unreachable: no answer in time, or one that is too long.
    """
    import httpx2

    host = httpx2.URL(url).host
    try:
        return asyncio.run(_ask(client, url, form, now))
    except TimeoutError as error:
        raise Unreachable(f"token server {host} did not answer within {DEADLINE:g} s") from error
    except (httpx2.HTTPError, OSError) as error:
        raise Unreachable(f"token server {host}: {type(error).__name__}: {clean(str(error))}") from error


async def _ask(client: Client, url: str, form: Mapping[str, str], now: datetime) -> Answer:
    import httpx2

    headers = {"Accept": "application/json"}
    async with (
        asyncio.timeout(DEADLINE),
        httpx2.AsyncClient(verify=trust(client.ca_file), timeout=DEADLINE, headers=headers) as http,
        http.stream("POST", url, data=dict(form)) as response,
    ):
        body = b""
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MOST_BYTES:
                raise OSError(f"an answer of more than {MOST_BYTES} bytes")
        return Answer(
            response.status_code, _object(body), _seconds(response.headers.get("retry-after", ""), now),
            _skew(response.headers.get("date", ""), now),
        )  # fmt: skip


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _moment(value: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _seconds(value: str, now: datetime) -> float | None:
    """Retry-After as seconds or date (RFC 9110 section 10.2.3), bounded."""
    if value.isascii() and value.isdigit():
        seconds = float(value[:9])
    elif at := _moment(value):
        seconds = (at - now).total_seconds()
    else:
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _skew(value: str, now: datetime) -> float:
    at = _moment(value)
    return (at - now).total_seconds() if at else 0.0


def refusal(client: Client, answer: Answer, secrets: tuple[str, ...] = ()) -> SignInError | Unreachable:
    """An answer without a token as the error it means: wait, or have the operator act.

    Args:
        client: that asked.
        answer: what came.
        secrets: what was sent, which must not come back in words for the log.
    """
    said = f"{answer.error or 'status'} {answer.status} {clean(answer.fields.get('error_description'))}".strip()
    for secret in filter(None, secrets):
        said = said.replace(secret, "…")
    where = f"token server {client.token_url.partition('://')[2].partition('/')[0]}"
    waits = answer.status in (408, 429) or answer.status >= 500 or answer.error in LATER
    if waits or answer.status < 300:
        return Unreachable(f"{where} gives no token now: {said}", answer.retry_after)
    mend = advice(client.provider, said, client.name)
    if abs(answer.skew) > SKEW:
        mend += f". This machine's clock is {abs(answer.skew) / 60:.0f} min off: set it"
    return SignInError(f"{where} refused {client.user}: {said}. {mend}")
