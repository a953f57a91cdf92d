"""What was decided, from what, by which rules, and how often by the hour."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)

from helpdesk_daemon.adapters.store.schema.columns import Moment, metadata

BY_DAEMON = "actor = 'daemon'"

decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("ticket", ForeignKey("tickets.id"), nullable=False),
    Column("arrival", ForeignKey("arrivals.id")),
    Column("at", Moment, nullable=False),
    Column("actor", Text, nullable=False),
    Column("category", String(100), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("needs_review", Boolean, nullable=False),
    Column("review_reason", Text, nullable=False),
    Column("department", String(200), nullable=False),
    Column("priority", String(10), nullable=False),
    Column("sla_hours", Float, nullable=False),
    Column("tags", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("neighbours", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("judge", Text, nullable=False, default="", server_default=""),
    Column("views", Text, nullable=False, default="[]", server_default="[]"),
    Column("rules_version", String(64), nullable=False),
    Column("language", String(8), nullable=False, default="", server_default=""),
    Index("decisions_ticket", "ticket"),
    Index("decisions_confidence", "confidence", "ticket", sqlite_where=text(BY_DAEMON),
          postgresql_where=text(BY_DAEMON)),
)  # fmt: skip

votes = Table(
    "votes",
    metadata,
    Column("arrival", ForeignKey("arrivals.id"), primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("mailbox", String(100), nullable=False),
    Column("category", String(100), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("earned", Float, nullable=False),
    Column("to_triage", Text, nullable=False),
    Column("automatic", Boolean, nullable=False),
    Column("language", String(10), nullable=False),
    Index("votes_at", "at"),
)

rule_versions = Table(
    "rule_versions",
    metadata,
    Column("version", String(64), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("file", Text, nullable=False),
    Column("text", Text, nullable=False),
)

hourly = Table(
    "hourly",
    metadata,
    Column("what", String(10), primary_key=True),
    Column("hour", String(13), primary_key=True),
    Column("department", String(200), primary_key=True),
    Column("name", String(100), primary_key=True),
    Column("count", Integer, nullable=False),
    sqlite_with_rowid=False,
)
