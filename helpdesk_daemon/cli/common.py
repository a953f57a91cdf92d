"""What several commands share: finding settings, opening the database, rendering tables or JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helpdesk_daemon.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from helpdesk_daemon.settings import Settings

as_json = click.option("--json", "json_", is_flag=True, help="One JSON document instead of a table")


def settings_of(ctx: click.Context) -> Settings:
    """The settings the command line names; the shipped ones, for this folder, when there are none here."""
    from helpdesk_daemon.app import shipped
    from helpdesk_daemon.cli.main import default_settings
    from helpdesk_daemon.settings import load_settings

    named: Path | None = ctx.find_root().obj
    path = named or default_settings()
    if named is None and "HELPDESK_SETTINGS" not in os.environ and not path.exists():
        return load_settings(shipped("settings.toml"), Path.cwd())
    return load_settings(path)


def reading(ctx: click.Context) -> Engine:
    """The database, for looking only.

    Raises:
        ConfigError: there is none yet.
    """
    from helpdesk_daemon.adapters.store.engine import open_engine
    from helpdesk_daemon.app import database

    path = database(settings_of(ctx))
    if not path.exists():
        raise ConfigError(str(path), "", "there is no database yet", "Start the daemon, or try `helpdesk-daemon demo`")
    return open_engine(path, readonly=True)


def plain(value: object) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return str(value)


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=plain))


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], title: str, empty: str) -> None:
    """A table of some columns.

    Args:
        rows: what to show.
        columns: key in a row to heading.
        title: above the table.
        empty: said when there are no rows.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not rows:
        console.print(empty, markup=False)
        return
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in columns.values():
        table.add_column(heading, overflow="fold" if heading in ("Tracking ID", "ID") else "ellipsis",
                         no_wrap=heading in ("Tracking ID", "ID", "Due", "At"))  # fmt: skip
    for row in rows:
        table.add_row(*(Text(cell(row.get(key))) for key in columns))
    console.print(table)


def cell(value: object) -> str:
    """A value as a table shows it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%d %b %H:%M UTC")
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, bool):
        return "yes" if value else ""
    return " ".join(str(value).split())


def hours(value: float) -> str:
    """Hours as a table shows them."""
    return f"{value:g} h"
