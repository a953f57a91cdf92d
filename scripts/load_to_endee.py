"""Load labelled tickets into Endee: `python -m scripts.load_to_endee [--settings FILE] [TICKETS.csv …]`.

Rows of the CSV files (`subject`, `body`, `category`, or `text`, `category`) become examples first, as the database is
where the truth is kept; then the server is brought in step, as by `helpdesk-daemon index sync`. Interrupted, it goes on
at the next start; the daemon may run meanwhile.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.store.learning.examples import Examples
from helpdesk_daemon.cli.index import bring_in_step
from helpdesk_daemon.errors import ConfigError, HelpdeskError
from helpdesk_daemon.settings import load_settings
from helpdesk_daemon.triage.text import judged_text
from helpdesk_daemon.wiring.places import open_store


@click.command()
@click.option("--settings", "file", type=click.Path(path_type=Path), default="settings.toml", show_default=True)
@click.option("--rebuild", is_flag=True, help="Drop the index on the server first")
@click.argument("tables", nargs=-1, type=click.Path(path_type=Path, exists=True))
def main(file: Path, rebuild: bool, tables: tuple[Path, ...]) -> None:
    """Load labelled tickets into Endee."""
    csv.field_size_limit(sys.maxsize)
    try:
        settings = load_settings(file)
        store = Examples(open_store(settings), SystemClock())
        for table in tables:
            click.echo(f"{table}: {store.add(list(tickets(table)), 'import')} new examples", err=True)
        bring_in_step(settings, anew=rebuild)
    except HelpdeskError as error:
        raise click.ClickException(str(error)) from error


def tickets(table: Path) -> Iterator[tuple[str, str]]:
    """The rows of a CSV file as (text, category).

    Raises:
        ConfigError: a column is missing.
    """
    with table.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        names = set(reader.fieldnames or ())
        if "category" not in names or not names & {"text", "body", "subject"}:
            problem = f"has the columns {', '.join(sorted(names)) or 'of an empty file'}"
            raise ConfigError(str(table), "", problem, "It needs category, and subject and body, or text")
        for row in reader:
            text = row.get("text") or judged_text(row.get("subject") or "", row.get("body") or "")
            if text.strip() and (row["category"] or "").strip():
                yield text, row["category"].strip()


if __name__ == "__main__":
    main()
