"""Why a customer was not acknowledged stands on the ticket; views say why mail was not ticketed or not acknowledged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


VIEWS = (
    "drop view v_today",
    "drop view v_tickets",
    """create view v_tickets as
    select t.id, t.state, t.created_at, t.requester_email, t.subject, t.category, d.confidence, t.department,
           t.priority, t.sla_hours, t.due_at, t.needs_review, d.rule, d.review_reason, t.not_acknowledged,
           t.first_answer_at, t.closed_at
    from tickets t left join decisions d on d.id = (select max(id) from decisions where ticket = t.id)
    order by t.created_at desc""",
    """create view v_today as
    select department, category, count(*) as tickets, sum(needs_review) as to_review,
           round(avg(confidence), 2) as mean_confidence
    from v_tickets where created_at >= strftime('%Y-%m-%dT00:00:00', 'now') group by department, category""",
    """create view v_not_acknowledged as
    select id, created_at, requester_email, subject, not_acknowledged as reason
    from tickets where not_acknowledged <> '' order by created_at desc""",
)


def upgrade() -> None:
    """Add the column and the views."""
    op.add_column("tickets", sa.Column("not_acknowledged", sa.Text(), nullable=False, server_default=""))
    for statement in VIEWS:
        op.execute(statement)
