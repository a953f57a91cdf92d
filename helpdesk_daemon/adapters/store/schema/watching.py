"""Tables by which the daemon watches its own decisions; see `schema`."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, text

from helpdesk_daemon.adapters.store.schema.columns import Moment, metadata

sightings = Table(
    "sightings",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("ticket", ForeignKey("tickets.id"), nullable=False, unique=True),
    Column("at", Moment, nullable=False),
    Column("category", String(100), nullable=False),
    Column("department", String(200), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("needs_review", Boolean, nullable=False),
    Column("scope", Float, nullable=False),
    Column("usual", Float, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Index("sightings_at", "at"),
    sqlite_autoincrement=True,
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("ticket", ForeignKey("tickets.id"), nullable=False, unique=True),
    Column("at", Moment, nullable=False),
    Column("said_by", String(12), nullable=False),
    Column("right", Boolean, nullable=False),
    Column("category", String(100), nullable=False),
    Column("department", String(200), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("needs_review", Boolean, nullable=False),
    Column("by_rule", Boolean, nullable=False),
    Index("verdicts_at", "at"),
    sqlite_autoincrement=True,
)

watching = Table(
    "watching",
    metadata,
    Column("name", String(220), primary_key=True),
    Column("state", Text, nullable=False),
    Column("alarmed_at", Moment),
    Column("at", Moment, nullable=False),
)

crowds = Table(
    "crowds",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(10), nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("last_sighting", Integer, nullable=False),
    Column("ended_at", Moment),
    Column("centre", LargeBinary),
    Index("crowds_open", "kind", sqlite_where=text("ended_at is null"), postgresql_where=text("ended_at is null")),
    sqlite_autoincrement=True,
)

crowd_tickets = Table(
    "crowd_tickets",
    metadata,
    Column("crowd", ForeignKey("crowds.id"), primary_key=True),
    Column("ticket", ForeignKey("tickets.id"), primary_key=True),
    Index("crowd_tickets_ticket", "ticket"),
)

reports = Table(
    "reports",
    metadata,
    Column("month", String(7), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("mails", Integer, nullable=False),
)
