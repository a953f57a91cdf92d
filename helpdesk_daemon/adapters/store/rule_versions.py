"""The text of all rules that were ever in use, so that old decisions can be explained."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.dialects.sqlite import insert

from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.schema import decisions, rule_versions


def keep_version(engine: Engine, version: str, text: str, now: datetime) -> None:
    """Keep a text under its digest; one that is there already stays."""
    with transaction(engine) as connection:
        connection.execute(insert(rule_versions).values(version=version, text=text, at=now).on_conflict_do_nothing())


def versions(engine: Engine, limit: int) -> list[dict[str, Any]]:
    """All versions with how many decisions they made, the latest first."""
    made = select(func.count()).where(decisions.c.rules_version == rule_versions.c.version).scalar_subquery()
    wanted = select(rule_versions.c.version, rule_versions.c.at, made.label("decisions"))
    with transaction(engine) as connection:
        rows = connection.execute(wanted.order_by(rule_versions.c.at.desc()).limit(limit)).mappings()
        return [dict(row) for row in rows]


def text_of_version(engine: Engine, beginning: str) -> tuple[str, str] | None:
    """The first version whose digest begins so, with its text; None when there is none."""
    wanted = select(rule_versions.c.version, rule_versions.c.text).where(
        rule_versions.c.version.startswith(beginning, autoescape=True)
    )
    with transaction(engine) as connection:
        row = connection.execute(wanted.order_by(rule_versions.c.at.desc()).limit(1)).first()
        return (row.version, row.text) if row else None
