"""Tell systemd how the service fares: sd_notify(3) in a few lines."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Mapping

Notify = Callable[[str], None]
MICRO = 1e-6


def notifier(environment: Mapping[str, str] = os.environ) -> Notify:
    """What sends a state such as `READY=1` to the service manager; does nothing where there is none."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return lambda state: None
    if address.startswith("@"):
        address = "\0" + address[1:]

    def notify(state: str) -> None:
        # A manager that went away must not stop the mail.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.connect(address)
            out.send(state.encode())

    return notify


def watchdog_seconds(environment: Mapping[str, str] = os.environ) -> float | None:
    """Within how many seconds systemd wants a sign of life; None when it wants none of this process."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        return int(environment["WATCHDOG_USEC"]) * MICRO or None
    except (KeyError, ValueError):
        return None
