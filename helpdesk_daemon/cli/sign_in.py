"""`sign-in`: a person's consent becomes the refresh token that the daemon signs in with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from helpdesk_daemon.cli.common import settings_of, typed_command

if TYPE_CHECKING:
    from helpdesk_daemon.adapters.oauth.client import Client
    from helpdesk_daemon.settings import Settings


@click.command("sign-in")
@click.argument("name")
@click.option(
    "--port",
    default=0,
    type=click.IntRange(0, 65_535),
    metavar="N",
    help="On this machine, for the browser's way back [any that is free]",
)
@click.pass_context
def sign_in(ctx: click.Context, name: str, port: int) -> None:
    """Consent in a browser to the daemon's use of NAME: a mailbox, or smtp. The daemon may run meanwhile."""
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.oauth.consent import consent
    from helpdesk_daemon.wiring.accounts import tokens_of

    settings, clock = settings_of(ctx), SystemClock()
    client = _client(settings, name)
    kept = tokens_of(settings, clock).kept(client)
    consent(client, kept, clock, click.echo, port)
    click.echo(f"Signed in as {client.user}; the refresh token is kept in {kept.path}")
    click.echo(f"Try it: {typed_command()} check --network")


def _client(settings: Settings, name: str) -> Client:
    """The OAuth client of a table, by the table's name."""
    from helpdesk_daemon.errors import ConfigError
    from helpdesk_daemon.wiring.accounts import client_of

    clients = [client for table in settings.accounts if (client := client_of(table))]
    found = next((client for client in clients if client.name == name), None)
    if found is None:
        known = ", ".join(client.name for client in clients) or 'none; write auth = "xoauth2" and an oauth table'
        raise ConfigError("settings", name, "does not sign in with tokens", f"Those that do: {known}")
    if found.grant != "refresh_token":
        raise ConfigError("settings", f"{name}.oauth", f"{found.grant} needs nobody's consent", "Nothing is to do here")
    return found
