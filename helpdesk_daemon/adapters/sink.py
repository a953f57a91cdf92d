"""A small SMTP server on loopback that files what it gets in Maildirs; for the demo and for trying out."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

from helpdesk_daemon.adapters.maildir import deliver


class _Filing:
    """Files each mail under each of its recipients."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  aiosmtpd's name
        head = f"Return-Path: <{(envelope.mail_from or '').strip('<>')}>\r\n".encode("utf-8", "replace")
        for recipient in envelope.rcpt_tos:
            name = re.sub(r"[^A-Za-z0-9@._+-]", "_", recipient).strip(".") or "nobody"
            deliver(self._folder / name, head + (envelope.original_content or envelope.content))
        return "250 filed"


class MaildirSink:
    """The server, on a free port, while the `with` block runs.

    Args:
        folder: gets one Maildir a recipient.
    """

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._controller = Controller(_Filing(folder), hostname="127.0.0.1", port=self.port)

    def __enter__(self) -> MaildirSink:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()
