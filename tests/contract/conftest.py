"""Fixtures that several suites share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.rows import Database


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    """A fresh database file, brought to the newest schema."""
    database = Database(tmp_path / "helpdesk.db")
    yield database
    database.engine.dispose()
