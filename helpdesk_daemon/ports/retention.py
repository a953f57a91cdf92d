"""The door to what grows old in the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol


class RetentionStore(Protocol):
    """What may be forgotten; each call is one transaction, and any may raise StoreError."""

    def forget(self, what: str, before: datetime, limit: int) -> int:
        """Forget some of one kind that is older than a moment.

        Args:
            what: `raw`, `bodies`, `attachments` or `audit`.
            before: what is as young as this stays.
            limit: rows at a time.

        Returns:
            How many rows were dealt with; 0 when nothing is left to do.
        """

    def note(self, forgotten: Mapping[str, int]) -> None:
        """Write down in the audit log how much was forgotten, by kind."""
