"""Bring a database file to the schema this version speaks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, inspect, text

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.engine import open_engine, transaction
from helpdesk_daemon.errors import StoreError
from helpdesk_daemon.ports import Audit

HEAD = "0020"
SCRIPTS = Path(__file__).parent / "migrations"


def current(engine: Engine) -> str:
    """The schema revision of a database, empty for a new file."""
    with transaction(engine) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return ""
        return str(connection.execute(text("select version_num from alembic_version")).scalar() or "")


def migrate(engine: Engine) -> None:
    """Upgrade to the newest revision; a database already there costs one query and no import.

    Raises:
        StoreError: the file belongs to a newer version of this program.
    """
    found = current(engine)
    if found == HEAD:
        return
    if found > HEAD:
        raise StoreError(f"the database has schema {found}, this version knows {HEAD}: upgrade helpdesk-daemon")
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    with transaction(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if found:
            audit.append(connection, [Audit("database.upgraded", {"from": found, "to": HEAD})], datetime.now(UTC))
        else:
            audit.sign_head(connection)


def differences(engine: Engine) -> list[str]:
    """In what a database of this version differs from a new one: tables, indexes, triggers and views, in words."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="helpdesk-") as folder:
        fresh = open_engine(Path(folder) / "fresh.db")
        migrate(fresh)
        wanted, found = _objects(fresh), _objects(engine)
        fresh.dispose()
    words = [f"{name} is missing" for name in sorted(wanted.keys() - found.keys())]
    words += [f"{name} is none of this program's" for name in sorted(found.keys() - wanted.keys())]
    return words + [f"{name} was changed" for name in sorted(wanted) if found.get(name, wanted[name]) != wanted[name]]


def _objects(engine: Engine) -> dict[str, str]:
    """Definitions by kind and name, white space folded; SQLite's own tables left out."""
    wanted = text("select type, name, coalesce(sql, '') as sql from sqlite_master where name not like 'sqlite_%'")
    with transaction(engine) as connection:
        return {f"{row.type} {row.name}": " ".join(row.sql.split()) for row in connection.execute(wanted)}
