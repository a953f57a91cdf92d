"""The audit log: append-only, hash-chained over salted digests, its details erasable beside it."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select

from helpdesk_daemon.adapters.store.bulk import insert_rows
from helpdesk_daemon.adapters.store.schema import audit_detail, audit_log, iso
from helpdesk_daemon.ports import Audit

GENESIS = "0" * 64


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
    last = connection.execute(
        select(audit_log.c.seq, audit_log.c.hash).order_by(audit_log.c.seq.desc()).limit(1)
    ).first()
    seq, previous = (last.seq, last.hash) if last else (0, GENESIS)
    at = iso(now)
    rows, details = [], []
    for line in lines:
        seq += 1
        salt = secrets.token_hex(16)
        detail = json.dumps(line.detail, ensure_ascii=False, default=str)
        digest = detail_digest(salt, detail)
        row = {"seq": seq, "at": at, "actor": line.actor, "event": line.event, "ticket": line.ticket,
               "detail_digest": digest, "previous": previous}  # fmt: skip
        previous = row["hash"] = row_hash(previous, seq, at, line.actor, line.event, line.ticket, digest)
        rows.append(row)
        details.append({"seq": seq, "salt": salt, "detail": detail})
    insert_rows(connection, audit_log, rows)
    insert_rows(connection, audit_detail, details)


def verify(connection: Connection) -> tuple[int, str]:
    """Walk the chain.

    Returns:
        The number of rows that hold, and what is wrong with the first that does not (empty when all do).
    """
    joined = audit_log.outerjoin(audit_detail, audit_log.c.seq == audit_detail.c.seq)
    rows = connection.execute(
        select(audit_log, audit_detail.c.salt, audit_detail.c.detail).select_from(joined).order_by(audit_log.c.seq)
    ).yield_per(1_000)
    previous, good = GENESIS, 0
    for row in rows:
        if row.seq != good + 1:
            return good, f"row {good + 1} is missing"
        if row.previous != previous:
            return good, f"row {row.seq} does not follow on row {good}"
        if row.hash != row_hash(previous, row.seq, row.at, row.actor, row.event, row.ticket, row.detail_digest):
            return good, f"row {row.seq} was changed"
        if row.detail and detail_digest(row.salt, row.detail) != row.detail_digest:
            return good, f"the detail of row {row.seq} was changed"
        previous, good = row.hash, good + 1
    return good, ""


def count(connection: Connection) -> int:
    """How many rows the log has."""
    return int(connection.execute(select(func.count()).select_from(audit_log)).scalar_one())
