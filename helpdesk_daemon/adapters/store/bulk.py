"""Many values at once: in lists that one statement may hold, and in rows at a fraction of the usual cost.

SQLAlchemy prepares the values of an `executemany` row by row, which was a fifth of all Python time of a busy daemon.
The statement and the types' processors are still its own; only the walk over the rows is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Dialect, Table, insert

Row = Mapping[str, Any]
T = TypeVar("T")
CHUNK = 500  # values in one IN (...) list


def chunks(values: Iterable[T]) -> Iterator[list[T]]:
    """Different values in lists that are short enough for one IN (...)."""
    unique = list(dict.fromkeys(values))
    return (unique[start : start + CHUNK] for start in range(0, len(unique), CHUNK))


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows that all have the same columns; scalar defaults fill the columns they leave out."""
    if rows:
        sql, prepare = _plan(table, tuple(rows[0]), connection.dialect)
        connection.exec_driver_sql(sql, [prepare(row) for row in rows])


@lru_cache(maxsize=32)
def _plan(table: Table, given: tuple[str, ...], dialect: Dialect) -> tuple[str, Callable[[Row], tuple[Any, ...]]]:
    """The statement, and what turns a row into its parameters, in order."""
    columns: Any = table.c
    defaults = {c.name: c.default.arg for c in columns if c.default is not None and c.default.is_scalar}
    names = [*given, *(name for name in defaults if name not in given)]
    compiled: Any = insert(table).compile(dialect=dialect, column_keys=names)
    order: list[str] = list(compiled.positiontup)
    processors = [table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in order]
    pairs = list(zip(order, processors, strict=True))

    def prepare(row: Row) -> tuple[Any, ...]:
        values = {**defaults, **row}
        return tuple(process(values[name]) if process else values[name] for name, process in pairs)

    return str(compiled), prepare
