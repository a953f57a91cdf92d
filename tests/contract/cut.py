"""A wire between a client and a server on loopback that can be cut, now or in the middle of an answer."""

from __future__ import annotations

import contextlib
import socket
import threading


class Wire:
    """Forwards connections to a port while the `with` block runs.

    Attributes:
        port: where clients connect.
        connections: how many came.
        left: bytes that the server may still say before the wire breaks; None for no limit.
        whole: while False, new connections are closed at once.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.connections, self.whole = 0, True
        self.left: int | None = None
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Wire:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def cut(self) -> None:
        """Break every connection that is open."""
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.clear()

    def say(self, words: bytes) -> None:
        """Put words into the server's mouth, then break every connection that is open."""
        for client in self._open[::2]:
            with contextlib.suppress(OSError):
                client.sendall(words)
        self.cut()

    def _start(self, work: object, *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)  # type: ignore[arg-type]
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self.connections += 1
                if not self.whole:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._target), 10)
                server.settimeout(None)
                self._open += [client, server]
                self._start(self._carry, client, server, False)
                self._start(self._carry, server, client, True)

    def _carry(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while words := source.recv(4096):
                if answers and self.left is not None:
                    words, self.left = words[: self.left], self.left - len(words)
                    target.sendall(words)
                    if self.left <= 0:
                        self.left = None
                        break
                else:
                    target.sendall(words)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
