"""The ledger, what leaves, how far each folder was read, and what holds mail back."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from helpdesk_daemon.adapters.store.schema.columns import Moment, metadata

arrivals = Table(
    "arrivals",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("mailbox", String(100), nullable=False),
    Column("folder", String(500), nullable=False),
    Column("uidvalidity", Integer, nullable=False),
    Column("uid", String(255), nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("fetched_at", Moment, nullable=False),
    Column("size", Integer, nullable=False),
    Column("truncated", Boolean, nullable=False, default=False),
    Column("message_id", Text, nullable=False, default=""),
    Column("sender", Text, nullable=False, default=""),
    Column("subject", Text, nullable=False, default=""),
    Column("digest", String(64), nullable=False),
    Column("touched_at", Moment),
    Column("state", String(20), nullable=False, default="pending"),
    Column("reason", Text, nullable=False, default=""),
    Column("ticket", String(11)),
    Column("attempts", Integer, nullable=False, default=0),
    Column("last_error", Text, nullable=False, default=""),
    Column("decided_at", Moment),
    Column("raw", LargeBinary),
    UniqueConstraint("mailbox", "folder", "uidvalidity", "uid", name="arrivals_once"),
    Index("arrivals_digest", "digest"),
    Index("arrivals_state", "state", "id"),
    Index("arrivals_untouched", "mailbox", "folder", "uidvalidity", sqlite_where=text("touched_at is null"),
          postgresql_where=text("touched_at is null")),
    Index("arrivals_ticket", "ticket", sqlite_where=text("ticket is not null"),
          postgresql_where=text("ticket is not null")),
    Index("arrivals_raw", "fetched_at", sqlite_where=text("raw is not null"), postgresql_where=text("raw is not null")),
    sqlite_autoincrement=True,
)  # fmt: skip

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(20), nullable=False),
    Column("ticket", String(11), nullable=False, default=""),
    Column("arrival", ForeignKey("arrivals.id")),
    Column("mailbox", String(100), nullable=False, default="", server_default=""),
    Column("sender", String(320), nullable=False),
    Column("recipient", String(320), nullable=False),
    Column("message_id", Text, nullable=False),
    Column("state", String(10), nullable=False, default="pending"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("sent_at", Moment),
    Column("last_reply", Text, nullable=False, default=""),
    Column("size", Integer, nullable=False),
    Column("mime", LargeBinary),
    Column("copy_state", String(10), nullable=False, default="", server_default=""),
    Column("copy_attempts", Integer, nullable=False, default=0, server_default="0"),
    Index("outbox_copies", "mailbox", "id", sqlite_where=text("copy_state = 'wanted'"),
          postgresql_where=text("copy_state = 'wanted'")),
    Index("outbox_state", "state", "next_attempt_at"),
    Index("outbox_ticket", "ticket"),
    Index("outbox_message_id", "message_id"),
    Index("outbox_mime", "created_at", sqlite_where=text("mime is not null"),
          postgresql_where=text("mime is not null")),
)  # fmt: skip

cursors = Table(
    "cursors",
    metadata,
    Column("mailbox", String(100), primary_key=True),
    Column("folder", String(500), primary_key=True),
    Column("uidvalidity", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("backlog", Integer, nullable=False),
    Column("since", Moment),
)

mailboxes = Table(
    "mailboxes",
    metadata,
    Column("mailbox", String(100), primary_key=True),
    Column("folder", String(500), primary_key=True),
    Column("polled_at", Moment, nullable=False),
    Column("succeeded_at", Moment),
    Column("failing_since", Moment),
    Column("last_error", Text, nullable=False, default=""),
    Column("refused", Boolean, nullable=False, default=False),
    Column("quota_used", BigInteger),
    Column("quota_limit", BigInteger),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("email", String(320), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("released_at", Moment),
)

auto_replies = Table(
    "auto_replies",
    metadata,
    Column("scope", String(340), primary_key=True),
    Column("tokens", Float, nullable=False),
    Column("at", Moment, nullable=False),
)

breakers = Table(
    "breakers",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("opened_at", Moment, nullable=False),
    Column("reason", Text, nullable=False),
    Column("released_at", Moment),
    Column("released_by", Text, nullable=False, default=""),
)
