"""Who may use API and pages, and what came by them."""

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

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(100), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("scopes", String(100), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("created_by", Text, nullable=False, default=""),
    Column("revoked_at", Moment),
)

users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("email", String(320), nullable=False, unique=True),
    Column("role", String(10), nullable=False),
    Column("password", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("created_by", Text, nullable=False, default=""),
    sqlite_autoincrement=True,
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("user", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Index("sessions_user", "user"),
)

submissions = Table(
    "submissions",
    metadata,
    Column("caller", String(100), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("request", String(64), nullable=False),
    Column("arrival", ForeignKey("arrivals.id"), nullable=False),
    Column("ticket", String(11), nullable=False),
    Column("answer", Text, nullable=False, default=""),
    Column("at", Moment, nullable=False),
    Index("submissions_at", "at"),
)

track_links = Table(
    "track_links",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("ticket", ForeignKey("tickets.id"), nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)
