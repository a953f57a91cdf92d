"""A small HTTP server beside the stages: /metrics for Prometheus, /healthz for people, /livez for service managers.

Nothing it says names an address or a text: whoever may use this machine may ask it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from helpdesk_daemon import __version__, metrics
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.observing.alarms import ADVICE
from helpdesk_daemon.adapters.store.schema.columns import iso
from helpdesk_daemon.adapters.store.telling import health
from helpdesk_daemon.adapters.store.views import gauges
from helpdesk_daemon.adapters.store.views.figures import incident_rows
from helpdesk_daemon.errors import ConfigError, HelpdeskError
from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.log import get
from helpdesk_daemon.ports import Clock

PATIENCE = 5.0  # seconds a client may take to ask, and to read
LONGEST = 8_192  # octets of a request's head
AT_ONCE = 16  # connections; further ones are closed
TEXT, JSON, METRICS = "text/plain; charset=utf-8", "application/json", "text/plain; version=0.0.4; charset=utf-8"
REASONS = {
    200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip
Answer = tuple[int, str, bytes]  # status, content type, body


class Stored(Collector):
    """The gauges of the database, as Prometheus' library collects them."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Ask the database, in one transaction a scrape."""
        build = GaugeMetricFamily("helpdesk_build_info", "1, with the version that runs.", labels=["version"])
        build.add_metric([__version__], 1.0)
        yield build
        for gauge, samples in gauges.measured(self._engine, self._clock.now()):
            family = GaugeMetricFamily(gauge.name, gauge.help, labels=gauge.labels)
            for values, figure in samples:
                family.add_metric(values, figure)
            yield family


class Health:
    """Answers while it listens.

    Args:
        engine: the database, for looking only, so that no scrape makes mail wait.
        clock: tells the time.
        stuck: names of lanes that hang.
    """

    def __init__(self, engine: Engine, clock: Clock, stuck: Callable[[], list[str]]) -> None:
        self._engine, self._stuck, self._lane = engine, stuck, Lane("health")
        self._stored = CollectorRegistry()
        self._stored.register(Stored(engine, clock))
        self._routes: dict[str, Callable[[], Awaitable[Answer]]] = {
            "/metrics": self._metrics, "/healthz": self._healthz, "/livez": self._livez,
        }  # fmt: skip
        self._server: asyncio.Server | None = None
        self._loopback, self._open = True, 0
        self._log = get("health")

    async def listen(self, host: str, port: int) -> None:
        """Begin to answer.

        Raises:
            ConfigError: the port cannot be had.
        """
        self._loopback = is_loopback(host)
        try:
            self._server = await asyncio.start_server(self._serve, host, port, limit=LONGEST)
        except OSError as error:
            why = f"{host}:{port} cannot be listened on: {error.strerror or error}"
            raise ConfigError("settings", "health.port", why, "Name a free port, or 0 for none") from error

    async def close(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.close()
        self._lane.close()
        self._engine.dispose()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= AT_ONCE:
                async with asyncio.timeout(PATIENCE):
                    head = await _head(reader)
                answer = await self._answer(head)
                writer.write(written(answer, bare=head.startswith(b"HEAD ")))
                async with asyncio.timeout(PATIENCE):
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # the client left, or dawdles
        finally:
            self._open -= 1
            with contextlib.suppress(OSError):
                writer.close()

    async def _answer(self, head: bytes) -> Answer:
        """The answer to a request; never raises."""
        lines = head.decode("latin-1").split("\r\n")
        method, _, rest = lines[0].partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        hosts = [value.strip() for name, _, value in (line.partition(":") for line in lines) if name.lower() == "host"]
        if not rest:
            return _said(400, "This is no HTTP request.")
        if self._loopback and not all(is_loopback(_without_port(host)) for host in hosts):
            return _said(403, "Ask for 127.0.0.1 or localhost.")  # a web page that renamed us (DNS rebinding)
        if method not in ("GET", "HEAD"):
            return _said(405, "Only GET is understood.")
        if path not in self._routes:
            return _said(404, f"There are {', '.join(self._routes)}.")
        try:
            return await self._routes[path]()
        except HelpdeskError as error:
            return _said(503, str(error))
        except Exception as error:  # a bug here must not stop the mail
            self._log.error("health.failed", path=path, error=repr(error))
            return _said(500, "The log tells more.")

    async def _metrics(self) -> Answer:
        counted, stored = generate_latest(metrics.registry), await self._lane(generate_latest, self._stored)
        return 200, METRICS, counted + stored

    async def _livez(self) -> Answer:
        """Whether a restart is wanted: does the loop turn, and does no lane hang?"""
        stuck = self._stuck()
        return _said(503, f"Hangs: {', '.join(stuck)}") if stuck else _said(200, "ok")

    async def _healthz(self) -> Answer:
        """Whether a person is needed; 503 when something is wrong, which mail of a new kind is not."""
        found = await self._lane(self._look) | {"hanging": self._stuck()}
        urgent = [incident for incident in found["incidents"] if incident["name"] not in ADVICE]
        good = not (urgent or found["breaker"] or found["hanging"])
        body = json.dumps({"status": "ok" if good else "trouble"} | found, indent=2) + "\n"
        return 200 if good else 503, JSON, body.encode()

    def _look(self) -> dict[str, Any]:
        with transaction(self._engine) as connection:
            breaker, oldest = health.open_breaker(connection), health.oldest_pending(connection)
            polls = health.polls(connection).items()
            return {
                "version": __version__,
                "mailboxes": {
                    name: {
                        "last_success": iso(row.succeeded_at) if row.succeeded_at else None,
                        "failing": bool(row.last_error),
                    }
                    for name, row in polls
                },
                "oldest_pending": iso(oldest) if oldest else None,
                "breaker": {"opened_at": iso(breaker.opened_at)} if breaker else None,
                "incidents": [
                    {"name": row["name"], "opened_at": iso(row["opened_at"])} for row in incident_rows(connection)
                ],
            }


async def _head(reader: asyncio.StreamReader) -> bytes:
    """The head of a request; what is too long is cut, and then no request."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        return b""


def _said(status: int, words: str) -> Answer:
    return status, TEXT, f"{words}\n".encode()


def written(answer: Answer, bare: bool = False) -> bytes:
    """An answer as it goes over the wire (RFC 9112), without its body where only the head was asked for."""
    status, kind, body = answer
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (b"" if bare else body)


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _without_port(host: str) -> str:
    """`[::1]:9464` to `::1`, `localhost:9464` to `localhost`."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
