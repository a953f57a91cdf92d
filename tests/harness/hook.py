"""An HTTP server that takes what a webhook posts, and misbehaves when told to."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.harness.dovecot import free_port


class Hook:
    """The server while the `with` block runs; `stop` and `start` take it down and bring it back on the same port.

    Attributes:
        posts: JSON documents it took, in order.
        raw: their bytes and header fields.
        answer: status it answers with; anything but 200 is not kept.
        headers: further header fields of its answers.
        hang: set to make it wait, without an answer, until cleared.
        asked: requests that came, taken or not.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self._certificate = certificate
        self.posts: list[dict[str, Any]] = []
        self.raw: list[tuple[bytes, dict[str, str]]] = []
        self.answer, self.headers, self.asked = 200, dict[str, str](), 0
        self.hang, self.go_on = False, threading.Event()
        self.port = free_port()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self._certificate else 'http'}://127.0.0.1:{self.port}/hooks/secret-word"

    def start(self) -> None:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.asked += 1
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if hook.hang:
                    hook.go_on.wait(20)
                    return
                if hook.answer == 200:
                    hook.raw.append((body, dict(self.headers.items())))
                    hook.posts.append(json.loads(body))
                self.send_response(hook.answer)
                for name, value in hook.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"so be it\n" * 10_000)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        if self._certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.go_on.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Hook:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
