"""`tokens create|list|revoke`: who may call the API, and what for."""

from __future__ import annotations

import click

from helpdesk_daemon.cli.common import as_json, print_json, print_rows, reading, settings_of
from helpdesk_daemon.cli.moving import operator

SCOPES = ("submit", "read", "manage")
COLUMNS = {"id": "ID", "name": "Name", "scopes": "Scopes", "created_at": "Since", "created_by": "Actor",
           "revoked_at": "Over"}  # fmt: skip


@click.group()
def tokens() -> None:
    """Tokens of the REST API."""


@tokens.command()
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="Once for each")
@as_json
@click.pass_context
def create(ctx: click.Context, name: str, scopes: tuple[str, ...], json_: bool) -> None:
    """Make a token for a program; it is shown once."""
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.store.access.tokens import create as make
    from helpdesk_daemon.wiring.places import open_store

    chosen = [scope for scope in SCOPES if scope in scopes]
    token = make(open_store(settings_of(ctx)), SystemClock(), name[:100], chosen, operator())
    if json_:
        print_json({"name": name[:100], "scopes": chosen, "token": token})
        return
    click.echo(token)
    click.echo(f"May {', '.join(chosen)}. Keep it now: it cannot be shown again.", err=True)


@tokens.command("list")
@click.option("--revoked", is_flag=True, help="Also those that were revoked")
@as_json
@click.pass_context
def list_(ctx: click.Context, revoked: bool, json_: bool) -> None:
    """Tokens that are in use."""
    from helpdesk_daemon.adapters.store.access.tokens import token_list

    rows = token_list(reading(ctx), revoked)
    columns = COLUMNS if revoked else {key: name for key, name in COLUMNS.items() if key != "revoked_at"}
    print_json(rows) if json_ else print_rows(
        rows, columns, "Tokens", "No tokens. `helpdesk-daemon tokens create NAME --scope read` makes one."
    )


@tokens.command()
@click.argument("number", type=int)
@click.pass_context
def revoke(ctx: click.Context, number: int) -> None:
    """End a token, by its number in `tokens list`."""
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.store.access.tokens import revoke as end
    from helpdesk_daemon.wiring.places import open_store

    if not end(open_store(settings_of(ctx)), SystemClock(), number, operator()):
        raise click.ClickException(f"no token in use has the number {number}; see `helpdesk-daemon tokens list`")
    click.echo(f"token {number} is revoked")
