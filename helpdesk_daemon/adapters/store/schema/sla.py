"""Tables of promises on tickets; see `schema`."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, String, Table, text

from helpdesk_daemon.adapters.store.schema.columns import Moment, metadata

sla = Table(
    "sla",
    metadata,
    Column("ticket", ForeignKey("tickets.id"), primary_key=True),
    Column("department", String(200), nullable=False),
    Column("calendar", String(100), nullable=False, default="", server_default=""),
    Column("rules", String(64), nullable=False, default="", server_default=""),
    Column("started_at", Moment, nullable=False),
    Column("closed_at", Moment),
    Column("response", String(10), nullable=False, default="running", server_default="running"),
    Column("response_hours", Float, nullable=False),
    Column("response_due_at", Moment),
    Column("response_reminded_at", Moment),
    Column("response_escalated_at", Moment),
    Column("resolution", String(10), nullable=False, default="", server_default=""),
    Column("resolution_hours", Float),
    Column("resolution_due_at", Moment),
    Column("resolution_reminded_at", Moment),
    Column("resolution_escalated_at", Moment),
    Column("next_at", Moment),
    Column("revision", Integer, nullable=False, default=0, server_default="0"),
    Index("sla_next", "next_at", sqlite_where=text("next_at is not null"),
          postgresql_where=text("next_at is not null")),
)  # fmt: skip

sla_pauses = Table(
    "sla_pauses",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("ticket", ForeignKey("tickets.id"), nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Index("sla_pauses_ticket", "ticket"),
)

sla_mails = Table(
    "sla_mails",
    metadata,
    Column("mailbox", String(100), primary_key=True),
    Column("department", String(200), primary_key=True),
    Column("signal", String(10), primary_key=True),
    Column("at", Moment, nullable=False),
)
