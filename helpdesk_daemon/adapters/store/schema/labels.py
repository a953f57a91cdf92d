"""Labelled texts, and the copy of them on a vector database."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from helpdesk_daemon.adapters.store.schema.columns import Moment, metadata

examples = Table(
    "examples",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("text", Text, nullable=False),
    Column("category", String(100), nullable=False),
    Column("source", String(20), nullable=False),
    Column("ticket", String(11), nullable=False, default=""),
    Column("actor", Text, nullable=False, default=""),
    Column("active", Boolean, nullable=False, default=True),
    Column("created_at", Moment, nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("model", Text, nullable=False, default=""),
    Column("vector", LargeBinary),
    Column("changed", Integer, nullable=False, default=0, server_default="0"),
    Column("batch", Integer, nullable=False, default=0, server_default="0"),
    Column("withdrawal", Integer, nullable=False, default=0, server_default="0"),
    Index("examples_changed", "changed"),
    Index("examples_confirmed", "created_at", sqlite_where=text("source = 'confirmation'"),
          postgresql_where=text("source = 'confirmation'")),
)  # fmt: skip

example_imports = Table(
    "example_imports",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("actor", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("done", Integer, nullable=False, default=0),
    Column("added", Integer, nullable=False, default=0),
    Column("duplicates", Integer, nullable=False, default=0),
    Column("alike", Integer, nullable=False, default=0),
    Column("started_at", Moment, nullable=False),
    Column("finished_at", Moment),
)

example_changes = Table(
    "example_changes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("latest", Integer, nullable=False),
    Column("deleted", Integer, nullable=False),
)

index_target = Table(
    "index_target",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("place", Text, nullable=False),
    Column("epoch", Text, nullable=False, default=""),
    Column("dimension", Integer, nullable=False, default=0),
    Column("trouble", Text, nullable=False, default=""),
    Column("since", Moment, nullable=False),
    Column("checked_at", Moment),
    Column("count", Integer),
    Column("recall", Float),
)

index_entries = Table(
    "index_entries",
    metadata,
    Column("example", Integer, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False),
    Column("sent_at", Moment),
)
