"""What several commands share: finding settings, opening the database, rendering tables or JSON."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helpdesk_daemon.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from helpdesk_daemon.settings import Settings

# Headings whose column keeps its width, in characters; the others share what is left.
FIXED = {
    "Tracking ID": 11, "ID": 6, "Due": 16, "At": 19, "Sent": 16, "Next": 16, "Conf.": 5, "Tries": 5, "State": 9,
    "Bytes": 8, "Category": 11, "Department": 17, "Priority": 12, "Kind": 15, "Event": 24, "Actor": 12, "Mailbox": 10,
    "Since": 16, "Answer": 7, "Over": 16, "Told by": 13, "Source": 12, "Withdrawal": 10,
    "Right": 7, "95 %": 14, "Judged": 6, "Moved": 5, "Closed": 6,
    "At most": 7, "Tickets": 7,
}  # fmt: skip
READABLE = 18
PIPED_WIDTH = 150  # characters, where no terminal says how many there are
DROPPED_FIRST = (
    "Actor", "Message-ID", "Next", "Tries", "Conf.", "Answer", "Priority", "Mailbox", "State", "Department",
    "Last reply", "At",
)  # fmt: skip
ACTING = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # characters that a terminal obeys
as_json = click.option("--json", "json_", is_flag=True, help="One JSON document instead of a table")


def settings_of(ctx: click.Context) -> Settings:
    """The settings the command line names; the shipped ones, for this folder, when there are none here."""
    from helpdesk_daemon.cli.main import default_settings
    from helpdesk_daemon.settings import load_settings
    from helpdesk_daemon.wiring.places import shipped

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
    from helpdesk_daemon.wiring.places import database

    path = database(settings_of(ctx))
    if not path.exists():
        raise ConfigError(str(path), "", "there is no database yet", "Start the daemon, or try `helpdesk-daemon demo`")
    return open_engine(path, readonly=True)


def current_schema(engine: Engine) -> Engine:
    """The same engine, for what older databases do not have.

    Raises:
        ConfigError: the database is not of this version.
    """
    from helpdesk_daemon.adapters.store.migrate import HEAD, current

    if current(engine) != HEAD:
        mend = "Upgrade it: `helpdesk-daemon migrate`"
        raise ConfigError(str(engine.url.database), "", "belongs to another version", mend)
    return engine


def typed_command() -> str:
    """The command as this user can type it: its name, or its path where the shell would not find it."""
    script = Path(sys.argv[0])
    if shutil.which(script.name) or script.name == "__main__.py":
        return script.name if script.name != "__main__.py" else "python -m helpdesk_daemon"
    return os.path.relpath(script) if script.is_relative_to(Path.cwd()) else str(script)


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

    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    console = Console(highlight=False, width=PIPED_WIDTH if piped else None)
    if not rows:
        console.print(empty, markup=False)
        return
    shown = fitting(columns, console.width)
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    for heading in shown.values():
        width = FIXED.get(heading)
        table.add_column(heading, no_wrap=True, overflow="ellipsis", width=width, ratio=None if width else 1)
    for row in rows:
        table.add_row(*(Text(cell(row.get(key))) for key in shown))
    console.print(table)


def fitting(columns: Mapping[str, str], width: int) -> dict[str, str]:
    """The columns that a terminal of some width has room for; `--json` has all of them."""
    shown = dict(columns)
    for heading in DROPPED_FIRST:
        if sum(FIXED.get(name, READABLE) + 2 for name in shown.values()) <= width:
            break
        shown = {key: name for key, name in shown.items() if name != heading}
    return shown


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
    return readable(" ".join(str(value).split()))


def readable(text: str) -> str:
    """A stranger's line as a terminal may show it: no control characters, nothing that turns its direction."""
    return ACTING.sub(" ", text)


def actor() -> str:
    """Who gives a command, for the audit log."""
    try:
        return f"operator {getpass.getuser()}"
    except (OSError, KeyError):  # an account without a name
        return "operator"


def hours(value: float) -> str:
    """Hours as a table shows them."""
    return f"{value:g} h"
