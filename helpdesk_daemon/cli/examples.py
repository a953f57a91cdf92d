"""`examples list|stats|import|export|withdraw|restore`: the labelled tickets that the classifier goes by."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helpdesk_daemon.cli.common import actor, as_json, cell, print_json, print_rows, reading, settings_of
from helpdesk_daemon.cli.evaluate import FILE, mapped, relabelled

if TYPE_CHECKING:
    from helpdesk_daemon.adapters.import_examples import Import
    from helpdesk_daemon.adapters.store.learning.curation import Chosen
    from helpdesk_daemon.adapters.tickets_csv import Tickets

COLUMNS = {
    "id": "ID", "category": "Category", "source": "Source", "actor": "Actor", "ticket": "Tracking ID",
    "created_at": "At", "text": "Text",
}  # fmt: skip
EXPORTED = ("id", "subject", "body", "category", "source", "actor", "ticket", "batch", "created_at")
SHOWN = 300  # characters of a text in a table


@click.group()
def examples() -> None:
    """The labelled tickets that new mail is compared with."""


def _choosing(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which examples are meant."""
    for option in (
        click.option("--batch", default=0, metavar="N", help="Of one import, see `examples stats`"),
        click.option("--ticket", default="", metavar="ID", help="Learnt from a ticket"),
        click.option("--category", default="", help="With this label"),
        click.option("--person", default="", metavar="WHO", help="Labelled by this address or user"),
        click.option("--source", default="", type=click.Choice(["seed", "import", "correction", "confirmation", ""]),
                     metavar="SOURCE", help="seed, import, correction or confirmation"),
    ):  # fmt: skip
        command = option(command)
    return command


def _chosen(ids: tuple[int, ...] = (), ticket: str = "", withdrawal: int = 0, **given: Any) -> Chosen:
    from helpdesk_daemon.adapters.store.learning.curation import Chosen
    from helpdesk_daemon.tickets.tracking import read_tracking_id

    if ticket and not read_tracking_id(ticket):
        raise click.ClickException(f"{ticket!r} is no tracking ID; one looks like HD-7K3M9QX2")
    return Chosen(ids, ticket=read_tracking_id(ticket), withdrawal=withdrawal, **given)


@examples.command("list")
@_choosing
@click.option("--state", type=click.Choice(["active", "withdrawn", "all"]), default="active", show_default=True)
@click.option("--limit", default=50, show_default=True, help="0 for all")
@as_json
@click.pass_context
def list_(ctx: click.Context, /, state: str, limit: int, json_: bool, **given: Any) -> None:
    """The newest examples: what they say, their label, and where that comes from."""
    from helpdesk_daemon.adapters.store.learning.curation import listed

    rows = listed(reading(ctx), _chosen(**given), state, limit)
    if json_:
        print_json(rows)
        return
    columns = dict(COLUMNS)
    if state != "active":
        columns["withdrawal"] = "Withdrawal"
    shown = [{**row, "text": row["text"][:SHOWN], "withdrawal": row["withdrawal"] or None} for row in rows]
    print_rows(shown, columns, "Examples", "No such examples.")


@examples.command()
@as_json
@click.pass_context
def stats(ctx: click.Context, json_: bool) -> None:
    """How many examples there are, and where they come from."""
    from helpdesk_daemon.adapters.store.learning.curation import SOURCES, counted

    found = counted(reading(ctx))
    if json_:
        print_json(found)
        return
    rows = [
        {"category": category, **sources, "all": sum(sources.values())}
        for category, sources in sorted(found["by_category"].items())
    ]
    names = {source: source for source in SOURCES if any(source in row for row in rows)}
    print_rows(rows, {"category": "Category", **names, "all": "all"}, "Examples that vote", "No examples.")
    if found["withdrawn"]:
        click.echo(f"{found['withdrawn']} are withdrawn.")
    if found["by_person"]:
        print_rows(found["by_person"], {"person": "Person", "examples": "Examples"}, "\nBy person", "")
    if found["imports"]:
        columns = {"id": "ID", "started_at": "At", "name": "File", "actor": "Actor", "done": "Rows", "added": "Added",
                   "duplicates": "Duplicates", "alike": "Alike", "finished_at": "Finished"}  # fmt: skip
        print_rows(found["imports"], columns, "\nImports", "")


@examples.command("import")
@click.argument("file", type=FILE)
@mapped
@relabelled
@click.option("--skip-unknown", is_flag=True, help="Leave out rows whose label is no category")
@as_json
@click.pass_context
def import_(
    ctx: click.Context, file: Path, columns: dict[str, str], relabel: dict[str, str], skip_unknown: bool, json_: bool
) -> None:
    """Import labelled tickets from a CSV file (subject, body, category).

    Rows that say the same as an example, or as a row before, are refused and counted. An import that was interrupted
    goes on where it was when the same command is given again. The running daemon goes by the examples at once.
    """
    from helpdesk_daemon.adapters.import_examples import check_categories
    from helpdesk_daemon.adapters.tickets_csv import read_tickets
    from helpdesk_daemon.wiring.desks import routings_of

    tickets = read_tickets(file, columns, relabel)
    found = {name: None for routing in routings_of(settings_of(ctx)).values() for name in routing.categories}
    skipped = 0
    if skip_unknown:
        kept = [i for i, label in enumerate(tickets.labels) if label in found]
        skipped, tickets = len(tickets) - len(kept), tickets.pick(kept)
    check_categories(str(file), tickets, found)
    if not len(tickets):
        raise click.ClickException(f"{file}: no row has words and a label")
    done = _import(ctx, tickets, file.name)
    if json_:
        from dataclasses import asdict

        print_json(asdict(done) | {"skipped": skipped})
        return
    if done.resumed == done.rows:
        click.echo(f"{file.name} was imported before, as import {done.batch}: nothing is new. What was withdrawn of it "
                   f"comes back with: helpdesk-daemon examples restore --batch {done.batch}")  # fmt: skip
        return
    if done.resumed:
        click.echo(f"Went on at row {done.resumed + 1}.")
    click.echo(
        f"{done.added} of {done.rows} became examples; {done.duplicates} were there already, {done.alike} say the same "
        "as another" + (f", {skipped} have a label that is no category." if skipped else ".")
    )
    click.echo(f"Take it back with: helpdesk-daemon examples withdraw --batch {done.batch}")


def _import(ctx: click.Context, tickets: Tickets, name: str) -> Import:
    """Import with a progress bar on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from helpdesk_daemon import log
    from helpdesk_daemon.wiring.voting import import_tickets

    settings = settings_of(ctx)
    log.setup("error", settings.log.format)
    bar = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*bar, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("importing", total=len(tickets))

        def told(state: Import) -> None:
            words = f"importing, {state.added} new"
            progress.update(task, completed=state.done, total=state.rows, description=words)

        return import_tickets(settings, tickets, name, actor(), told)


@examples.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@_choosing
@click.option("--state", type=click.Choice(["active", "withdrawn", "all"]), default="active", show_default=True)
@click.pass_context
def export(ctx: click.Context, /, file: Path, state: str, **given: Any) -> None:
    """Write examples to a CSV file, or - for standard output; `examples import` and `evaluate` read it."""
    from helpdesk_daemon.adapters.store.learning.curation import listed

    rows = listed(reading(ctx), _chosen(**given), state)[::-1]
    if str(file) == "-":
        _write(sys.stdout, rows)
        return
    with file.open("w", encoding="utf-8", newline="") as out:
        _write(out, rows)
    file.chmod(0o600)  # it holds what customers wrote
    click.echo(f"{len(rows)} examples: {file}", err=True)


def _write(out: Any, rows: list[dict[str, Any]]) -> None:
    writer = csv.DictWriter(out, EXPORTED, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        at = row["created_at"].isoformat(timespec="seconds")
        writer.writerow({**row, "subject": "", "body": row["text"], "created_at": at})


@examples.command()
@click.argument("ids", nargs=-1, type=int)
@_choosing
@as_json
@click.pass_context
def withdraw(ctx: click.Context, /, ids: tuple[int, ...], json_: bool, **given: Any) -> None:
    """Let examples vote no more: by number, person, source, category, ticket or import."""
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.store.learning.curation import withdraw as take_out

    number, found = take_out(_writing(ctx), SystemClock(), _chosen(ids, **given), actor())
    if json_:
        print_json({"withdrawal": number or None, "examples": found})
    elif found:
        click.echo(f"{_many(found)} no more. Undo: helpdesk-daemon examples restore --withdrawal {number}")
    else:
        click.echo("No example that votes is like that.")


@examples.command()
@click.argument("ids", nargs=-1, type=int)
@_choosing
@click.option("--withdrawal", default=0, metavar="N", help="All that one withdrawal took")
@as_json
@click.pass_context
def restore(ctx: click.Context, /, ids: tuple[int, ...], json_: bool, **given: Any) -> None:
    """Let withdrawn examples vote again."""
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.store.learning.curation import restore as take_back

    back, disputed = take_back(_writing(ctx), SystemClock(), _chosen(ids, **given), actor())
    if json_:
        print_json({"examples": back, "disputed": disputed})
        return
    click.echo(f"{_many(back)} again." if back else "No withdrawn example is like that.")
    if disputed:
        numbers = ", ".join(map(str, disputed[:10])) + (" and more" if len(disputed) > 10 else "")
        click.echo(f"Not {numbers}: the same text has got another label since.")


def _many(found: list[int]) -> str:
    return "1 example votes" if len(found) == 1 else f"{cell(len(found))} examples vote"


def _writing(ctx: click.Context) -> Any:
    """The database, to change it; it must be there."""
    from helpdesk_daemon.wiring.places import open_store

    reading(ctx).dispose()
    return open_store(settings_of(ctx))
