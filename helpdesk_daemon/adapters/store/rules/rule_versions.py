"""The text of all rules that were ever in use, so that old decisions can be explained."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.dialects.sqlite import insert

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.schema.deciding import decisions, rule_versions
from helpdesk_daemon.ports import Audit, Clock
from helpdesk_daemon.triage.rules import Routing


def keep_rules(engine: Engine, clock: Clock, routing: Routing, file: str, before: str = "") -> None:
    """Keep the text of rules that are about to be used, and that it is they.

    Args:
        engine: the database.
        clock: tells the time.
        routing: the rules.
        file: where they stand.
        before: digest of those that were in use until now; empty at a start.
    """
    now = clock.now()
    used = {"at": now, "file": file}
    row = insert(rule_versions).values(version=routing.version, text=routing.text, **used)
    here = select(rule_versions.c.version).where(rule_versions.c.version == routing.version)
    with transaction(engine) as connection:
        known = connection.execute(here).first()
        connection.execute(row.on_conflict_do_update(index_elements=["version"], set_=used))
        if before or not known:
            detail = {"file": file, "version": routing.version, "before": before}
            audit.append(connection, [Audit("rules.loaded", detail)], now)


def versions(engine: Engine, limit: int) -> list[dict[str, Any]]:
    """All versions with how many decisions they made, the latest first."""
    kept = rule_versions.c
    counts = select(decisions.c.rules_version, func.count()).group_by(decisions.c.rules_version)
    wanted = select(kept.version, kept.at, kept.file).order_by(kept.at.desc()).limit(limit)
    with transaction(engine) as connection:
        made = {version: count for version, count in connection.execute(counts)}  # noqa: C416  rows are no pairs to mypy
        rows = connection.execute(wanted).mappings()
        return [dict(row) | {"decisions": made.get(row["version"], 0)} for row in rows]


def last_used(engine: Engine, file: str) -> str | None:
    """The text of the rules that were last in use from a file; None where none ever were."""
    wanted = select(rule_versions.c.text).where(rule_versions.c.file == file).order_by(rule_versions.c.at.desc())
    with transaction(engine) as connection:
        return connection.execute(wanted.limit(1)).scalar()


def text_of_version(engine: Engine, beginning: str) -> tuple[str, str] | None:
    """The first version whose digest begins so, with its text; None when there is none."""
    wanted = select(rule_versions.c.version, rule_versions.c.text).where(
        rule_versions.c.version.startswith(beginning, autoescape=True)
    )
    with transaction(engine) as connection:
        row = connection.execute(wanted.order_by(rule_versions.c.at.desc()).limit(1)).first()
        return (row.version, row.text) if row else None
