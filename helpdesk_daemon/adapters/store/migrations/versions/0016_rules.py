"""What decisions were made from before rules looked, and the text of the rules themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

# What old decisions tell of what they were made from, so that rules can be tried on them as well. Where a rule set the
# category, the voted one is not known any more; nor is how sure a vote was by another target than that of its time.
OLD = """
insert into votes (arrival, at, mailbox, category, confidence, earned, to_triage, automatic, language)
select d.arrival, d.at, t.mailbox,
       case when json_extract(d.set_by, '$.category') is null then d.category else '' end,
       d.confidence, case when d.needs_review and d.review_reason not like 'rule %' then 0.0 else 1.0 end, '', 0, ''
from decisions d join tickets t on t.id = d.ticket
where d.id in (select min(id) from decisions where actor = 'daemon' and arrival is not null group by arrival)
"""


def upgrade() -> None:
    """Add both."""
    op.create_table(
        "votes",
        sa.Column("arrival", sa.Integer(), sa.ForeignKey("arrivals.id"), autoincrement=False, nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("mailbox", sa.String(length=100), nullable=False),
        sa.Column("category", sa.String(length=100), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("earned", sa.Float(), nullable=False),
        sa.Column("to_triage", sa.Text(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("arrival"),
    )
    op.create_index("votes_at", "votes", ["at"])
    op.create_table(
        "rule_versions",
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    op.execute(OLD)
