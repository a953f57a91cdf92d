"""What holds for every request and answer: limits of the body, and headers that keep browsers strict."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

JSON_BYTES = 1_000_000
FORM_SLACK = 1_000_000  # bytes of a form beside its files
CHUNK_SECONDS = 30.0  # that a client may take for the next piece of its body
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Of mail that is shown in a frame: nothing runs, nothing loads, links open elsewhere.
FRAME_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with `no-referrer` browsers send forms with `Origin: null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
}


class Safety:
    """ASGI middleware.

    Args:
        app: what it wraps.
        files: bytes of the files of one form.
        secure: customers come by HTTPS.
    """

    def __init__(self, app: ASGIApp, files: int, secure: bool) -> None:
        self._app, self._files, self._secure = app, files, secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        form = Headers(scope=scope).get("content-type", "").startswith("multipart/form-data")
        left = self._files + FORM_SLACK if form else JSON_BYTES
        more = True

        async def bounded() -> Message:
            nonlocal left, more
            if not more:
                return await receive()
            try:
                async with asyncio.timeout(CHUNK_SECONDS):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "The request came too slowly") from None
            left -= len(message.get("body", b""))
            more = bool(message.get("more_body"))
            if left < 0:
                raise HTTPException(413, f"At most {self._files // 1_000_000 if form else 1} MB can be sent at once")
            return message

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in ALWAYS.items():
                    headers.setdefault(name, value)
                if self._secure:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        await self._app(scope, bounded, guarded)
