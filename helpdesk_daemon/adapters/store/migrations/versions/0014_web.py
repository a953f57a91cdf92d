"""Tokens of the API, submissions by key, links to one ticket; indexes that pages of tickets are read by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

FILTERS = ("state", "category", "department", "priority")


def upgrade() -> None:
    """Add the tables and the indexes."""
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("scopes", sa.String(100), nullable=False),
        sa.Column("created_at", sa.String(24), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False, server_default=""),
        sa.Column("revoked_at", sa.String(24)),
    )
    op.create_table(
        "submissions",
        sa.Column("caller", sa.String(100), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("arrival", sa.Integer(), sa.ForeignKey("arrivals.id"), nullable=False),
        sa.Column("ticket", sa.String(11), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False, server_default=""),
        sa.Column("at", sa.String(24), nullable=False),
    )
    op.create_index("submissions_at", "submissions", ["at"])
    op.create_table(
        "track_links",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("ticket", sa.String(11), sa.ForeignKey("tickets.id"), nullable=False),
        sa.Column("expires_at", sa.String(24), nullable=False),
        sa.Column("used_at", sa.String(24)),
    )
    op.drop_index("tickets_created", "tickets")
    op.create_index("tickets_page", "tickets", ["created_at", "id"])
    for column in FILTERS:
        op.create_index(f"tickets_{column}_page", "tickets", [column, "created_at", "id"])
