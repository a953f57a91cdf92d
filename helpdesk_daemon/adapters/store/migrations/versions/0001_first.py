"""The first schema: ledger, tickets, outbox, examples, audit log, and the views operators read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


TRIGGERS = (
    "create trigger audit_log_no_update before update on audit_log"
    " begin select raise(abort, 'the audit log is append-only'); end",
    "create trigger audit_log_no_delete before delete on audit_log"
    " begin select raise(abort, 'the audit log is append-only'); end",
    # INSERT OR REPLACE deletes without firing the trigger above.
    "create trigger audit_log_no_replace before insert on audit_log"
    " when exists (select 1 from audit_log where seq = new.seq)"
    " begin select raise(abort, 'the audit log is append-only'); end",
)
VIEWS = (
    """create view v_tickets as
    select t.id, t.state, t.created_at, t.requester_email, t.subject, t.category, d.confidence, t.department,
           t.priority, t.sla_hours, t.due_at, t.needs_review, d.rule, d.review_reason, t.first_answer_at, t.closed_at
    from tickets t left join decisions d on d.id = (select max(id) from decisions where ticket = t.id)
    order by t.created_at desc""",
    """create view v_today as
    select department, category, count(*) as tickets, sum(needs_review) as to_review,
           round(avg(confidence), 2) as mean_confidence
    from v_tickets where created_at >= strftime('%Y-%m-%dT00:00:00', 'now') group by department, category""",
    """create view v_routing_accuracy as
    select f.category, count(*) as decided, sum(l.category = f.category) as kept,
           round(1.0 * sum(l.category = f.category) / count(*), 3) as accuracy
    from decisions f join decisions l on l.ticket = f.ticket
    where f.id = (select min(id) from decisions where ticket = f.ticket)
      and l.id = (select max(id) from decisions where ticket = f.ticket)
    group by f.category""",
    """create view v_outbox_stuck as
    select id, kind, ticket, recipient, state, attempts, created_at, next_attempt_at, last_reply
    from outbox where state in ('failed', 'ambiguous', 'held')
       or (state in ('pending', 'deferred', 'sending')
           and created_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-15 minutes'))
    order by id""",
    """create view v_audit as
    select l.seq, l.at, l.actor, l.event, l.ticket, d.detail
    from audit_log l left join audit_detail d on d.seq = l.seq order by l.seq desc""",
    """create view v_not_ticketed as
    select id as arrival, received_at, mailbox, state, reason, sender, subject, message_id, size
    from arrivals where state in ('ignored', 'quarantined') order by id desc""",
)


def upgrade() -> None:
    """Make all tables, triggers and views."""
    op.create_table(
        "arrivals",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("mailbox", sa.String(length=100), nullable=False),
        sa.Column("folder", sa.String(length=500), nullable=False),
        sa.Column("uidvalidity", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=255), nullable=False),
        sa.Column("received_at", sa.String(length=24), nullable=False),
        sa.Column("fetched_at", sa.String(length=24), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("truncated", sa.Boolean(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("touched_at", sa.String(length=24), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ticket", sa.String(length=11), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.String(length=24), nullable=True),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("mailbox", "folder", "uidvalidity", "uid", name="arrivals_once"),
        sqlite_autoincrement=True,
    )
    op.create_index("arrivals_digest", "arrivals", ["digest"], unique=False)
    op.create_index("arrivals_state", "arrivals", ["state", "id"], unique=False)
    op.create_index(
        "arrivals_untouched",
        "arrivals",
        ["mailbox", "folder", "uidvalidity"],
        unique=False,
        sqlite_where=sa.text("touched_at is null"),
        postgresql_where=sa.text("touched_at is null"),
    )
    op.create_table(
        "audit_log",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("event", sa.String(length=60), nullable=False),
        sa.Column("ticket", sa.String(length=11), nullable=False),
        sa.Column("detail_digest", sa.String(length=64), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("audit_log_event", "audit_log", ["event", "at"], unique=False)
    op.create_index("audit_log_ticket", "audit_log", ["ticket"], unique=False)
    op.create_table(
        "auto_replies",
        sa.Column("scope", sa.String(length=340), nullable=False),
        sa.Column("tokens", sa.Float(), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("scope"),
    )
    op.create_table(
        "breakers",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("opened_at", sa.String(length=24), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("released_at", sa.String(length=24), nullable=True),
        sa.Column("released_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "cursors",
        sa.Column("mailbox", sa.String(length=100), nullable=False),
        sa.Column("folder", sa.String(length=500), nullable=False),
        sa.Column("uidvalidity", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.String(length=24), nullable=False),
        sa.Column("backlog", sa.Integer(), nullable=False),
        sa.Column("since", sa.String(length=24), nullable=True),
        sa.Column("polled_at", sa.String(length=24), nullable=True),
        sa.Column("succeeded_at", sa.String(length=24), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox", "folder"),
    )
    op.create_table(
        "examples",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("category", sa.String(length=100), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("ticket", sa.String(length=11), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.String(length=24), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_table(
        "suppressions",
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("released_at", sa.String(length=24), nullable=True),
        sa.PrimaryKeyConstraint("email"),
    )
    op.create_table(
        "tickets",
        sa.Column("id", sa.String(length=11), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("requester_email", sa.String(length=320), nullable=False),
        sa.Column("requester_name", sa.Text(), nullable=False),
        sa.Column("mailbox", sa.String(length=100), nullable=False),
        sa.Column("category", sa.String(length=100), nullable=False),
        sa.Column("department", sa.String(length=200), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("priority", sa.String(length=10), nullable=False),
        sa.Column("sla_hours", sa.Float(), nullable=False),
        sa.Column("due_at", sa.String(length=24), nullable=False),
        sa.Column("needs_review", sa.Boolean(), nullable=False),
        sa.Column("linked_to", sa.String(length=11), nullable=False),
        sa.Column("forward_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(length=24), nullable=False),
        sa.Column("updated_at", sa.String(length=24), nullable=False),
        sa.Column("first_answer_at", sa.String(length=24), nullable=True),
        sa.Column("closed_at", sa.String(length=24), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("tickets_created", "tickets", ["created_at"], unique=False)
    op.create_index("tickets_requester", "tickets", ["requester_email"], unique=False)
    op.create_index("tickets_state", "tickets", ["state", "due_at"], unique=False)
    op.create_table(
        "audit_detail",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("salt", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["seq"],
            ["audit_log.seq"],
        ),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("ticket", sa.String(length=11), nullable=False),
        sa.Column("arrival", sa.Integer(), nullable=True),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("category", sa.String(length=100), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("needs_review", sa.Boolean(), nullable=False),
        sa.Column("review_reason", sa.Text(), nullable=False),
        sa.Column("department", sa.String(length=200), nullable=False),
        sa.Column("priority", sa.String(length=10), nullable=False),
        sa.Column("sla_hours", sa.Float(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("neighbours", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("rules_version", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["arrival"],
            ["arrivals.id"],
        ),
        sa.ForeignKeyConstraint(
            ["ticket"],
            ["tickets.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("decisions_ticket", "decisions", ["ticket"], unique=False)
    op.create_table(
        "messages",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("ticket", sa.String(length=11), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("arrival", sa.Integer(), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("new_text", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.ForeignKeyConstraint(
            ["arrival"],
            ["arrivals.id"],
        ),
        sa.ForeignKeyConstraint(
            ["ticket"],
            ["tickets.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("messages_message_id", "messages", ["message_id"], unique=False)
    op.create_index("messages_ticket", "messages", ["ticket"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("ticket", sa.String(length=11), nullable=False),
        sa.Column("arrival", sa.Integer(), nullable=True),
        sa.Column("sender", sa.String(length=320), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.String(length=24), nullable=False),
        sa.Column("created_at", sa.String(length=24), nullable=False),
        sa.Column("sent_at", sa.String(length=24), nullable=True),
        sa.Column("last_reply", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("mime", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["arrival"],
            ["arrivals.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("outbox_message_id", "outbox", ["message_id"], unique=False)
    op.create_index("outbox_state", "outbox", ["state", "next_attempt_at"], unique=False)
    op.create_index("outbox_ticket", "outbox", ["ticket"], unique=False)
    op.create_table(
        "participants",
        sa.Column("ticket", sa.String(length=11), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.ForeignKeyConstraint(
            ["ticket"],
            ["tickets.id"],
        ),
        sa.PrimaryKeyConstraint("ticket", "email"),
    )
    for statement in (*TRIGGERS, *VIEWS):
        op.execute(statement)
