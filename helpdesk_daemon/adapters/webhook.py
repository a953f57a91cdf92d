"""Posts alerts as JSON to a URL, beside the mail, as mail may be what is down."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from helpdesk_daemon.adapters.trust import trust
from helpdesk_daemon.errors import PermanentError, TransientError

TIMEOUT = 10.0  # seconds for all of it
SIGNATURE = "X-Helpdesk-Signature"
ANSWER = 200  # characters of an answer that are kept
LATER = frozenset({408, 425, 429})  # of the 4xx, those that may go away (RFC 9110, RFC 8470, RFC 6585)


def signature(body: bytes, secret: str) -> str:
    """The value of X-Helpdesk-Signature: HMAC-SHA256 of the body as sent (RFC 2104), in hexadecimal."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class HttpWebhook:
    """`Webhook` over HTTP.

    Args:
        url: gives the address, anew at each post.
        secret: gives the key of the signature, empty for none.
        timeout: seconds.
        ca_file: certificates to trust besides the system's, empty for none.
    """

    def __init__(
        self, url: Callable[[], str], secret: Callable[[], str], timeout: float = TIMEOUT, ca_file: str = ""
    ) -> None:
        self._url, self._secret, self._timeout, self._ca_file = url, secret, timeout, ca_file
        self._client: Any = None

    async def post(self, payload: Mapping[str, object]) -> str:
        """See `Webhook.post`. Redirects are refused: whoever may redirect could send alerts elsewhere."""
        import httpx2

        url, secret = self._url(), self._secret()
        body = json.dumps(payload, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "helpdesk-daemon"}
        if secret:
            headers[SIGNATURE] = signature(body, secret)
        if self._client is None:
            self._client = httpx2.AsyncClient(verify=trust(self._ca_file), timeout=self._timeout)
        host = urlsplit(url).hostname  # the rest of the URL is often the secret
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream("POST", url, content=body, headers=headers) as response,
            ):
                words = await _beginning(response)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, TimeoutError, ValueError) as error:
            raise TransientError(f"webhook at {host}: {type(error).__name__}") from error
        said = f"webhook at {host}: {response.status_code} {words}".strip()
        if response.status_code // 100 == 2:
            return said
        if response.status_code // 100 == 5 or response.status_code in LATER:
            raise TransientError(said, _retry_after(response.headers.get("Retry-After", "")))
        raise PermanentError(said)

    async def close(self) -> None:
        """See `Webhook.close`."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None


async def _beginning(response: Any) -> str:
    """The first words of an answer; the rest, however long, is not read."""
    async for chunk in response.aiter_bytes(ANSWER):
        return " ".join(bytes(chunk[:ANSWER]).decode("utf-8", "replace").split())
    return ""


def _retry_after(value: str) -> float | None:
    """Seconds; the form as a date (RFC 9110 section 10.2.3) is left to our own back-off."""
    return float(value) if value.isdecimal() and len(value) < 7 else None
