"""Examples know by which import they came and which withdrawal took them; imports know how far they got;
decisions know the language of the mail.
"""  # noqa: D205

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the columns and the table."""
    op.add_column("examples", sa.Column("batch", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("examples", sa.Column("withdrawal", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("decisions", sa.Column("language", sa.String(8), nullable=False, server_default=""))
    op.create_index("examples_confirmed", "examples", ["created_at"], sqlite_where=sa.text("source = 'confirmation'"))
    op.create_table(
        "example_imports",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("added", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("duplicates", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("alike", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("started_at", sa.String(24), nullable=False),
        sa.Column("finished_at", sa.String(24)),
    )
