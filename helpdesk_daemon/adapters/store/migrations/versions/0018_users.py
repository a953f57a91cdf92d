"""Accounts of the console, and the browsers they are signed in with; an index of what waits for review."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("email", sa.String(320), nullable=False, unique=True),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(24), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False, server_default=""),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sessions",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("user", sa.Integer(), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("created_at", sa.String(24), nullable=False),
        sa.Column("seen_at", sa.String(24), nullable=False),
    )
    op.create_index("sessions_user", "sessions", ["user"])
    op.create_index(
        "tickets_review_page", "tickets", ["created_at", "id"],
        sqlite_where=sa.text("needs_review = 1 and state <> 'closed'"),
        postgresql_where=sa.text("needs_review and state <> 'closed'"),
    )  # fmt: skip
