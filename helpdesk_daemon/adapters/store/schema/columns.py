"""Types of columns. Times are ISO 8601 UTC text, so that any SQLite tool reads them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache

from sqlalchemy import (
    Dialect,
    MetaData,
    String,
    Text,
    TypeDecorator,
)


@lru_cache(maxsize=1_024)  # a commit writes the same few moments many times
def iso(at: datetime) -> str:
    """A moment as text that sorts as it compares: `2026-11-22T14:46:00.123Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def read_iso(value: str) -> datetime:
    """The moment that `iso` wrote."""
    return datetime.fromisoformat(value)


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime, kept as ISO 8601 text."""

    impl = String(24)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """To text."""
        return iso(value) if value is not None else None

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """From text."""
        return read_iso(value) if value is not None else None


class Words(TypeDecorator[tuple[str, ...]]):
    """Several words, kept as a JSON list."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str:
        """To text."""
        return json.dumps(value or (), ensure_ascii=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...]:
        """From text."""
        return tuple(json.loads(value or "[]"))


metadata = MetaData()
