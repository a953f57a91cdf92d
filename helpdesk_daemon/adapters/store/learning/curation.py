"""Looking through the labelled examples, withdrawing some and taking that back; commands and pages share it.

A withdrawn example votes no more. The running daemon notices, as it does with corrections, before its next vote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, func, select, true, update

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.bulk import chunks
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.schema.labels import example_imports, examples
from helpdesk_daemon.errors import Refused
from helpdesk_daemon.ports import Audit, Clock

SOURCES = ("seed", "import", "correction", "confirmation")
STATES = ("active", "withdrawn", "all")
COLUMNS = (
    examples.c.id, examples.c.text, examples.c.category, examples.c.source, examples.c.actor, examples.c.ticket,
    examples.c.batch, examples.c.active, examples.c.withdrawal, examples.c.created_at,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which examples are meant: all that is given must hold.

    Attributes:
        ids: their numbers.
        source: one of `SOURCES`.
        person: who labelled them, or named the file they came from; upper and lower case are the same.
        category: their label.
        ticket: tracking ID they were learnt from.
        batch: number of the import.
        withdrawal: number of the withdrawal that took them.
    """

    ids: tuple[int, ...] = ()
    source: str = ""
    person: str = ""
    category: str = ""
    ticket: str = ""
    batch: int = 0
    withdrawal: int = 0

    @property
    def given(self) -> dict[str, Any]:
        """What was said, for the audit log."""
        return {name: value for name, value in asdict(self).items() if value}


def listed(
    engine: Engine, chosen: Chosen, state: str = "active", limit: int = 0, before: int = 0
) -> list[dict[str, Any]]:
    """Examples, the newest first.

    Args:
        engine: the database.
        chosen: which.
        state: `active`, `withdrawn` or `all`.
        limit: how many at most, 0 for all.
        before: only numbers below this one, 0 for all: the next page.
    """
    wanted = _where(select(*COLUMNS), chosen, state).order_by(examples.c.id.desc())
    wanted = wanted.where(examples.c.id < before) if before else wanted
    with transaction(engine) as connection:
        return [dict(row) for row in connection.execute(wanted.limit(limit) if limit else wanted).mappings()]


def counted(engine: Engine) -> dict[str, Any]:
    """How many examples there are by category and source, by person, withdrawn; and the imports."""
    size = func.count().label("examples")
    by_category = select(examples.c.category, examples.c.source, size).where(examples.c.active)
    by_person = select(examples.c.actor.label("person"), size).where(examples.c.active, examples.c.actor != "")
    with transaction(engine) as connection:
        cells = connection.execute(by_category.group_by(examples.c.category, examples.c.source)).all()
        people = connection.execute(by_person.group_by(examples.c.actor).order_by(size.desc())).mappings().all()
        withdrawn = connection.execute(select(size).where(examples.c.withdrawal > 0)).scalar_one()
        imports = connection.execute(select(example_imports).order_by(example_imports.c.id)).mappings().all()
    categories: dict[str, dict[str, int]] = {}
    for category, source, count in cells:
        categories.setdefault(category, {})[source] = count
    return {
        "examples": sum(count for _, _, count in cells), "withdrawn": withdrawn, "by_category": categories,
        "by_person": [dict(row) for row in people],
        "imports": [{k: v for k, v in row.items() if k != "digest"} for row in imports],
    }  # fmt: skip


def withdraw(engine: Engine, clock: Clock, chosen: Chosen, actor: str) -> tuple[int, list[int]]:
    """Let examples vote no more.

    Args:
        engine: the database.
        clock: tells the time.
        chosen: which; something must be given.
        actor: for the audit log.

    Returns:
        The number of this withdrawal, by which `restore` takes it back, 0 where nothing was found; and the examples.

    Raises:
        Refused: nothing says which.
    """
    if not chosen.given:
        raise Refused("name the examples: by number, person, source, category, ticket or import")
    with transaction(engine) as connection:
        found = _ids(connection, chosen, "active")
        if not found:
            return 0, []
        detail = {"examples": found, "chosen": chosen.given}
        audit.append(connection, [Audit("example.withdrawn", detail, actor=actor)], clock.now())
        number = audit.head(connection).seq
        _set(connection, found, active=False, withdrawal=number)
    return number, found


def restore(engine: Engine, clock: Clock, chosen: Chosen, actor: str) -> tuple[list[int], list[int]]:
    """Let withdrawn examples vote again.

    Args:
        engine: the database.
        clock: tells the time.
        chosen: which; something must be given.
        actor: for the audit log.

    Returns:
        Those that vote again, and those that stay withdrawn because their text has got another label meanwhile.

    Raises:
        Refused: nothing says which.
    """
    if not chosen.given:
        raise Refused("name the examples: by number, person, source, category, ticket, import or withdrawal")
    with transaction(engine) as connection:
        found = _ids(connection, chosen, "withdrawn")
        disputed = _labelled_since(connection, found)
        back = [number for number in found if number not in disputed]
        if back:
            _set(connection, back, active=True, withdrawal=0)
            detail = {"examples": back, "chosen": chosen.given}
            audit.append(connection, [Audit("example.restored", detail, actor=actor)], clock.now())
    return back, sorted(disputed)


def _where(wanted: Select[Any], chosen: Chosen, state: str) -> Select[Any]:
    conditions: list[ColumnElement[bool]] = [
        {"active": examples.c.active, "withdrawn": examples.c.withdrawal > 0, "all": true()}[state]
    ]
    if chosen.person:
        conditions.append(func.lower(examples.c.actor) == chosen.person.lower())
    for name in ("source", "category", "ticket", "batch", "withdrawal"):
        if value := getattr(chosen, name):
            conditions.append(examples.c[name] == value)
    if chosen.ids:
        conditions.append(examples.c.id.in_(chosen.ids))
    return wanted.where(*conditions)


def _ids(connection: Connection, chosen: Chosen, state: str) -> list[int]:
    return list(connection.execute(_where(select(examples.c.id), chosen, state).order_by(examples.c.id)).scalars())


def _labelled_since(connection: Connection, numbers: Sequence[int]) -> set[int]:
    """Those of some withdrawn examples whose very text votes under another label."""
    other = examples.alias()
    found: set[int] = set()
    for chunk in chunks(numbers):
        here = examples.c.id.in_(chunk)
        same = select(examples.c.id).join(other, (other.c.text == examples.c.text) & other.c.active).where(here)
        found.update(connection.execute(same).scalars())
    return found


def _set(connection: Connection, numbers: Sequence[int], **values: Any) -> None:
    for chunk in chunks(numbers):
        connection.execute(update(examples).where(examples.c.id.in_(chunk)).values(values))
