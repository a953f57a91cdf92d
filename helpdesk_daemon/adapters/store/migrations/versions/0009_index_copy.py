"""What a vector database was given, so that a copy of the examples can be proved, and resumed after a kill."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0006"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "index_target",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False, server_default=""),
        sa.Column("dimension", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("trouble", sa.Text(), nullable=False, server_default=""),
        sa.Column("since", sa.String(24), nullable=False),
        sa.Column("checked_at", sa.String(24)),
        sa.Column("count", sa.Integer()),
        sa.Column("recall", sa.Float()),
    )
    op.create_table(
        "index_entries",
        sa.Column("example", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("sent_at", sa.String(24)),
    )
