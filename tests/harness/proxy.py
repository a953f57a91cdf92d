"""A TCP proxy on loopback that can cut or freeze the connections through it."""

from __future__ import annotations

import asyncio
import contextlib
import threading


class Proxy:
    """Passes bytes to a port of this machine while the `with` block runs.

    Attributes:
        cut_after: connections are cut once this many bytes came back from the server; 0 for never.
        frozen: nothing passes and nothing is closed, as when a router forgets a connection.
        accepted: connections so far.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self.cut_after = 0
        self.frozen = False
        self.accepted = 0
        self.port = 0

    def __enter__(self) -> Proxy:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main(ready)), daemon=True)
        self._thread.start()
        ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _main(self, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stop.wait()
        server.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        with contextlib.suppress(ConnectionError):
            await asyncio.wait(
                [
                    asyncio.create_task(self._pass(reader, there_writer, False)),
                    asyncio.create_task(self._pass(there_reader, writer, True)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        for end in (writer, there_writer):
            end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: bool) -> None:
        passed = 0
        while data := await reader.read(4096):
            while self.frozen:  # noqa: ASYNC110  set from another thread
                await asyncio.sleep(0.05)
            passed += len(data)
            if back and self.cut_after and passed > self.cut_after:
                self.cut_after = 0
                return
            writer.write(data)
            await writer.drain()
