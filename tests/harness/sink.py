"""SMTP servers for tests: a light one in a process of its own that keeps what it gets, and one that misbehaves."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Self

# What a fault does, at which moment of the session.
FAULTS = ("mail", "rcpt", "data", "half", "dot", "after-dot")


@dataclass(slots=True)
class Mail:
    """One mail as it came over the wire."""

    sender: str
    recipient: str
    content: bytes = field(repr=False)
    at: float = 0.0

    @property
    def message(self) -> Message:
        return message_from_bytes(self.content)


class Sink:
    """A small SMTP server on a thread; accepts everything unless told otherwise.

    Attributes:
        mails: what was accepted, in order.
        refused: recipients answered with 550.
        pipelining: whether commands may come together (RFC 2920); they may in any case.
        fault: called with (moment, number of this transaction); returns None, a reply line, or
            `drop` to hang up. Moments: mail, rcpt, data, half (in the middle of the content), dot
            (before accepting) and after-dot (accepted, but the answer is never sent).
    """

    pipelining = True

    def __init__(self, size: int = 0, fault: Callable[[str, int], str | None] | None = None, port: int = 0) -> None:
        self.mails: list[Mail] = []
        self.fault = fault or (lambda moment, number: None)
        self.refused: set[str] = set()
        self.sessions = 0
        self._size, self._number = size, 0
        self._wanted_port = port
        self.port = 0

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _serve(self, ready: threading.Event) -> None:
        async def main() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            server = await asyncio.start_server(self._session, "127.0.0.1", self._wanted_port, limit=2**26)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            await self._stop.wait()
            server.close()

        asyncio.run(main())

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions += 1
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")

        say("220 sink ESMTP")
        sender = recipient = expected = ""
        while line := (await reader.readline()).decode("latin-1"):
            verb, _, rest = line.strip().partition(" ")
            verb = verb.upper()
            if verb == "EHLO":
                say("250-sink")
                say("250-8BITMIME")
                if self.pipelining:
                    say("250-PIPELINING")
                say(f"250-SIZE {self._size}" if self._size else "250-SIZE")
                say("250 DSN")
                continue
            moment = {"MAIL": "mail", "RCPT": "rcpt", "DATA": "data"}.get(verb)
            if verb == "MAIL":
                self._number += 1
                expected = "MAIL"
            elif verb in ("RCPT", "DATA") and verb != expected:
                say("503 bad sequence of commands")
                continue
            number = self._number
            said = self.fault(moment, number) if moment else None
            if said == "drop":
                return
            if said:
                say(said)
                continue
            if verb == "MAIL":
                sender, expected = rest.partition("<")[2].partition(">")[0], "RCPT"
                say("250 ok")
            elif verb == "RCPT":
                recipient = rest.partition("<")[2].partition(">")[0]
                expected = "RCPT" if recipient in self.refused else "DATA"
                say("550 no such mailbox" if recipient in self.refused else "250 ok")
            elif verb == "DATA":
                say("354 go on")
                if self.fault("half", number) == "drop":
                    await reader.read(100)
                    return
                content = await reader.readuntil(b"\r\n.\r\n")
                said = self.fault("dot", number)
                if said == "drop":
                    return
                if said:
                    say(said)
                    continue
                clean = content[:-3].replace(b"\r\n..", b"\r\n.")
                self.mails.append(Mail(sender, recipient, clean, time.time()))
                if self.fault("after-dot", number) == "drop":
                    return
                say("250 kept")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")


class _Light(asyncio.Protocol):
    """As little SMTP as a sender needs, at a fraction of a millisecond a mail."""

    kept: list[tuple[float, str, bytes]] = []  # noqa: RUF012  one server a process

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.buffer, self.in_data, self.recipient = b"", False, ""
        self.transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            if self.in_data:
                if not (self.buffer.startswith(b".\r\n") or b"\r\n.\r\n" in self.buffer):
                    return
                content, _, self.buffer = self.buffer.partition(b"\r\n.\r\n")
                head = content.partition(b"\r\n\r\n")[0]
                self.kept.append((time.time(), self.recipient, head))
                self.in_data = False
                self.transport.write(b"250 kept\r\n")
                continue
            line, found, rest = self.buffer.partition(b"\r\n")
            if not found:
                return
            self.buffer = rest
            verb = line[:4].upper()
            if verb == b"DATA":
                self.in_data = True
                self.transport.write(b"354 go on\r\n")
            elif verb == b"QUIT":
                self.transport.write(b"221 bye\r\n")
                self.transport.close()
                return
            else:
                if verb == b"RCPT":
                    self.recipient = line.partition(b"<")[2].partition(b">")[0].decode("latin-1")
                greeting = b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
                self.transport.write(greeting if verb == b"EHLO" else b"250 ok\r\n")


def _light_process(port: int, out: str) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(_Light, "127.0.0.1", port)
        async with server:
            await server.serve_forever()

    import signal

    def write(*_: object) -> None:
        rows = [[at, to, head.decode("latin-1")] for at, to, head in _Light.kept]
        Path(out).write_text(json.dumps(rows))
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, write)
    asyncio.run(main())


class LightSink:
    """A sink in a process of its own that keeps times and header blocks, for measuring.

    Attributes:
        rows: after the block: (time, recipient, header block) of each mail.
    """

    def __init__(self, folder: Path) -> None:
        self._out = folder / "sink.json"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.rows: list[tuple[float, str, str]] = []

    def __enter__(self) -> LightSink:
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_light_process, args=(self.port, str(self._out)), daemon=True)
        self._process.start()
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join(10)
        self.rows = [tuple(row) for row in json.loads(self._out.read_text())]
