"""A server on a thread that behaves as Endee was seen to behave, and can be made to fail in every way.

With recorded exchanges at hand, a recorded request is answered as it was recorded.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable

from tests.harness.endee_behaviour import Answer, Asked, Behaviour

Fault = Callable[[Asked], str | Answer | None]


class EndeeServer(Behaviour):
    """The server, on a thread; see `Behaviour`.

    Args:
        generation: 1 or 2.
        token: asked for where one is needed; an empty one leaves v1 open.
        recall: share of the true neighbours that a search finds.
        recorded: (request, answer) pairs that win over behaviour, each request's answers in order.

    Attributes:
        fault: called with each request; returns None, an Answer, `hang`, `drop`, `trickle` or `garbage`.
        asked: every request.
    """

    def __init__(
        self, generation: int = 1, token: str = "secret", recall: float = 1.0,
        recorded: Iterable[tuple[Asked, Answer]] = (), port: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(generation, token, recall)
        self.port = port
        self.fault: Fault = lambda asked: None
        self.asked: list[Asked] = []
        self._recorded: dict[tuple[str, str, str, str, bytes], deque[Answer]] = defaultdict(deque)
        for asked, answer in recorded:
            self._recorded[self._key(asked)].append(answer)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> EndeeServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, on the same port as before."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)

    def stop(self) -> None:
        """Stop listening and hang up on everybody."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)

    def kill(self) -> None:
        """As by SIGKILL: the graph since the last save is gone, the objects on disk are not."""
        self.stop()
        self.frozen = False
        for index in self.indexes.values():
            index.leaks = 0
            index.ghosts = set(index.objects) - index.saved
            index.ids = None

    def save(self) -> None:
        """As a clean shutdown or ten thousand updates do."""
        for index in self.indexes.values():
            index.saved = set(index.objects) - index.ghosts

    def answer(self, asked: Asked) -> Answer:
        """As recorded, else as it behaves; public, so that a test can ask without a socket."""
        if kept := self._recorded.get(self._key(asked)):
            return kept.popleft() if len(kept) > 1 else kept[0]
        return super().answer(asked)

    @staticmethod
    def _key(asked: Asked) -> tuple[str, str, str, str, bytes]:
        kinds = (asked.headers.get("authorization", ""), asked.headers.get("content-type", ""))
        return (asked.method, asked.path, *kinds, asked.body)

    def _serve(self, ready: threading.Event) -> None:
        async def main() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            server = await asyncio.start_server(self._session, "127.0.0.1", self.port, limit=2**26)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            await self._stop.wait()
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        asyncio.run(main())

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; False when the connection is to end."""
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        method, _, rest = first.partition(" ")
        path = rest.rpartition(" HTTP/")[0]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        asked = Asked(method, path, headers, body)
        self.asked.append(asked)
        answer = self.fault(asked) or self.answer(asked)
        if answer == "drop":
            return False
        if answer == "garbage":
            writer.write(b"\x00\xff\x00garbage, no HTTP at all\r\n\r\n" * 20)
            return False
        if answer == "trickle":
            writer.write(b"HTTP/1.1 200 x\r\nContent-Length: 100000\r\n\r\n")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)  # a quarter of an hour in all
        if self.frozen or answer == "hang":
            await asyncio.sleep(3_600)
        assert isinstance(answer, Answer)
        kind = f"Content-Type: {answer.content_type}\r\n" if answer.content_type else ""
        head = f"HTTP/1.1 {answer.status} x\r\n{kind}Content-Length: {len(answer.body)}\r\nServer: Crow/master\r\n\r\n"
        writer.write(head.encode() + answer.body)
        await writer.drain()
        return True
