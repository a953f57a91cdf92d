"""Labelled tickets from a file become examples: what is there already is refused, an interrupted import goes on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Engine, Row, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.learning.examples import digest_of
from helpdesk_daemon.adapters.store.schema.labels import example_imports, examples
from helpdesk_daemon.adapters.tickets_csv import Tickets
from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.ports import Audit, Clock, Embedder
from helpdesk_daemon.triage.alike import Distinct
from helpdesk_daemon.triage.nearest import Vectors

STEP = 128  # rows a transaction: what an interruption costs
SOURCE = "import"


@dataclass(frozen=True, slots=True)
class Import:
    """How far an import is.

    Attributes:
        batch: its number, by which all of it can be withdrawn.
        rows: how many the file has.
        done: how many were looked at.
        added: became examples.
        duplicates: were there already, in the same words.
        alike: say the same as an example or an earlier row.
        resumed: where an earlier run had stopped; all rows, where the file had been imported whole.
    """

    batch: int
    rows: int
    done: int = 0
    added: int = 0
    duplicates: int = 0
    alike: int = 0
    resumed: int = 0


def check_categories(name: str, tickets: Tickets, categories: Collection[str]) -> None:
    """Refuse a file with labels that are no category, before anything of it is kept.

    Args:
        name: of the file.
        tickets: its rows.
        categories: of routing.toml.

    Raises:
        ConfigError: it has such labels.
    """
    unknown = Counter(label for label in tickets.labels if label not in categories)
    if unknown:
        shown = ", ".join(f"{label} ({count})" for label, count in unknown.most_common(8))
        more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
        first = unknown.most_common(1)[0][0]
        raise ConfigError(
            name, "category", f"labels that are no category: {shown}{more}; there are {', '.join(categories)}",
            f"Say what they stand for, such as --relabel {first!r}={next(iter(categories), 'CATEGORY')}, or leave them "
            "out with --skip-unknown",
        )  # fmt: skip


def run_import(
    engine: Engine, clock: Clock, embedder: Embedder, tickets: Tickets, vectors: Vectors, name: str, actor: str,
    progress: Callable[[Import], None] = lambda _: None,
) -> Import:  # fmt: skip
    """Import labelled tickets, beside the running daemon; the same rows again go on where they were left.

    Args:
        engine: the database.
        clock: tells the time.
        embedder: the model.
        tickets: what is to be imported, see `check_categories`.
        vectors: of the examples that vote, shape (n, d), float32, L2-normalised rows.
        name: of the file.
        actor: who imports, for the audit log and for `examples withdraw --person`.
        progress: told after each step.

    Raises:
        TransientError: the model cannot answer now.
    """
    state, seen = _begin(engine, clock, tickets, name, actor), Distinct(vectors)
    known = _known_texts(engine)
    progress(state)
    while state.done < state.rows:
        end = min(state.done + STEP, state.rows)
        part = tickets.pick(list(range(state.done, end)))
        fresh = _first_of_each(part, known)
        made = embedder.embed([part.texts[i] for i in fresh])
        taken = seen.take(made)
        rows = [
            {"text": part.texts[fresh[t]], "category": part.labels[fresh[t]], "vector": made[t].astype("<f4").tobytes()}
            for t in taken
        ]
        state = replace(
            state, done=end, added=state.added + len(rows), alike=state.alike + len(fresh) - len(rows),
            duplicates=state.duplicates + len(part) - len(fresh),
        )  # fmt: skip
        _keep(engine, clock, state, rows, {"model": embedder.name, "actor": actor})
        progress(state)
    return state


def _first_of_each(part: Tickets, known: set[bytes]) -> list[int]:
    """Row numbers of texts that are not known; they are known from now on."""
    fresh = []
    for number, text in enumerate(part.texts):
        if (key := _key(text)) not in known:
            known.add(key)
            fresh.append(number)
    return fresh


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


def _known_texts(engine: Engine) -> set[bytes]:
    """Keys of all texts that have, or had, a label."""
    with transaction(engine) as connection:
        return {_key(text) for text in connection.execute(select(examples.c.text)).scalars()}


def _begin(engine: Engine, clock: Clock, tickets: Tickets, name: str, actor: str) -> Import:
    """The import of exactly these rows: a new one, or the one that was begun."""
    whole = hashlib.sha256()
    for text, label in zip(tickets.texts, tickets.labels, strict=True):
        whole.update(f"{label}\0{text}\0".encode("utf-8", "replace"))
    digest = whole.hexdigest()
    new = upsert(example_imports).values(
        name=name, digest=digest, actor=actor, rows=len(tickets), started_at=clock.now()
    )
    with transaction(engine) as connection:
        connection.execute(new.on_conflict_do_nothing(index_elements=["digest"]))
        row: Row[Any] = connection.execute(select(example_imports).where(example_imports.c.digest == digest)).one()
    return Import(row.id, row.rows, row.done, row.added, row.duplicates, row.alike, row.done)


def _keep(engine: Engine, clock: Clock, state: Import, rows: Sequence[dict[str, Any]], common: dict[str, Any]) -> None:
    """Keep a step's examples and how far the import is, and say in the log when it is done."""
    now = clock.now()
    values: dict[str, Any] = {
        "done": state.done,
        "added": state.added,
        "duplicates": state.duplicates,
        "alike": state.alike,
    }
    if state.done == state.rows:
        values["finished_at"] = now
    with transaction(engine) as connection:
        _insert(connection, [
            {**row, **common, "source": SOURCE, "batch": state.batch, "created_at": now,
             "digest": digest_of(row["category"], row["text"])}
            for row in rows
        ])  # fmt: skip
        mine = example_imports.c.id == state.batch
        connection.execute(update(example_imports).where(mine).values(values))
        if state.done == state.rows:
            name = connection.execute(select(example_imports.c.name).where(mine)).scalar_one()
            detail = {"import": state.batch, "file": name, "rows": state.rows, "added": state.added,
                      "duplicates": state.duplicates, "alike": state.alike}  # fmt: skip
            audit.append(connection, [Audit("example.imported", detail, actor=common["actor"])], now)


def _insert(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        connection.execute(upsert(examples).on_conflict_do_nothing(index_elements=["digest"]), list(rows))
