"""An SMTP server on a thread that answers as a test tells it, and keeps every line it was told."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable


class Scripted:
    """The server while the `with` block runs.

    Args:
        answer: called with (verb, whole line); returns a reply, `drop` to hang up, or None for the usual.
        offers: EHLO keywords.
        greeting: the first line.
        context: speak TLS from the first byte.

    Attributes:
        lines: every command line, in order.
        contents: every content between DATA and the final dot, as on the wire.
        most: the most connections that were open at once.
    """

    def __init__(
        self, answer: Callable[[str, str], str | None] | None = None, offers: tuple[str, ...] = ("8BITMIME", "DSN"),
        greeting: str = "220 scripted", context: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        self._answer = answer or (lambda verb, line: None)
        self._offers, self._greeting, self._context = offers, greeting, context
        self.lines: list[str] = []
        self.contents: list[bytes] = []
        self.port, self.most, self._now = 0, 0, 0

    def __enter__(self) -> Scripted:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._session, "127.0.0.1", 0, limit=2**24, ssl=self._context)
        self.port = int(server.sockets[0].getsockname()[1])
        ready.set()
        await self._stop.wait()
        server.close()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            writer.write(f"{self._greeting}\r\n".encode())
            while line := (await reader.readline()).decode("utf-8", "replace").rstrip("\r\n"):
                self.lines.append(line)
                verb = line.partition(" ")[0].upper()
                said = self._answer(verb, line) or await self._usual(verb, reader, writer)
                if said == "drop":
                    return
                writer.write(f"{said}\r\n".encode())
                if verb == "QUIT":
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._now -= 1
            writer.close()

    async def _usual(self, verb: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        if verb == "EHLO":
            return "\r\n".join(["250-scripted", *(f"250-{offer}" for offer in self._offers), "250 HELP"])
        if verb == "DATA":
            writer.write(b"354 go on\r\n")
            await asyncio.sleep(0.02)  # long enough for others to come at the same time
            self.contents.append(await reader.readuntil(b"\r\n.\r\n"))
        return "221 bye" if verb == "QUIT" else "250 ok"
