"""The migrations run once a process; what they made of a new file is what every later new file is made of.

A suite opens some 900 new databases, and alembic takes a tenth of a second for each.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


@contextmanager
def remembered() -> Iterator[None]:
    """Within it, an upgrade of an empty database runs the statements that the first such upgrade led to."""
    upgrade = command.upgrade
    statements: list[str] = []

    def quick(config: Config, revision: str) -> None:
        connection: Connection = config.attributes["connection"]
        raw: Any = connection.connection.driver_connection
        empty = revision == "head" and raw.execute("select count(*) from sqlite_master").fetchone() == (0,)
        if empty and statements:
            for statement in statements:
                connection.exec_driver_sql(statement)
            return
        upgrade(config, revision)
        if empty:
            statements.extend(made_of(raw))

    with patch.object(command, "upgrade", quick):
        yield


def made_of(raw: sqlite3.Connection) -> list[str]:
    """The statements that make a database anew, without those that begin and end a transaction."""
    return [s for s in raw.iterdump() if s not in ("BEGIN TRANSACTION;", "COMMIT;")]
