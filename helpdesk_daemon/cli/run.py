"""`run` serves until stopped; `once` drains every stage and exits."""

from __future__ import annotations

import gc

import click

from helpdesk_daemon.cli.common import settings_of


@click.command()
@click.pass_context
def run(ctx: click.Context) -> None:
    """Serve: poll, decide, deliver, until SIGTERM or Ctrl-C."""
    from helpdesk_daemon import log
    from helpdesk_daemon.app import running
    from helpdesk_daemon.wiring.places import ensure_model, model_folder, model_of

    settings = settings_of(ctx)
    log.setup(settings.log.level, settings.log.format)
    ensure_model(model_folder(settings), model_of(settings))
    with running(settings, serves=True) as (app, runner):
        gc.freeze()  # what is loaded by now stays: collections of garbage need not walk through it again
        runner.run(app.run())


@click.command()
@click.pass_context
def once(ctx: click.Context) -> None:
    """Take, decide and send everything there is, then exit."""
    from helpdesk_daemon import log
    from helpdesk_daemon.app import running
    from helpdesk_daemon.wiring.places import ensure_model, model_folder, model_of

    settings = settings_of(ctx)
    log.setup(settings.log.level, settings.log.format)
    ensure_model(model_folder(settings), model_of(settings))
    with running(settings) as (app, runner):
        new = runner.run(app.once())
    click.echo(f"{new} new mails taken")
