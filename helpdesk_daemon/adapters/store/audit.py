"""The audit log: append-only, hash-chained over salted digests, its details erasable beside it.

The chain alone shows what was changed in its middle. Its two ends are signed: `head` with every commit, so that lines
cut off or added at the end show, and `cut` when retention removes old lines, so that the first line left has something
to follow on.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects.sqlite import insert as upsert

from helpdesk_daemon.adapters.keys import has_audit_key, load_audit_key
from helpdesk_daemon.adapters.store.bulk import insert_rows
from helpdesk_daemon.adapters.store.schema.columns import iso
from helpdesk_daemon.adapters.store.schema.log import audit_checkpoints, audit_detail, audit_log
from helpdesk_daemon.ports import Audit

GENESIS = "0" * 64
BATCH = 10_000  # rows read at a time
HEAD, CUT = "head", "cut"
PERSON = "person"  # the actor in the chain where it is somebody with an address, which must stay erasable
_put = upsert(audit_checkpoints)
_replace = _put.on_conflict_do_update(
    index_elements=["kind"], set_={name: _put.excluded[name] for name in ("seq", "hash", "at", "tag")}
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A place in the chain.

    Attributes:
        seq: number of the row, 0 before the first.
        hash: of that row (64 hexadecimal digits).
        at: when it was written, ISO 8601 UTC.
    """

    seq: int
    hash: str
    at: str = ""

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What walking the chain found.

    Attributes:
        rows: how many rows hold, from the first that is kept.
        problem: what is wrong with the first that does not; empty when all do.
        erased: details that erasure or retention emptied.
        cut: where retention removed what is older; None when nothing was.
        head: the last row.
    """

    rows: int
    problem: str
    erased: int
    cut: Checkpoint | None
    head: Checkpoint


def row_hash(previous: str, seq: int, at: str, actor: str, event: str, ticket: str, detail_digest: str) -> str:
    """The hash of one row, over its columns and the hash of the row before (SHA-256, hexadecimal)."""
    words = json.dumps([previous, seq, at, actor, event, ticket, detail_digest], ensure_ascii=True)
    return hashlib.sha256(words.encode()).hexdigest()


def detail_digest(salt: str, detail: str) -> str:
    """The digest that stands in the chain for a detail; the salt keeps it from being guessed once erased."""
    return hashlib.sha256(f"{salt}{detail}".encode()).hexdigest()


def append(connection: Connection, lines: Sequence[Audit], now: datetime) -> None:
    """Append lines in one write transaction, which the caller holds, so that the chain cannot fork."""
    if not lines:
        return
    last = head(connection)
    seq, previous = last.seq, last.hash
    at = iso(now)
    rows, details = [], []
    for line in lines:
        seq += 1
        actor, words = _nameless(line)
        salt = secrets.token_hex(16)
        detail = json.dumps(words, ensure_ascii=False, default=str)
        digest = detail_digest(salt, detail)
        row = {"seq": seq, "at": at, "actor": actor, "event": line.event, "ticket": line.ticket,
               "detail_digest": digest, "previous": previous}  # fmt: skip
        previous = row["hash"] = row_hash(previous, seq, at, actor, line.event, line.ticket, digest)
        rows.append(row)
        details.append({"seq": seq, "salt": salt, "detail": detail})
    insert_rows(connection, audit_log, rows)
    insert_rows(connection, audit_detail, details)
    _sign(connection, HEAD, Checkpoint(seq, previous, at))


def _nameless(line: Audit) -> tuple[str, dict[str, object]]:
    """Actor and detail of a line as they are kept: an address stands in the detail alone."""
    if "@" in line.actor:
        return PERSON, {**line.detail, "actor": line.actor}
    return line.actor, dict(line.detail)


def head(connection: Connection) -> Checkpoint:
    """The last row of the log; that of the cut, or number 0, when no row is left."""
    wanted = select(audit_log.c.seq, audit_log.c.hash, audit_log.c.at).order_by(audit_log.c.seq.desc()).limit(1)
    last = connection.execute(wanted).first()
    if last:
        return Checkpoint(last.seq, last.hash, last.at)
    return cut(connection) or Checkpoint(0, GENESIS)


def cut(connection: Connection) -> Checkpoint | None:
    """The last row that retention removed; None when it removed none."""
    row = _signed(connection, CUT)
    return Checkpoint(row.seq, row.hash, row.at) if row else None


def sign_head(connection: Connection) -> None:
    """Sign the log as it is: for a new database, and for one whose log is older than signatures."""
    _sign(connection, HEAD, head(connection))


def cut_before(connection: Connection, before: datetime, limit: int) -> int:
    """Remove the oldest rows behind a signed checkpoint; at least one row always stays.

    Args:
        connection: a write transaction.
        before: rows written earlier go.
        limit: at most so many.

    Returns:
        How many went.
    """
    wanted = select(audit_log.c.seq, audit_log.c.hash, audit_log.c.at).order_by(audit_log.c.seq).limit(limit + 1)
    rows = connection.execute(wanted).all()
    old = next((n for n, row in enumerate(rows) if row.at >= iso(before)), len(rows) - 1)
    old = min(old, limit)
    if old <= 0:
        return 0
    last = rows[old - 1]
    _sign(connection, CUT, Checkpoint(last.seq, last.hash, last.at))
    for table in (audit_detail, audit_log):
        connection.execute(table.delete().where(table.c.seq <= last.seq))
    return old


def empty_details(connection: Connection, seqs: Sequence[int]) -> None:
    """Erase the details of rows; their digests stay in the chain, and without the salt tell nothing."""
    rows = [{"number": seq} for seq in seqs]
    if rows:
        connection.exec_driver_sql("update audit_detail set detail = '', salt = '' where seq = :number", rows)


def verify(
    connection: Connection, seen: Checkpoint | None = None, progress: Callable[[int], None] = lambda rows: None
) -> Verdict:
    """Walk the chain, and hold its ends against their signatures.

    Args:
        connection: a transaction, so that all of it is one state of the log.
        seen: a head that was noted before, such as that of a daily digest; the log must still contain it.
        progress: told now and then how many rows hold.
    """
    start, signed, problem = cut(connection), _signed(connection, HEAD), _bad_signature(connection, CUT)
    previous, good = (start.hash, start.seq) if start else (GENESIS, 0)
    first, erased, at = good, 0, ""
    if seen and seen.seq == good and seen.hash != previous:
        problem = problem or f"row {seen.seq} is not the one that was noted"
    rows = connection.exec_driver_sql(
        "select l.seq, l.at, l.actor, l.event, l.ticket, l.detail_digest, l.previous, l.hash, d.salt, d.detail"
        " from audit_log l left join audit_detail d on d.seq = l.seq order by l.seq"
    )
    while not problem and (batch := rows.fetchmany(BATCH)):
        for seq, at, actor, event, ticket, digest, before, found, salt, detail in batch:
            if signed and seq > signed.seq:
                problem = f"row {seq} was added by something else than this program"
            elif seq != good + 1:
                problem = _gap(connection, good, seq, previous)
            elif before != previous:
                problem = _moved(connection, good, previous) or f"row {seq} does not follow on row {good}"
            elif found != row_hash(previous, seq, at, actor, event, ticket, digest):
                problem = _moved(connection, good, previous) or f"row {seq} was changed"
            elif detail is None:
                problem = f"the detail of row {seq} was removed"
            elif detail and detail_digest(salt, detail) != digest:
                problem = f"the detail of row {seq} was changed"
            elif seen and seen.seq == seq and seen.hash != found:
                problem = f"row {seq} is not the one that was noted"
            if problem:
                break
            erased += not detail
            previous, good = found, seq
        progress(good - first)
    last = Checkpoint(good, previous, at if good > first else start.at if start else "")
    problem = problem or _end(connection, last, seen)
    return Verdict(good - first, problem, erased, start, last)


def _gap(connection: Connection, good: int, found: int, previous: str) -> str:
    if found <= good:
        return f"row {found} lies before the cut that retention made"
    return _moved(connection, good, previous) or f"row {good + 1} is missing"


def _moved(connection: Connection, good: int, previous: str) -> str:
    """Words for a row that stands elsewhere than where it was written."""
    elsewhere = select(audit_log.c.seq).where(audit_log.c.previous == previous, audit_log.c.seq != good + 1).limit(1)
    found = connection.execute(elsewhere).scalar()
    return f"row {good + 1} was moved: it stands as row {found}" if found is not None else ""


def _end(connection: Connection, last: Checkpoint, seen: Checkpoint | None) -> str:
    """What is wrong with the end of a chain that holds as far as it goes; empty when nothing is."""
    signed = _signed(connection, HEAD)
    if signed is None:
        return "the signature of the last row was removed"
    if problem := _bad_signature(connection, HEAD):
        return problem
    if signed.seq > last.seq:
        return f"row {last.seq + 1} is missing: the log was cut off, it had {signed.seq} rows"
    if signed.hash != last.hash:
        return f"row {last.seq} is not the one that was signed"
    if seen and seen.seq > last.seq:
        return f"row {last.seq + 1} is missing: the log was cut off, row {seen.seq} was noted"
    return ""


def _signed(connection: Connection, kind: str) -> Row[Any] | None:
    return connection.execute(select(audit_checkpoints).where(audit_checkpoints.c.kind == kind)).first()


def _bad_signature(connection: Connection, kind: str) -> str:
    row = _signed(connection, kind)
    if row is None:
        return ""
    if not has_audit_key(_folder(connection)):
        return "keys/audit.key is gone: restore it from a backup, without it no signature can be checked"
    key = load_audit_key(_folder(connection))
    good = hmac.compare_digest(row.tag, _tag(key, kind, Checkpoint(row.seq, row.hash, row.at)))
    what = "the last row" if kind == HEAD else f"the cut at row {row.seq}"
    return "" if good else f"the signature of {what} does not hold: it was not made with keys/audit.key"


def _tag(key: bytes, kind: str, at: Checkpoint) -> str:
    return hmac.new(key, f"{kind}:{at.seq}:{at.hash}:{at.at}".encode(), hashlib.sha256).hexdigest()


def _sign(connection: Connection, kind: str, at: Checkpoint) -> None:
    key = connection.info.get("audit_key")
    if key is None:  # within the write lock, so that two processes make one key
        key = connection.info["audit_key"] = load_audit_key(_folder(connection))
    row = {"kind": kind, "seq": at.seq, "hash": at.hash, "at": at.at, "tag": _tag(key, kind, at)}
    connection.execute(_replace, row)


def _folder(connection: Connection) -> Path:
    """The data folder of a database."""
    return Path(connection.engine.url.database or "").parent
