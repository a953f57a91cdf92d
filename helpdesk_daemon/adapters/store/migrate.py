"""Bring a database file to the schema this version speaks."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, inspect, text

from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.errors import StoreError

HEAD = "0010"
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
