"""`keys rotate`: new mail is signed with a new key."""

from __future__ import annotations

import click

from helpdesk_daemon.cli.common import as_json, print_json, settings_of
from helpdesk_daemon.cli.moving import operator


@click.group()
def keys() -> None:
    """The keys that sign reply addresses and Message-IDs."""


@keys.command()
@as_json
@click.pass_context
def rotate(ctx: click.Context, json_: bool) -> None:
    """Make a new key. What older keys signed stays valid: replies to mail already sent find their tickets."""
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.keys import rotate_signing, signing_file
    from helpdesk_daemon.adapters.store.upkeep.operate import note
    from helpdesk_daemon.ports import Audit
    from helpdesk_daemon.wiring.places import open_store

    settings = settings_of(ctx)
    engine = open_store(settings)
    count = rotate_signing(settings.data_dir)
    note(engine, SystemClock(), Audit("keys.rotated", {"keys": count}, actor=operator()))
    path = signing_file(settings.data_dir)
    if json_:
        print_json({"file": str(path), "keys": count})
        return
    click.echo(f"{path} holds {count} keys; the first one signs, all verify.")
    click.echo("A running daemon uses the new key from its next start on. Back the file up.")
