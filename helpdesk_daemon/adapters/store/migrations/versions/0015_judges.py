"""Decisions say which judge decided and what each opinion was; examples say when they last changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

# The number of the latest change of any example, and how many were deleted: kept by triggers, so that no writer
# can forget it.
TRIGGERS = (
    "insert into example_changes (id, latest, deleted) select 1, coalesce(max(id), 0), 0 from examples",
    "update examples set changed = id",
    """create trigger examples_added after insert on examples begin
         update example_changes set latest = latest + 1;
         update examples set changed = (select latest from example_changes) where id = new.id;
       end""",
    """create trigger examples_altered after update of text, category, active on examples begin
         update example_changes set latest = latest + 1;
         update examples set changed = (select latest from example_changes) where id = new.id;
       end""",
    """create trigger examples_deleted after delete on examples begin
         update example_changes set latest = latest + 1, deleted = deleted + 1;
       end""",
)


def upgrade() -> None:
    """Add the columns, the counter and its triggers."""
    op.add_column("decisions", sa.Column("judge", sa.Text(), nullable=False, server_default=""))
    op.add_column("decisions", sa.Column("views", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("examples", sa.Column("changed", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("examples_changed", "examples", ["changed"])
    op.create_table(
        "example_changes",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("latest", sa.Integer(), nullable=False),
        sa.Column("deleted", sa.Integer(), nullable=False),
    )
    for statement in TRIGGERS:
        op.execute(statement)
