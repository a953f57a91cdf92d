"""Outgoing mail knows its mailbox, and whether a copy of it is still to be filed in a Sent folder."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns, fill the mailbox from the ticket, and index what is to be filed."""
    op.add_column("outbox", sa.Column("mailbox", sa.String(100), nullable=False, server_default=""))
    op.add_column("outbox", sa.Column("copy_state", sa.String(10), nullable=False, server_default=""))
    op.add_column("outbox", sa.Column("copy_attempts", sa.Integer(), nullable=False, server_default="0"))
    op.execute(
        "update outbox set mailbox = (select mailbox from tickets where id = outbox.ticket)"
        " where ticket in (select id from tickets)"
    )
    wanted = sa.text("copy_state = 'wanted'")
    op.create_index("outbox_copies", "outbox", ["mailbox", "id"], sqlite_where=wanted, postgresql_where=wanted)
