"""The web server as one more stage of the daemon's loop, or alone beside it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import uvicorn

from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.log import get
from helpdesk_daemon.web.app import build

if TYPE_CHECKING:
    from helpdesk_daemon.web.services import Services

# Seconds after which a thread that computes lets another one go on. SQLite's driver gives the interpreter away at every
# row and must get it back: at Python's own 5 ms pages took more than twice as long while mail was decided.
SWITCH = 0.0005
MOST_AT_ONCE = 200  # connections; further ones are told to come back


class _Server(uvicorn.Server):
    """Leaves signals to the daemon."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install nothing."""
        yield


class Web:
    """Serves until it is told to stop.

    Args:
        services: what the API and the pages work with.
        host: address to listen at.
        port: 0 for any that is free.
        proxies: whose X-Forwarded-For is believed.

    Raises:
        ConfigError: the address cannot be listened at.
    """

    def __init__(self, services: Services, host: str, port: int, proxies: list[str]) -> None:
        self._services, self._log = services, get("web")
        self._socket = _listen(host, port)
        self.app = build(services)
        config = uvicorn.Config(
            self.app, log_config=None, access_log=False, lifespan="off", server_header=False, ws="none",
            proxy_headers=bool(proxies), forwarded_allow_ips=proxies, limit_concurrency=MOST_AT_ONCE,
            timeout_keep_alive=10, timeout_graceful_shutdown=3, h11_max_incomplete_event_size=32_768,
        )  # fmt: skip
        self._server = _Server(config)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port where it listens."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    async def run(self) -> None:
        """Serve."""
        host, port = self.address
        sys.setswitchinterval(SWITCH)
        self._log.info("web.started", url=f"http://{host}:{port}")
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        """End after the requests in hand, three seconds at most."""
        self._server.should_exit = True
        self._services.live.close()

    async def close(self) -> None:
        """Free the address and the threads."""
        self._socket.close()
        await self._services.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, number, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, number)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(place)
        made.listen(MOST_AT_ONCE)
    except OSError as error:
        problem = f"{host}:{port} cannot be listened at: {error.strerror or error}"
        raise ConfigError("settings", "web.port", problem, "Name a free port, or stop what uses it") from error
    made.setblocking(False)
    return made


async def serve(web: Web) -> None:
    """Serve alone, until SIGTERM or SIGINT."""
    import signal

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, web.stop)
    try:
        await web.run()
    finally:
        await web.close()
