"""Tables as SQLAlchemy sees them. Times are ISO 8601 UTC text, so that any SQLite tool reads them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)


@lru_cache(maxsize=1_024)  # a commit writes the same few moments many times
def iso(at: datetime) -> str:
    """A moment as text that sorts as it compares: `2026-11-22T14:46:00.123Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def read_iso(value: str) -> datetime:
    """The moment that `iso` wrote."""
    return datetime.fromisoformat(value)


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime, kept as ISO 8601 text."""

    impl = String(24)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """To text."""
        return iso(value) if value is not None else None

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """From text."""
        return read_iso(value) if value is not None else None


class Words(TypeDecorator[tuple[str, ...]]):
    """Several words, kept as a JSON list."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str:
        """To text."""
        return json.dumps(value or (), ensure_ascii=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...]:
        """From text."""
        return tuple(json.loads(value or "[]"))


metadata = MetaData()
# The state with something appended: the planner would else take `tickets_state`, and read every ticket that is open.
UNFINISHED = "state || '' in ('new', 'open')"
UNANSWERED = f"first_answer_at is null and {UNFINISHED}"
BY_DAEMON = "actor = 'daemon'"

arrivals = Table(
    "arrivals",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("mailbox", String(100), nullable=False),
    Column("folder", String(500), nullable=False),
    Column("uidvalidity", Integer, nullable=False),
    Column("uid", String(255), nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("fetched_at", Moment, nullable=False),
    Column("size", Integer, nullable=False),
    Column("truncated", Boolean, nullable=False, default=False),
    Column("message_id", Text, nullable=False, default=""),
    Column("sender", Text, nullable=False, default=""),
    Column("subject", Text, nullable=False, default=""),
    Column("digest", String(64), nullable=False),
    Column("touched_at", Moment),
    Column("state", String(20), nullable=False, default="pending"),
    Column("reason", Text, nullable=False, default=""),
    Column("ticket", String(11)),
    Column("attempts", Integer, nullable=False, default=0),
    Column("last_error", Text, nullable=False, default=""),
    Column("decided_at", Moment),
    Column("raw", LargeBinary),
    UniqueConstraint("mailbox", "folder", "uidvalidity", "uid", name="arrivals_once"),
    Index("arrivals_digest", "digest"),
    Index("arrivals_state", "state", "id"),
    Index("arrivals_untouched", "mailbox", "folder", "uidvalidity", sqlite_where=text("touched_at is null"),
          postgresql_where=text("touched_at is null")),
    Index("arrivals_ticket", "ticket", sqlite_where=text("ticket is not null"),
          postgresql_where=text("ticket is not null")),
    Index("arrivals_raw", "fetched_at", sqlite_where=text("raw is not null"), postgresql_where=text("raw is not null")),
    sqlite_autoincrement=True,
)  # fmt: skip

tickets = Table(
    "tickets",
    metadata,
    Column("id", String(11), primary_key=True),
    Column("state", String(10), nullable=False),
    Column("subject", Text, nullable=False),
    Column("requester_email", String(320), nullable=False),
    Column("requester_name", Text, nullable=False, default=""),
    Column("mailbox", String(100), nullable=False),
    Column("category", String(100), nullable=False, default=""),
    Column("department", String(200), nullable=False),
    Column("address", String(320), nullable=False),
    Column("priority", String(10), nullable=False),
    Column("sla_hours", Float, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("needs_review", Boolean, nullable=False, default=False),
    Column("linked_to", String(11), nullable=False, default=""),
    Column("forward_id", Text, nullable=False, default=""),
    Column("customer_id", Text, nullable=False, default=""),
    Column("not_acknowledged", Text, nullable=False, default="", server_default=""),
    Column("zone", String(60), nullable=False, default="UTC", server_default="UTC"),
    Column("merged_into", String(11), nullable=False, default="", server_default=""),
    Column("tags", Words, nullable=False, default=(), server_default="[]"),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("first_answer_at", Moment),
    Column("closed_at", Moment),
    Index("tickets_requester", "requester_email"),
    Index("tickets_state", "state", "due_at"),
    Index("tickets_page", "created_at", "id", "subject", "requester_email"),
    Index("tickets_state_page", "state", "created_at", "id"),
    Index("tickets_category_page", "category", "created_at", "id"),
    Index("tickets_department_page", "department", "created_at", "id"),
    Index("tickets_priority_page", "priority", "created_at", "id"),
    Index("tickets_unanswered", "due_at", "department", "id", sqlite_where=text(UNANSWERED),
          postgresql_where=text(UNANSWERED)),
    Index(
        "tickets_review_page",
        "created_at",
        "id",
        sqlite_where=text("needs_review = 1 and state <> 'closed'"),
        postgresql_where=text("needs_review and state <> 'closed'"),
    ),
)  # fmt: skip

participants = Table(
    "participants",
    metadata,
    Column("ticket", ForeignKey("tickets.id"), primary_key=True),
    Column("email", String(320), primary_key=True),
    Index("participants_email", "email"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("ticket", ForeignKey("tickets.id"), nullable=False),
    Column("direction", String(3), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("arrival", ForeignKey("arrivals.id")),
    Column("message_id", Text, nullable=False, default=""),
    Column("sender", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("new_text", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("files", Words, nullable=False, default=(), server_default="[]"),
    Index("messages_ticket", "ticket"),
    Index("messages_message_id", "message_id"),
    Index("messages_text", "at", sqlite_where=text("text <> ''"), postgresql_where=text("text <> ''")),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("ticket", ForeignKey("tickets.id"), nullable=False),
    Column("arrival", ForeignKey("arrivals.id")),
    Column("at", Moment, nullable=False),
    Column("actor", Text, nullable=False),
    Column("category", String(100), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("needs_review", Boolean, nullable=False),
    Column("review_reason", Text, nullable=False),
    Column("department", String(200), nullable=False),
    Column("priority", String(10), nullable=False),
    Column("sla_hours", Float, nullable=False),
    Column("tags", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("neighbours", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("judge", Text, nullable=False, default="", server_default=""),
    Column("views", Text, nullable=False, default="[]", server_default="[]"),
    Column("rules_version", String(64), nullable=False),
    Column("language", String(8), nullable=False, default="", server_default=""),
    Index("decisions_ticket", "ticket"),
    Index("decisions_confidence", "confidence", "ticket", sqlite_where=text(BY_DAEMON),
          postgresql_where=text(BY_DAEMON)),
)  # fmt: skip

votes = Table(
    "votes",
    metadata,
    Column("arrival", ForeignKey("arrivals.id"), primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("mailbox", String(100), nullable=False),
    Column("category", String(100), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("earned", Float, nullable=False),
    Column("to_triage", Text, nullable=False),
    Column("automatic", Boolean, nullable=False),
    Column("language", String(10), nullable=False),
    Index("votes_at", "at"),
)

rule_versions = Table(
    "rule_versions",
    metadata,
    Column("version", String(64), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("file", Text, nullable=False),
    Column("text", Text, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(20), nullable=False),
    Column("ticket", String(11), nullable=False, default=""),
    Column("arrival", ForeignKey("arrivals.id")),
    Column("mailbox", String(100), nullable=False, default="", server_default=""),
    Column("sender", String(320), nullable=False),
    Column("recipient", String(320), nullable=False),
    Column("message_id", Text, nullable=False),
    Column("state", String(10), nullable=False, default="pending"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("sent_at", Moment),
    Column("last_reply", Text, nullable=False, default=""),
    Column("size", Integer, nullable=False),
    Column("mime", LargeBinary),
    Column("copy_state", String(10), nullable=False, default="", server_default=""),
    Column("copy_attempts", Integer, nullable=False, default=0, server_default="0"),
    Index("outbox_copies", "mailbox", "id", sqlite_where=text("copy_state = 'wanted'"),
          postgresql_where=text("copy_state = 'wanted'")),
    Index("outbox_state", "state", "next_attempt_at"),
    Index("outbox_ticket", "ticket"),
    Index("outbox_message_id", "message_id"),
    Index("outbox_mime", "created_at", sqlite_where=text("mime is not null"),
          postgresql_where=text("mime is not null")),
)  # fmt: skip

examples = Table(
    "examples",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("text", Text, nullable=False),
    Column("category", String(100), nullable=False),
    Column("source", String(20), nullable=False),
    Column("ticket", String(11), nullable=False, default=""),
    Column("actor", Text, nullable=False, default=""),
    Column("active", Boolean, nullable=False, default=True),
    Column("created_at", Moment, nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("model", Text, nullable=False, default=""),
    Column("vector", LargeBinary),
    Column("changed", Integer, nullable=False, default=0, server_default="0"),
    Column("batch", Integer, nullable=False, default=0, server_default="0"),
    Column("withdrawal", Integer, nullable=False, default=0, server_default="0"),
    Index("examples_changed", "changed"),
    Index("examples_confirmed", "created_at", sqlite_where=text("source = 'confirmation'"),
          postgresql_where=text("source = 'confirmation'")),
)  # fmt: skip

example_imports = Table(
    "example_imports",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("actor", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("done", Integer, nullable=False, default=0),
    Column("added", Integer, nullable=False, default=0),
    Column("duplicates", Integer, nullable=False, default=0),
    Column("alike", Integer, nullable=False, default=0),
    Column("started_at", Moment, nullable=False),
    Column("finished_at", Moment),
)

example_changes = Table(
    "example_changes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("latest", Integer, nullable=False),
    Column("deleted", Integer, nullable=False),
)

index_target = Table(
    "index_target",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("place", Text, nullable=False),
    Column("epoch", Text, nullable=False, default=""),
    Column("dimension", Integer, nullable=False, default=0),
    Column("trouble", Text, nullable=False, default=""),
    Column("since", Moment, nullable=False),
    Column("checked_at", Moment),
    Column("count", Integer),
    Column("recall", Float),
)

index_entries = Table(
    "index_entries",
    metadata,
    Column("example", Integer, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False),
    Column("sent_at", Moment),
)

hourly = Table(
    "hourly",
    metadata,
    Column("what", String(10), primary_key=True),
    Column("hour", String(13), primary_key=True),
    Column("department", String(200), primary_key=True),
    Column("name", String(100), primary_key=True),
    Column("count", Integer, nullable=False),
    sqlite_with_rowid=False,
)

cursors = Table(
    "cursors",
    metadata,
    Column("mailbox", String(100), primary_key=True),
    Column("folder", String(500), primary_key=True),
    Column("uidvalidity", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("backlog", Integer, nullable=False),
    Column("since", Moment),
)

mailboxes = Table(
    "mailboxes",
    metadata,
    Column("mailbox", String(100), primary_key=True),
    Column("folder", String(500), primary_key=True),
    Column("polled_at", Moment, nullable=False),
    Column("succeeded_at", Moment),
    Column("failing_since", Moment),
    Column("last_error", Text, nullable=False, default=""),
    Column("refused", Boolean, nullable=False, default=False),
    Column("quota_used", BigInteger),
    Column("quota_limit", BigInteger),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(60), nullable=False),
    Column("subject", String(320), nullable=False),
    Column("title", Text, nullable=False),
    Column("problem", Text, nullable=False),
    Column("mend", Text, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("opened_at", Moment),
    Column("gone_at", Moment),
    Column("recovered_at", Moment),
    Column("mailed_at", Moment),
    Column("recovery_mailed_at", Moment),
    Column("posted_at", Moment),
    Column("recovery_posted_at", Moment),
    Column("post_due_at", Moment),
    Column("post_attempts", Integer, nullable=False, default=0),
    Column("post_error", Text, nullable=False, default=""),
    Index("incidents_unfinished", "name", "subject", unique=True, sqlite_where=text("recovered_at is null"),
          postgresql_where=text("recovered_at is null")),
    Index("incidents_post", "post_due_at", sqlite_where=text("post_due_at is not null"),
          postgresql_where=text("post_due_at is not null")),
    sqlite_autoincrement=True,
)  # fmt: skip

digests = Table(
    "digests",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("until", Moment, nullable=False),
    Column("mails", Integer, nullable=False),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("email", String(320), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("released_at", Moment),
)

auto_replies = Table(
    "auto_replies",
    metadata,
    Column("scope", String(340), primary_key=True),
    Column("tokens", Float, nullable=False),
    Column("at", Moment, nullable=False),
)

breakers = Table(
    "breakers",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("opened_at", Moment, nullable=False),
    Column("reason", Text, nullable=False),
    Column("released_at", Moment),
    Column("released_by", Text, nullable=False, default=""),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(100), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("scopes", String(100), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("created_by", Text, nullable=False, default=""),
    Column("revoked_at", Moment),
)

users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("email", String(320), nullable=False, unique=True),
    Column("role", String(10), nullable=False),
    Column("password", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("created_by", Text, nullable=False, default=""),
    sqlite_autoincrement=True,
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("user", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Index("sessions_user", "user"),
)

submissions = Table(
    "submissions",
    metadata,
    Column("caller", String(100), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("request", String(64), nullable=False),
    Column("arrival", ForeignKey("arrivals.id"), nullable=False),
    Column("ticket", String(11), nullable=False),
    Column("answer", Text, nullable=False, default=""),
    Column("at", Moment, nullable=False),
    Index("submissions_at", "at"),
)

track_links = Table(
    "track_links",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("ticket", ForeignKey("tickets.id"), nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", String(24), nullable=False),
    Column("actor", Text, nullable=False),
    Column("event", String(60), nullable=False),
    Column("ticket", String(11), nullable=False, default=""),
    Column("detail_digest", String(64), nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("audit_log_ticket", "ticket"),
    Index("audit_log_event", "event", "at"),
)

audit_detail = Table(
    "audit_detail",
    metadata,
    Column("seq", ForeignKey("audit_log.seq"), primary_key=True, autoincrement=False),
    Column("salt", String(32), nullable=False),
    Column("detail", Text, nullable=False),
)

audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("kind", String(10), primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("at", String(24), nullable=False),
    Column("tag", String(64), nullable=False),
)

retention = Table(
    "retention",
    metadata,
    Column("what", String(20), primary_key=True),
    Column("done_before", Moment, nullable=False),
)
