"""What the pages of the console share: who may, which page of a list, and where a form leads."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.web.shapes import NO_CONTROLS
from helpdesk_daemon.web.visitor import Visitor, signed_in

Viewer = Annotated[Visitor, Depends(signed_in("viewer"))]
Agent = Annotated[Visitor, Depends(signed_in("agent"))]
Admin = Annotated[Visitor, Depends(signed_in("admin"))]
Word = Annotated[str, Query(max_length=200, pattern=NO_CONTROLS)]
Number = Annotated[int, Query(ge=0, le=2**62)]
PAGE = 50  # rows of a list
TEXT = 20_000  # characters of a mail that a page shows
DONE = {
    "corrected": "The category is corrected. Later mail is sorted by it.",
    "rerouted": "The ticket moved. Its new department gets the conversation.",
    "closed": "The ticket is closed. Nobody was told.", "reopened": "The ticket is open again.",
    "forwarded": "The conversation goes to the department once more.",
    "acknowledged": "The customer is acknowledged once more.",
    "held": "Outgoing mail is held. Only alerts leave.", "released": "Held mail leaves within a minute.",
    "retried": "It is tried again within a minute.", "dropped": "It will not be sent. It stays here, as dropped.",
    "nothing": "Nothing was changed: it was not in a state for this.",
    "unsuppressed": "The address is acknowledged again.", "added": "The account is made.", "changed": "It is changed.",
    "removed": "The account is ended, and signed out.",
    "password": "The password is changed. Whoever used the old one is signed out.",
    "example": "The example votes from the next mail on.", "known": "This text has a label already.",
    "withdrawn": "They vote no more.", "restored": "They vote again.",
    "importing": "The file is being imported. This page shows how far it is.",
    "saved": "The rules are saved. They hold from the next decision on.",
}  # fmt: skip


def done(path: str, word: str) -> Response:
    """On to a page that says what was done."""
    return RedirectResponse(f"{path}{'&' if '?' in path else '?'}done={word}", 303)


def said(request: Request) -> str:
    """What the page before has done, in words; empty when nothing."""
    return DONE.get(request.query_params.get("done", ""), "")


def further(request: Request, **changes: object) -> str:
    """The present page under another query; empty values go."""
    kept = {k: v for k, v in request.query_params.items() if k != "done"} | changes
    query = urlencode({k: v for k, v in kept.items() if v not in ("", None, 0)})
    return f"{request.url.path}?{query}" if query else request.url.path


def split(rows: Sequence[Any], place: Callable[[Any], object]) -> tuple[Sequence[Any], object]:
    """The rows of one page, of one row more than it has; and where the next page begins, None on the last."""
    return rows[:PAGE], place(rows[PAGE - 1]) if len(rows) > PAGE else None


def moment(word: str, end: bool = False) -> datetime | None:
    """A day or a moment of a query; of a day, its beginning, or its end; None for what is neither."""
    with contextlib.suppress(ValueError, OverflowError):
        at = datetime.fromisoformat(word)
        at = at + timedelta(days=1) if end and len(word) == 10 else at
        if 1970 <= at.year < 9_999:
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    return None


def read_mail(raw: bytes) -> Mapping[str, Any]:
    """A mail as a page shows it."""
    message = parse(raw)
    return {
        "headers": list(message.headers)[:60], "text": message.text[:TEXT], "cut": len(message.text) > TEXT,
        "files": [a.name for a in message.attachments], "html": bool(message.html), "defects": list(message.defects),
    }  # fmt: skip
