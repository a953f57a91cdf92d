"""Both ends of the audit log are signed, so that old lines may go; indexes for retention, erasing and the cookbook."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


TRIGGERS = (
    "drop trigger audit_log_no_delete",
    # Only behind a checkpoint: one that this program did not sign is found by `audit verify`.
    "create trigger audit_log_no_delete before delete on audit_log"
    " when old.seq > coalesce((select seq from audit_checkpoints where kind = 'cut'), 0)"
    " begin select raise(abort, 'the audit log is append-only'); end",
    "create trigger audit_detail_no_update before update on audit_detail"
    " when new.seq <> old.seq or new.detail <> '' or new.salt <> ''"
    " begin select raise(abort, 'details of the audit log can only be erased'); end",
    "create trigger audit_detail_no_delete before delete on audit_detail"
    " when old.seq > coalesce((select seq from audit_checkpoints where kind = 'cut'), 0)"
    " begin select raise(abort, 'details of the audit log can only be erased'); end",
    "create trigger audit_detail_no_replace before insert on audit_detail"
    " when exists (select 1 from audit_detail where seq = new.seq)"
    " begin select raise(abort, 'details of the audit log can only be erased'); end",
    "create trigger audit_checkpoints_no_delete before delete on audit_checkpoints"
    " begin select raise(abort, 'checkpoints of the audit log can only move on'); end",
    "create trigger audit_checkpoints_forward before update on audit_checkpoints"
    " when new.kind <> old.kind or new.seq < old.seq"
    " begin select raise(abort, 'checkpoints of the audit log can only move on'); end",
)


def _partial(name: str, table: str, column: str, condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, [column], sqlite_where=where, postgresql_where=where)


def upgrade() -> None:
    """Add the tables, the triggers and the indexes."""
    op.create_table(
        "audit_checkpoints",
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("tag", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("kind"),
    )
    op.create_table(
        "retention",
        sa.Column("what", sa.String(20), nullable=False),
        sa.Column("done_before", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("what"),
    )
    for statement in TRIGGERS:
        op.execute(statement)
    op.create_index("participants_email", "participants", ["email"])
    _partial("arrivals_ticket", "arrivals", "ticket", "ticket is not null")
    _partial("arrivals_raw", "arrivals", "fetched_at", "raw is not null")
    _partial("messages_text", "messages", "at", "text <> ''")
    _partial("outbox_mime", "outbox", "created_at", "mime is not null")
