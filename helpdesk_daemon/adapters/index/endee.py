"""A client of the Endee vector database that trusts neither the server nor itself.

What would freeze the server (a wrong dimension, NaN) is refused before anything is sent. Every call has a deadline,
and every answer a size, whatever the other side does.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
import numpy as np

from helpdesk_daemon.adapters.index.endee_wire import V1, V2, Described, Hit, Request, Wire
from helpdesk_daemon.errors import HelpdeskError, PermanentError, SignInError, TransientError, Unreachable
from helpdesk_daemon.triage.vote import Vectors

IDLE_SECONDS = 4.0  # the server hangs up after six
LARGEST_ANSWER = 16_000_000  # bytes
DIMENSIONS = range(2, 16_385)
SAFE = re.compile(r"[A-Za-z0-9_]{1,48}")  # names and ids go into paths, which v1 does not percent-decode
LENGTH_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Server:
    """Where an index is and how patient we are.

    Attributes:
        url: `http://host:port`, without a path.
        name: of the index.
        token: read anew for each connection; an empty one is not sent.
        read_seconds: for a whole search, all its queries together.
        write_seconds: for one call that writes.
        ef: candidates a search looks at, at most 1024.
    """

    url: str
    name: str
    token: Callable[[], str] = str
    read_seconds: float = 2.0
    write_seconds: float = 60.0
    ef: int = 512


class Endee:
    """One index on one server. Blocking; one thread at a time.

    Attributes:
        connections: how often a connection was made; a server that was restarted shows in it.
        wire: the generation the server speaks; None before `connect`.
    """

    def __init__(self, server: Server) -> None:
        self.server, self.connections = server, 0
        self.wire: Wire | None = None
        self._ended = False
        self.dimension = 0
        self._socket: socket.socket | None = None
        self._client = httpx2.Client(
            base_url=server.url,
            limits=httpx2.Limits(max_connections=1, keepalive_expiry=IDLE_SECONDS),
            headers={"Accept-Encoding": "identity"},
            trust_env=False,
        )

    def connect(self) -> Wire:
        """Find out which generation the server speaks, now.

        Raises:
            HelpdeskError: it cannot be reached, refuses the token, or is no Endee.
        """
        self.wire = None
        until = self._within(self.server.read_seconds)
        for wire in (V2(), V1()):
            status, answer = self._send(wire.health(), until)
            if status == 200 and b'"ok"' in answer:
                self.wire = wire
                return wire
            if status != 404:
                raise _refused(status, answer)
        raise PermanentError(f"{self.server.url} answers, but neither /api/v2/health nor /api/v1/health is Endee's")

    def describe(self, until: float | None = None) -> Described | None:
        """What the server says about the index; None when it has none of this name.

        Args:
            until: on the monotonic clock; the server's `read_seconds` from now when None.
        """
        until = until or self._within(self.server.read_seconds)
        answers = []
        for request in self._wire.describe(self.server.name):
            status, answer = self._send(request, until)
            if status == 404:
                return None
            answers.append(_good(status, answer))
        found = self._wire.described(self.server.name, answers)
        self.dimension = found.dimension
        return found

    def create(self, dimension: int) -> None:
        """Make the index.

        Raises:
            PermanentError: there is one of this name, or no server takes such a dimension.
        """
        if dimension not in DIMENSIONS:
            raise PermanentError(f"Endee takes 2 to {DIMENSIONS[-1]} dimensions, not {dimension}")
        self._write(self._wire.create(self.server.name, dimension))
        self.dimension = dimension

    def drop(self) -> None:
        """Delete the index with all it holds; nothing happens when there is none."""
        self._write(self._wire.drop(self.server.name), gone=True)
        self.dimension = 0

    def upsert(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Insert vectors, or replace those of the same ids.

        Args:
            ids: n different ids of letters, digits and underscores.
            vectors: shape (n, d), float32, L2-normalised rows.

        Raises:
            ValueError: the vectors would harm the server; nothing was sent.
        """
        if len(set(ids)) != len(ids) or len(ids) != len(vectors):
            raise ValueError(f"{len(ids)} ids, {len(set(ids))} of them different, for {len(vectors)} vectors")
        self._check(vectors)
        self._write(self._wire.upsert(self.server.name, [_safe(i) for i in ids], vectors))

    def delete(self, id_: str) -> None:
        """Delete one vector; nothing happens when there is none of this id."""
        self._write(self._wire.delete(self.server.name, _safe(id_)), gone=True)

    def search(self, queries: Vectors, k: int, until: float | None = None) -> list[list[Hit]]:
        """What the server says are the k nearest of each query, in its order.

        Args:
            queries: shape (n, d), float32, L2-normalised rows.
            k: 1 to 4096.
            until: on the monotonic clock; the server's `read_seconds` from now when None.

        Raises:
            ValueError: the queries would bring garbage; nothing was sent.
            HelpdeskError: no answer to all of them in time, or one that cannot be read.
        """
        self._check(queries)
        until = until or self._within(self.server.read_seconds)
        found = []
        for query in queries:
            request = self._wire.search(self.server.name, query, k, max(self.server.ef, k))
            found.append(self._wire.hits(_good(*self._send(request, until))))
        return found

    def abort(self) -> None:
        """End the call that another thread waits in, for good."""
        self._ended = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    @property
    def _wire(self) -> Wire:
        return self.wire or self.connect()

    def _check(self, vectors: Vectors) -> None:
        """The server checks none of this: a wrong dimension freezes it, and NaN ranks first."""
        if vectors.ndim != 2 or (len(vectors) and vectors.shape[1] != self.dimension):
            raise ValueError(f"vectors of shape {vectors.shape} for an index of {self.dimension} dimensions")
        lengths = np.linalg.norm(vectors, axis=1)
        if not np.all(np.abs(lengths - 1.0) < LENGTH_TOLERANCE):  # false also for NaN and infinity
            raise ValueError("vectors that are not of length one")

    def _write(self, request: Request, gone: bool = False) -> None:
        status, answer = self._send(request, self._within(self.server.write_seconds))
        if not (gone and status == 404):
            _good(status, answer)

    @staticmethod
    def _within(seconds: float) -> float:
        return time.monotonic() + seconds

    def _send(self, request: Request, until: float) -> tuple[int, bytes]:
        """Status and body; tried a second time when the connection turns out to have been closed meanwhile."""
        made = self.connections
        try:
            return self._once(request, until)
        except Unreachable:
            if self._ended or made == 0 or self.connections > made:
                raise  # by ourselves, or on a fresh connection
            return self._once(request, until)

    def _once(self, request: Request, until: float) -> tuple[int, bytes]:
        headers = {"Content-Type": request.content_type} if request.content_type else {}
        if token := self.server.token():
            headers["Authorization"] = token
        try:
            with self._client.stream(
                request.method, request.path, content=request.body or None, headers=headers,
                timeout=_left(until), extensions={"trace": self._trace},
            ) as response:  # fmt: skip
                return response.status_code, _body(response, until)
        except httpx2.TimeoutException as error:
            raise TransientError(f"Endee at {self.server.url} did not answer in time") from error
        except (httpx2.TransportError, httpx2.StreamError) as error:
            raise Unreachable(
                f"Endee at {self.server.url} cannot be reached: {error or type(error).__name__}"
            ) from error

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            self.connections += 1
            self._socket = info["return_value"].get_extra_info("socket")


def _body(response: httpx2.Response, until: float) -> bytes:
    """All of an answer, unless it takes too long or has no end."""
    parts, size = [], 0
    for part in response.iter_raw():
        size += len(part)
        if size > LARGEST_ANSWER:
            raise PermanentError(f"Endee's answer is longer than {LARGEST_ANSWER} bytes")
        parts.append(part)
        _left(until)
    return b"".join(parts)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TransientError("Endee did not answer in time")
    return left


def _good(status: int, answer: bytes) -> bytes:
    if status not in (200, 201):
        raise _refused(status, answer)
    return answer


def _refused(status: int, answer: bytes) -> HelpdeskError:
    """A refusal by what the caller can do about it."""
    words = answer[:200].decode("utf-8", "replace").strip()
    if status in (401, 403):
        return SignInError(f"Endee refused the token ({status}): {words}")
    if status >= 500 or status == 429:
        return TransientError(f"Endee failed ({status}): {words}")
    return PermanentError(f"Endee refused ({status}): {words}")


def _safe(id_: str) -> str:
    if not SAFE.fullmatch(id_):
        raise ValueError(f"{id_!r} cannot be an id")
    return id_
