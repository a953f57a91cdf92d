"""How polls end stands by mailbox, from the very first one; incidents that people are told of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Move the poll columns from the cursors to the mailboxes, and add the incidents."""
    op.create_table(
        "mailboxes",
        sa.Column("mailbox", sa.String(length=100), nullable=False),
        sa.Column("folder", sa.String(length=500), nullable=False),
        sa.Column("polled_at", sa.String(length=24), nullable=False),
        sa.Column("succeeded_at", sa.String(length=24), nullable=True),
        sa.Column("failing_since", sa.String(length=24), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("refused", sa.Boolean(), nullable=False),
        sa.Column("quota_used", sa.BigInteger(), nullable=True),
        sa.Column("quota_limit", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("mailbox", "folder"),
    )
    op.execute(
        """insert into mailboxes (mailbox, folder, polled_at, succeeded_at, failing_since, last_error, refused)
        select mailbox, folder, polled_at, succeeded_at, case when last_error <> '' then polled_at end, last_error,
               false
        from cursors where polled_at is not null"""
    )
    for column in ("polled_at", "succeeded_at", "last_error"):
        op.drop_column("cursors", column)
    op.create_table(
        "incidents",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=320), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("mend", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.String(length=24), nullable=False),
        sa.Column("opened_at", sa.String(length=24), nullable=True),
        sa.Column("gone_at", sa.String(length=24), nullable=True),
        sa.Column("recovered_at", sa.String(length=24), nullable=True),
        sa.Column("mailed_at", sa.String(length=24), nullable=True),
        sa.Column("recovery_mailed_at", sa.String(length=24), nullable=True),
        sa.Column("posted_at", sa.String(length=24), nullable=True),
        sa.Column("recovery_posted_at", sa.String(length=24), nullable=True),
        sa.Column("post_due_at", sa.String(length=24), nullable=True),
        sa.Column("post_attempts", sa.Integer(), nullable=False),
        sa.Column("post_error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    unfinished, to_post = sa.text("recovered_at is null"), sa.text("post_due_at is not null")
    op.create_index(
        "incidents_unfinished", "incidents", ["name", "subject"], unique=True, sqlite_where=unfinished,
        postgresql_where=unfinished,
    )  # fmt: skip
    op.create_index("incidents_post", "incidents", ["post_due_at"], sqlite_where=to_post, postgresql_where=to_post)
