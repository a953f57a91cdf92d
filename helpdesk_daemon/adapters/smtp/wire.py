"""The wire under an SMTP dialogue: bytes out, replies in.

aiosmtplib connects, encrypts and signs in, but reads one reply for each command and drops what comes before it asked;
replies to several commands at once are read here.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

MAX_REPLY = 32_768
REPLY_LINE = re.compile(rb"[2-5]\d\d(?:[ -]|\Z)")


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, its lines joined."""

    code: int
    words: str

    def __str__(self) -> str:
        return f"{self.code} {self.words}"


class Wire(asyncio.Protocol):
    """The bytes of a connection: writes at the other side's pace, reads replies.

    Args:
        transport: connected; what was reading from it no longer does.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._buffer = bytearray()
        self._waiting: asyncio.Future[None] | None = None
        self._full = self._over = False
        transport.set_protocol(self)

    @property
    def ended(self) -> bool:
        """Whether the connection is known to be over."""
        return self._over or self._transport.is_closing()

    @property
    def said(self) -> bool:
        """Whether the server said something that nobody has read."""
        return bool(self._buffer)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._buffer += data
        if len(self._buffer) > MAX_REPLY:
            self.close()
        self._wake()

    def eof_received(self) -> bool:
        """See `asyncio.Protocol`."""
        self._over = True
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self._over, self._full = True, False
        self._wake()

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._full = True

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._full = False
        self._wake()

    def write(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            ConnectionError: the connection is over.
        """
        if self.ended:
            raise ConnectionResetError("the server hung up")
        self._transport.write(data)

    async def room(self, seconds: float) -> None:
        """Wait until the other side took most of what was written.

        Raises:
            TimeoutError: it took too little for so many seconds.
        """
        while self._full and not self.ended:
            await self._wait(seconds)

    async def reply(self, seconds: float) -> Reply:
        """The next reply.

        Raises:
            TimeoutError: nothing came for so many seconds.
            ConnectionError: the connection is over, or what came is no SMTP.
        """
        while (reply := self._read()) is None:
            if self.ended:
                raise ConnectionResetError("the server hung up")
            await self._wait(seconds)
        return reply

    def _read(self) -> Reply | None:
        """Take one reply, which may have several lines (RFC 5321 section 4.2), when it is there whole."""
        words, start = [], 0
        while (end := self._buffer.find(b"\n", start)) >= 0:
            line, start = bytes(self._buffer[start:end]).rstrip(b"\r"), end + 1
            if not REPLY_LINE.match(line):
                self.close()
                raise ConnectionAbortedError(f"no SMTP reply: {line[:80]!r}")
            words.append(line[4:].decode("utf-8", "replace").strip())
            if line[3:4] != b"-":
                del self._buffer[:start]
                return Reply(int(line[:3]), "\n".join(words))
        return None

    async def _wait(self, seconds: float) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._waiting
        finally:
            self._waiting = None

    def _wake(self) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(None)

    def close(self) -> None:
        """End the connection."""
        self._over = True
        self._transport.close()
        self._wake()
