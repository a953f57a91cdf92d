"""What people were told of."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)

from helpdesk_daemon.adapters.store.schema.columns import Moment, metadata

incidents = Table(
    "incidents",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(60), nullable=False),
    Column("subject", String(320), nullable=False),
    Column("title", Text, nullable=False),
    Column("problem", Text, nullable=False),
    Column("mend", Text, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("opened_at", Moment),
    Column("gone_at", Moment),
    Column("recovered_at", Moment),
    Column("mailed_at", Moment),
    Column("recovery_mailed_at", Moment),
    Column("posted_at", Moment),
    Column("recovery_posted_at", Moment),
    Column("post_due_at", Moment),
    Column("post_attempts", Integer, nullable=False, default=0),
    Column("post_error", Text, nullable=False, default=""),
    Index("incidents_unfinished", "name", "subject", unique=True, sqlite_where=text("recovered_at is null"),
          postgresql_where=text("recovered_at is null")),
    Index("incidents_post", "post_due_at", sqlite_where=text("post_due_at is not null"),
          postgresql_where=text("post_due_at is not null")),
    sqlite_autoincrement=True,
)  # fmt: skip

digests = Table(
    "digests",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("until", Moment, nullable=False),
    Column("mails", Integer, nullable=False),
)
