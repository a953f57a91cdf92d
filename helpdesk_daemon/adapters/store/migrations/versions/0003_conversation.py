"""Tickets may go on in another one and carry tags; a mail on a ticket says what was attached to it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("tickets", sa.Column("merged_into", sa.String(11), nullable=False, server_default=""))
    op.add_column("tickets", sa.Column("tags", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("messages", sa.Column("files", sa.Text(), nullable=False, server_default="[]"))
