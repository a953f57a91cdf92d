"""What was promised on each ticket, when its promises were paused, and what people were told of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0009"

# Tickets that are there already: what is past due was not promised by us, so nobody is told of it.
OLD_TICKETS = (
    """insert into sla (ticket, department, started_at, closed_at, response_hours, response_due_at,
                        response_escalated_at, next_at)
       select id, department, created_at, closed_at, sla_hours, due_at,
              case when due_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now') then due_at end, created_at
       from tickets""",
    """insert into sla_pauses (ticket, began_at)
       select id, coalesce(closed_at, updated_at) from tickets where state in ('waiting', 'closed')""",
)
VIEWS = (
    """create view v_sla as
       select t.id, t.state, t.department, t.priority, nullif(s.calendar, '') as calendar, t.created_at,
              s.response, s.response_due_at, t.first_answer_at, s.resolution, s.resolution_due_at, s.closed_at,
              s.response_reminded_at, s.response_escalated_at, s.resolution_reminded_at, s.resolution_escalated_at,
              t.subject
       from sla s join tickets t on t.id = s.ticket order by t.created_at desc""",
    """create view v_sla_kept as
       select substr(t.created_at, 1, 7) as month, t.department,
              sum(s.response = 'kept') as answered_in_time, sum(s.response = 'missed') as answered_late,
              round(100.0 * sum(s.response = 'kept') / nullif(sum(s.response in ('kept', 'missed')), 0), 1)
                as response_percent,
              sum(s.resolution = 'kept') as closed_in_time, sum(s.resolution = 'missed') as closed_late,
              round(100.0 * sum(s.resolution = 'kept') / nullif(sum(s.resolution in ('kept', 'missed')), 0), 1)
                as resolution_percent
       from sla s join tickets t on t.id = s.ticket
       where t.merged_into = '' and t.tags not like '%"spam"%'
       group by month, t.department order by month desc, t.department""",
)


def _promise(name: str, *, always: bool) -> list[sa.Column[object]]:
    return [
        sa.Column(name, sa.String(10), nullable=False, server_default="running" if always else ""),
        sa.Column(f"{name}_hours", sa.Float(), nullable=not always),
        sa.Column(f"{name}_due_at", sa.String(24)),
        sa.Column(f"{name}_reminded_at", sa.String(24)),
        sa.Column(f"{name}_escalated_at", sa.String(24)),
    ]


def upgrade() -> None:
    """Add the tables and views; the SLA stage works out at its first look how promises stand."""
    op.add_column("tickets", sa.Column("zone", sa.String(60), nullable=False, server_default="UTC"))
    op.create_table(
        "sla",
        sa.Column("ticket", sa.String(11), sa.ForeignKey("tickets.id"), primary_key=True),
        sa.Column("department", sa.String(200), nullable=False),
        sa.Column("calendar", sa.String(100), nullable=False, server_default=""),
        sa.Column("rules", sa.String(64), nullable=False, server_default=""),
        sa.Column("started_at", sa.String(24), nullable=False),
        sa.Column("closed_at", sa.String(24)),
        *_promise("response", always=True),
        *_promise("resolution", always=False),
        sa.Column("next_at", sa.String(24)),
        sa.Column("revision", sa.Integer(), nullable=False, server_default="0"),
    )
    waits = sa.text("next_at is not null")
    op.create_index("sla_next", "sla", ["next_at"], sqlite_where=waits, postgresql_where=waits)
    op.create_table(
        "sla_pauses",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("ticket", sa.String(11), sa.ForeignKey("tickets.id"), nullable=False),
        sa.Column("began_at", sa.String(24), nullable=False),
        sa.Column("ended_at", sa.String(24)),
    )
    op.create_index("sla_pauses_ticket", "sla_pauses", ["ticket"])
    op.create_table(
        "sla_mails",
        sa.Column("mailbox", sa.String(100), primary_key=True),
        sa.Column("department", sa.String(200), primary_key=True),
        sa.Column("signal", sa.String(10), primary_key=True),
        sa.Column("at", sa.String(24), nullable=False),
    )
    for statement in (*OLD_TICKETS, *VIEWS):
        op.execute(statement)
