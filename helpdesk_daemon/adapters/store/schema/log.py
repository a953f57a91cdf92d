"""The audit log, its ends, and what was forgotten."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from helpdesk_daemon.adapters.store.schema.columns import Moment, metadata

audit_log = Table(
    "audit_log",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", String(24), nullable=False),
    Column("actor", Text, nullable=False),
    Column("event", String(60), nullable=False),
    Column("ticket", String(11), nullable=False, default=""),
    Column("detail_digest", String(64), nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("audit_log_ticket", "ticket"),
    Index("audit_log_event", "event", "at"),
)

audit_detail = Table(
    "audit_detail",
    metadata,
    Column("seq", ForeignKey("audit_log.seq"), primary_key=True, autoincrement=False),
    Column("salt", String(32), nullable=False),
    Column("detail", Text, nullable=False),
)

audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("kind", String(10), primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("at", String(24), nullable=False),
    Column("tag", String(64), nullable=False),
)

retention = Table(
    "retention",
    metadata,
    Column("what", String(20), primary_key=True),
    Column("done_before", Moment, nullable=False),
)
