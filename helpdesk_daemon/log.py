"""The log: events named `noun.verb_past`, one line each, no bodies, addresses hashed unless debugging."""

from __future__ import annotations

import hashlib
import logging
import sys
from functools import lru_cache
from typing import Any

import structlog

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_clear = False


def setup(level: str = "info", form: str = "auto") -> None:
    """Configure the log of this process; it goes to standard error.

    Args:
        level: the least that is written.
        form: `pretty`, `json`, or `auto`: pretty on a terminal.
    """
    global _clear
    _clear = level == "debug"
    for chatty in (
        "imapclient",
        "flufl.bounce",
    ):  # they tell of every odd byte; defects are kept with the mail
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    pretty = form == "pretty" or (form == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer(pad_event_to=24) if pretty else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # as it is then: tests exchange it
        cache_logger_on_first_use=True,
    )


def get(stage: str) -> Any:
    """A logger whose lines name the stage."""
    return structlog.get_logger().bind(stage=stage)


@lru_cache(maxsize=4_096)
def who(address: str) -> str:
    """An address as the log may show it: whole when debugging, else a short digest that still compares."""
    if _clear or not address:
        return address
    return "addr-" + hashlib.sha256(address.lower().encode()).hexdigest()[:12]
