"""What a vector database was given of the examples, written down before and after each batch.

Whatever the server holds stands here: an entry is noted before it is sent, and marked as sent once the server has
taken it. A sync that was killed goes on from these rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, bindparam, delete, insert, select, update

from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.schema.labels import index_entries, index_target
from helpdesk_daemon.ports import Clock

LOADING = "being loaded"


@dataclass(frozen=True, slots=True)
class Target:
    """The index that the entries lie in.

    Attributes:
        place: server, name and generation.
        epoch: when the server made it, in its words; empty while it is being made.
        dimension: of its vectors.
        trouble: why it is not asked at present; empty when it is.
        since: when `trouble` last changed.
        checked_at: when it was last found to agree with the examples.
        count: how many vectors the server held then; None where it does not tell.
        recall: share of the true nearest examples that it found then, 0 to 1.
    """

    place: str
    epoch: str
    dimension: int
    trouble: str
    since: datetime
    checked_at: datetime | None
    count: int | None
    recall: float | None


def trouble(connection: Connection) -> str:
    """Why the index is not asked, as the last sync wrote it down; empty when it is, or there is none."""
    return str(connection.execute(select(index_target.c.trouble)).scalar() or "")


class IndexLedger:
    """The tables `index_target` and `index_entries`. Every method is one transaction; any may raise StoreError."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    def target(self) -> Target | None:
        """The index in use; None before the first."""
        with transaction(self._engine) as connection:
            row = connection.execute(select(index_target)).mappings().first()
        return Target(**{name: row[name] for name in Target.__dataclass_fields__}) if row else None

    def entries(self) -> dict[int, bytes]:
        """Digest by example, of all that the server may hold; empty where it is not known whether it took it."""
        with transaction(self._engine) as connection:
            rows = connection.execute(select(index_entries.c.example, index_entries.c.digest, index_entries.c.sent_at))
            return {row.example: row.digest if row.sent_at else b"" for row in rows}

    def newest(self) -> list[int]:
        """Examples the server took, the last ones first."""
        with transaction(self._engine) as connection:
            query = select(index_entries.c.example).where(index_entries.c.sent_at.is_not(None))
            ordered = query.order_by(index_entries.c.sent_at.desc(), index_entries.c.example.desc())
            return list(connection.execute(ordered).scalars())

    def reset(self, place: str) -> None:
        """Begin a new index: nothing is known to be in it, and it is not known to exist."""
        row = {"id": 1, "place": place, "epoch": "", "trouble": LOADING, "since": self._clock.now()}
        with transaction(self._engine) as connection:
            connection.execute(delete(index_entries))
            connection.execute(delete(index_target))
            connection.execute(insert(index_target).values(row))

    def made(self, epoch: str, dimension: int) -> None:
        """The index exists now."""
        with transaction(self._engine) as connection:
            connection.execute(update(index_target).values(epoch=epoch, dimension=dimension))

    def intend(self, entries: Mapping[int, bytes]) -> None:
        """Note what is going to be sent."""
        rows = [{"example": number, "digest": digest, "sent_at": None} for number, digest in entries.items()]
        with transaction(self._engine) as connection:
            connection.execute(insert(index_entries).prefix_with("OR REPLACE"), rows)

    def sent(self, examples: Iterable[int]) -> None:
        """The server took these."""
        now = self._clock.now()
        with transaction(self._engine) as connection:
            connection.execute(
                update(index_entries).where(index_entries.c.example == bindparam("number")).values(sent_at=now),
                [{"number": number} for number in examples],
            )

    def forget(self, examples: Iterable[int]) -> None:
        """The server holds these no longer."""
        with transaction(self._engine) as connection:
            connection.execute(
                delete(index_entries).where(index_entries.c.example == bindparam("number")),
                [{"number": number} for number in examples],
            )

    def found_good(self, count: int | None, recall: float | None) -> None:
        """The index agrees with the examples and may be asked."""
        now = self._clock.now()
        with transaction(self._engine) as connection:
            connection.execute(update(index_target).where(index_target.c.trouble != "").values(trouble="", since=now))
            connection.execute(update(index_target).values(checked_at=now, count=count, recall=recall))

    def found_bad(self, trouble: str) -> None:
        """The index is not to be asked, and why; the moment stays that of the first trouble."""
        now = self._clock.now()
        with transaction(self._engine) as connection:
            if connection.execute(select(index_target.c.id)).first() is None:
                connection.execute(insert(index_target).values(id=1, place="", epoch="", trouble="", since=now))
            connection.execute(update(index_target).where(index_target.c.trouble == "").values(since=now))
            connection.execute(update(index_target).values(trouble=trouble))
