"""Pages from templates; what they show is escaped unless a template says otherwise, and none does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from helpdesk_daemon.web.words import FILTERS

HERE = Path(__file__).parent


def when(at: datetime) -> str:
    """A moment as people read it."""
    return at.astimezone(UTC).strftime("%-d %B %Y, %H:%M UTC")


def machine(at: datetime) -> str:
    """A moment as `<time datetime>` wants it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


SPANS = ((86_400 * 365, "y"), (86_400 * 30, "mo"), (86_400, "d"), (3_600, "h"), (60, "min"))


def away(at: datetime, now: datetime) -> str:
    """How far off a moment is, in one unit: `3 h ago`, `in 2 d`."""
    seconds = (at - now).total_seconds()
    size, unit = next(((abs(seconds) // span, name) for span, name in SPANS if abs(seconds) >= span), (0, ""))
    if not unit:
        return "just now" if seconds <= 0 else "in a minute"
    return f"in {size:.0f} {unit}" if seconds > 0 else f"{size:.0f} {unit} ago"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    found.filters |= {"when": when, "machine": machine, "away": away, **FILTERS}
    return found


def fill(name: str, values: Mapping[str, Any]) -> str:
    """A part of a page as HTML."""
    return _environment().get_template(name).render(values)


def render(
    request: Request, name: str, values: Mapping[str, Any], status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    """Fill a page."""
    brand = request.app.state.services.name
    html = _environment().get_template(name).render({"brand": brand, "path": request.url.path, **values})
    return HTMLResponse(html, status, dict(headers or {}))
