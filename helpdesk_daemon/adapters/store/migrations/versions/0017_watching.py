"""What the daemon needs to watch its own decisions: recent mail as vectors, verdicts, and what it makes of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

OPEN = sa.text("ended_at is null")


def _decided() -> tuple[sa.Column[object], ...]:
    """What a decision was; the same in both tables."""
    return (
        sa.Column("category", sa.String(100), nullable=False),
        sa.Column("department", sa.String(200), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("needs_review", sa.Boolean(), nullable=False),
    )


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "sightings",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("ticket", sa.String(11), sa.ForeignKey("tickets.id"), nullable=False, unique=True),
        sa.Column("at", sa.String(24), nullable=False),
        *_decided(),
        sa.Column("scope", sa.Float(), nullable=False),
        sa.Column("usual", sa.Float(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("sightings_at", "sightings", ["at"])
    op.create_table(
        "verdicts",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("ticket", sa.String(11), sa.ForeignKey("tickets.id"), nullable=False, unique=True),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("said_by", sa.String(12), nullable=False),
        sa.Column("right", sa.Boolean(), nullable=False),
        *_decided(),
        sa.Column("by_rule", sa.Boolean(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("verdicts_at", "verdicts", ["at"])
    op.create_table(
        "watching",
        sa.Column("name", sa.String(220), primary_key=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("alarmed_at", sa.String(24)),
        sa.Column("at", sa.String(24), nullable=False),
    )
    op.create_table(
        "crowds",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("began_at", sa.String(24), nullable=False),
        sa.Column("last_at", sa.String(24), nullable=False),
        sa.Column("last_sighting", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.String(24)),
        sa.Column("centre", sa.LargeBinary()),
        sqlite_autoincrement=True,
    )
    op.create_index("crowds_open", "crowds", ["kind"], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_table(
        "crowd_tickets",
        sa.Column("crowd", sa.Integer(), sa.ForeignKey("crowds.id"), primary_key=True),
        sa.Column("ticket", sa.String(11), sa.ForeignKey("tickets.id"), primary_key=True),
    )
    op.create_index("crowd_tickets_ticket", "crowd_tickets", ["ticket"])
    op.create_table(
        "reports",
        sa.Column("month", sa.String(7), primary_key=True),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("mails", sa.Integer(), nullable=False),
    )
