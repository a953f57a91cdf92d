"""`model export`: make the file the daemon runs out of the original weights."""

from __future__ import annotations

from pathlib import Path

import click

from helpdesk_daemon.cli.common import settings_of


@click.group()
def model() -> None:
    """The embedding model."""


@model.command()
@click.option("--to", type=click.Path(path_type=Path), help="Folder to write [the data folder's]")
@click.option("--prepared", is_flag=True, help="Into this Python environment, for every data folder")
@click.option("--force", is_flag=True, help="Also when it is already there")
@click.pass_context
def export(ctx: click.Context, to: Path | None, prepared: bool, force: bool) -> None:
    """Export the model that `[model]` names for the daemon; needs the extra [export], once."""
    from helpdesk_daemon.adapters.model import export as exporting
    from helpdesk_daemon.wiring.places import model_folder, model_of, prepared_model
    from helpdesk_daemon.wiring.voting import keep_starter_vectors

    named = exporting.SHIPPED if prepared else model_of(settings_of(ctx))
    folder = prepared_model() if prepared else to or model_folder(settings_of(ctx))
    there = exporting.is_exported(folder, named) and not force
    if not there:
        exporting.export(folder, model=named)
    click.echo(f"{'already there' if there else 'exported'}: {folder}")
    if keep_starter_vectors(folder):
        click.echo("kept beside it: the vectors of the starter tickets, for a quick first start")
