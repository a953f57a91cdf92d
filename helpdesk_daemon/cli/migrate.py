"""`migrate`: bring the database to this version's schema, or say whether it is as it should be."""

from __future__ import annotations

import click

from helpdesk_daemon.cli.common import as_json, print_json, reading, settings_of
from helpdesk_daemon.cli.main import EXIT_FINDINGS


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when it is not what a new database would be")
@as_json
@click.pass_context
def migrate(ctx: click.Context, check: bool, json_: bool) -> None:
    """Upgrade the database. The daemon does so itself when it starts; make a backup before."""
    from helpdesk_daemon.adapters.store.migrate import HEAD, current, differences
    from helpdesk_daemon.wiring.places import open_store

    engine = reading(ctx)
    before = current(engine)
    if not check and before != HEAD:
        _alone(ctx)
    after = before if check else current(open_store(settings_of(ctx)))
    found = differences(engine) if after == HEAD else [f"the schema is {after or 'none'}, this version has {HEAD}"]
    if json_:
        print_json({"from": before, "to": after, "newest": HEAD, "differences": found})
    else:
        click.echo(f"schema {after}" if before == after else f"schema {before} became {after}")
        for difference in found:
            click.secho(difference, fg="red")
    if found:
        ctx.exit(EXIT_FINDINGS)


def _alone(ctx: click.Context) -> None:
    """Make sure that no daemon of the older version is at work."""
    from helpdesk_daemon.adapters.store.engine import StageLock

    lock = StageLock(settings_of(ctx).data_dir)
    lock.acquire()
    lock.release()
