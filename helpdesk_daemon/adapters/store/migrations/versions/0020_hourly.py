"""Counters by the hour for the dashboard, and indexes for what is open now."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

# By the hour in which the ticket was received: `ticket` and `review`, by department and category; `kept` and `missed`
# promises, by department; `sure` and `doubted`, the daemon's decisions, by twentieth of confidence.
TICKET = "substr({0}.created_at, 1, 13), {0}.department, {0}.category"
DECISION = (
    "substr((select created_at from tickets where id = {0}.ticket), 1, 13), '', "
    "printf('%02d', min(max(cast({0}.confidence * 20 as integer), 0), 19))"
)
PROMISE = "substr({0}.started_at, 1, 13), {0}.department, ''"
DECIDED = "case {0}.needs_review when 1 then 'doubted' else 'sure' end"
# what is counted, of which rows of which table, under which key, and which columns of it may change
COUNTED = (
    ("'ticket'", "tickets", "1", TICKET, "created_at, department, category, needs_review"),
    ("'review'", "tickets", "{0}.needs_review", TICKET, "created_at, department, category, needs_review"),
    (DECIDED, "decisions", "{0}.actor = 'daemon'", DECISION, ""),
    ("{0}.response", "sla", "{0}.response in ('kept', 'missed')", PROMISE, "response, department, started_at"),
)


def _add(what: str, when: str, key: str, row: str) -> str:
    values = f"select {what}, {key}, 1 where {when}".format(row)
    return f"insert into hourly {values} on conflict do update set count = count + 1;"


def _take(what: str, when: str, key: str, row: str) -> str:
    keyed = f"select {what}, {key} where {when}".format(row)
    return f"update hourly set count = count - 1 where (what, hour, department, name) in ({keyed});"  # noqa: S608, no value of anybody in it


def _statements() -> Iterator[str]:
    for what, table, when, key, _ in COUNTED:
        rows = f"select {what}, {key}, count(*) from {table} row where {when} group by 1, 2, 3, 4".format("row")  # noqa: S608
        yield f"insert into hourly {rows}"
    for table in ("tickets", "decisions", "sla"):
        own = [(what, when, key) for what, of, when, key, _ in COUNTED if of == table]
        changing = next((columns for _, of, _, _, columns in COUNTED if of == table and columns), "")
        added, taken = (" ".join(change(*each, row) for each in own) for change, row in ((_add, "new"), (_take, "old")))
        yield f"create trigger hourly_{table}_added after insert on {table} begin {added} end"
        yield f"create trigger hourly_{table}_deleted before delete on {table} begin {taken} end"
        if changing:
            changed = f"after update of {changing} on {table}"
            differ = " or ".join(f"old.{name} is not new.{name}" for name in changing.split(", "))
            yield f"create trigger hourly_{table}_changed {changed} when {differ} begin {taken} {added} end"


def upgrade() -> None:
    """Add the counters with what there is already, the triggers that keep them, and the indexes."""
    op.create_table(
        "hourly",
        sa.Column("what", sa.String(10), primary_key=True),
        sa.Column("hour", sa.String(13), primary_key=True),
        sa.Column("department", sa.String(200), primary_key=True),
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    for statement in _statements():
        op.execute(statement)
    # With what a search looks at, so that it does not read every ticket.
    op.drop_index("tickets_page", "tickets")
    op.create_index("tickets_page", "tickets", ["created_at", "id", "subject", "requester_email"])
    for name, table, columns, rows in (
        ("tickets_unanswered", "tickets", ["due_at", "department", "id"],
         "first_answer_at is null and state || '' in ('new', 'open')"),
        ("decisions_confidence", "decisions", ["confidence", "ticket"], "actor = 'daemon'"),
    ):  # fmt: skip
        where = sa.text(rows)
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
