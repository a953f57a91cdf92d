"""Tickets, who takes part in them, and what was said."""

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

from helpdesk_daemon.adapters.store.schema.columns import Moment, Words, metadata

# The state with something appended: the planner would else take `tickets_state`, and read every ticket that is open.
UNFINISHED = "state || '' in ('new', 'open')"

UNANSWERED = f"first_answer_at is null and {UNFINISHED}"

tickets = Table(
    "tickets",
    metadata,
    Column("id", String(11), primary_key=True),
    Column("state", String(10), nullable=False),
    Column("subject", Text, nullable=False),
    Column("requester_email", String(320), nullable=False),
    Column("requester_name", Text, nullable=False, default=""),
    Column("mailbox", String(100), nullable=False),
    Column("category", String(100), nullable=False, default=""),
    Column("department", String(200), nullable=False),
    Column("address", String(320), nullable=False),
    Column("priority", String(10), nullable=False),
    Column("sla_hours", Float, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("needs_review", Boolean, nullable=False, default=False),
    Column("linked_to", String(11), nullable=False, default=""),
    Column("forward_id", Text, nullable=False, default=""),
    Column("customer_id", Text, nullable=False, default=""),
    Column("not_acknowledged", Text, nullable=False, default="", server_default=""),
    Column("zone", String(60), nullable=False, default="UTC", server_default="UTC"),
    Column("merged_into", String(11), nullable=False, default="", server_default=""),
    Column("tags", Words, nullable=False, default=(), server_default="[]"),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("first_answer_at", Moment),
    Column("closed_at", Moment),
    Index("tickets_requester", "requester_email"),
    Index("tickets_state", "state", "due_at"),
    Index("tickets_page", "created_at", "id", "subject", "requester_email"),
    Index("tickets_state_page", "state", "created_at", "id"),
    Index("tickets_category_page", "category", "created_at", "id"),
    Index("tickets_department_page", "department", "created_at", "id"),
    Index("tickets_priority_page", "priority", "created_at", "id"),
    Index("tickets_unanswered", "due_at", "department", "id", sqlite_where=text(UNANSWERED),
          postgresql_where=text(UNANSWERED)),
    Index(
        "tickets_review_page",
        "created_at",
        "id",
        sqlite_where=text("needs_review = 1 and state <> 'closed'"),
        postgresql_where=text("needs_review and state <> 'closed'"),
    ),
)  # fmt: skip

participants = Table(
    "participants",
    metadata,
    Column("ticket", ForeignKey("tickets.id"), primary_key=True),
    Column("email", String(320), primary_key=True),
    Index("participants_email", "email"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("ticket", ForeignKey("tickets.id"), nullable=False),
    Column("direction", String(3), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("arrival", ForeignKey("arrivals.id")),
    Column("message_id", Text, nullable=False, default=""),
    Column("sender", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("new_text", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("files", Words, nullable=False, default=(), server_default="[]"),
    Index("messages_ticket", "ticket"),
    Index("messages_message_id", "message_id"),
    Index("messages_text", "at", sqlite_where=text("text <> ''"), postgresql_where=text("text <> ''")),
)
