"""Labelled examples and their vectors: the truth of which every vector index is a copy."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from sqlalchemy import Engine, bindparam, select, update
from sqlalchemy.dialects.sqlite import insert

from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.schema.labels import example_changes, examples
from helpdesk_daemon.ports import Clock, Example, Revision


def digest_of(category: str, text: str) -> str:
    """What makes a label of a text unique."""
    return hashlib.sha256(f"{category}\0{text}".encode("utf-8", "replace")).hexdigest()


class Examples:
    """`ExampleStore` on the database."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    def active(self) -> list[Example]:
        """See `ExampleStore.active`."""
        with transaction(self._engine) as connection:
            rows = connection.execute(
                select(examples.c.id, examples.c.text, examples.c.category, examples.c.source, examples.c.ticket)
                .where(examples.c.active)
                .order_by(examples.c.id)
            ).all()
        return [Example(row.id, row.text, row.category, row.source, row.ticket) for row in rows]

    def revision(self) -> Revision:
        """See `ExampleStore.revision`."""
        with transaction(self._engine) as connection:
            row = connection.execute(select(example_changes.c.latest, example_changes.c.deleted)).one()
        return Revision(row.latest, row.deleted)

    def changed(self, since: int) -> tuple[list[Example], list[int]]:
        """See `ExampleStore.changed`."""
        columns = examples.c.id, examples.c.text, examples.c.category, examples.c.source, examples.c.ticket
        with transaction(self._engine) as connection:
            rows = connection.execute(
                select(*columns, examples.c.active).where(examples.c.changed > since).order_by(examples.c.id)
            ).all()
        active = [Example(r.id, r.text, r.category, r.source, r.ticket) for r in rows if r.active]
        return active, [r.id for r in rows if not r.active]

    def vectors(self, model: str, since: int = -1) -> dict[int, bytes]:
        """See `ExampleStore.vectors`."""
        wanted = examples.c.active, examples.c.model == model, examples.c.vector.is_not(None)
        with transaction(self._engine) as connection:
            rows = connection.execute(
                select(examples.c.id, examples.c.vector).where(*wanted, examples.c.changed > since)
            ).all()
        return {row.id: row.vector for row in rows}

    def save_vectors(self, model: str, vectors: Mapping[int, bytes]) -> None:
        """See `ExampleStore.save_vectors`."""
        if not vectors:
            return
        with transaction(self._engine) as connection:
            connection.execute(
                update(examples).where(examples.c.id == bindparam("number")).values(model=model, vector=bindparam("v")),
                [{"number": number, "v": vector} for number, vector in vectors.items()],
            )

    def add(self, rows: Sequence[tuple[str, str]], source: str) -> int:
        """See `ExampleStore.add`."""
        now = self._clock.now()
        values = [
            {"text": text, "category": category, "source": source, "created_at": now,
             "digest": digest_of(category, text)}
            for text, category in rows
        ]  # fmt: skip
        if not values:
            return 0
        with transaction(self._engine) as connection:
            done = connection.execute(insert(examples).on_conflict_do_nothing(index_elements=["digest"]), values)
            return max(done.rowcount, 0)
