"""`users add|list|role|passwd|remove`: who may sign in to the console; passwords are typed or piped."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from helpdesk_daemon.cli.common import as_json, current_schema, print_json, print_rows, reading, settings_of
from helpdesk_daemon.cli.moving import operator

if TYPE_CHECKING:
    from helpdesk_daemon.adapters.store.access.users import Users

ROLES = ("viewer", "agent", "admin")
COLUMNS = {"email": "Address", "role": "Role", "created_at": "Since", "created_by": "Actor", "seen_at": "Seen"}
from_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from standard input, one line")
of_role = click.Choice(ROLES)


@click.group()
def users() -> None:
    """Accounts of the console: a viewer looks, an agent acts on tickets and labels, an admin does the rest."""


def _accounts(ctx: click.Context) -> Users:
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.store.access.users import Users
    from helpdesk_daemon.wiring.places import open_store

    return Users(open_store(settings_of(ctx)), SystemClock())


def _password(piped: bool) -> str:
    if piped:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


@users.command()
@click.argument("email")
@click.option("--role", type=of_role, default="agent", show_default=True)
@from_stdin
@click.pass_context
def add(ctx: click.Context, email: str, role: str, password_stdin: bool) -> None:
    """Make an account for somebody; the first one should be an admin."""
    _accounts(ctx).add(email, role, _password(password_stdin), operator())
    click.echo(f"{email.strip().lower()} may sign in as {role}, at /sign-in/")


@users.command("list")
@as_json
@click.pass_context
def list_(ctx: click.Context, json_: bool) -> None:
    """All accounts, and when each was last seen in the console while signed in."""
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.store.access.users import Users

    rows = Users(current_schema(reading(ctx)), SystemClock()).users()
    empty = "No accounts. `helpdesk-daemon users add ADDRESS --role admin` makes one."
    print_json(rows) if json_ else print_rows(rows, COLUMNS, "Accounts of the console", empty)


@users.command()
@click.argument("email")
@click.argument("role", type=of_role)
@click.pass_context
def role(ctx: click.Context, email: str, role: str) -> None:
    """Give an account another role; it counts at once."""
    _accounts(ctx).set_role(email, role, operator())
    click.echo(f"{email.strip().lower()} is {role} now")


@users.command()
@click.argument("email")
@from_stdin
@click.pass_context
def passwd(ctx: click.Context, email: str, password_stdin: bool) -> None:
    """Give an account another password; its browsers are signed out."""
    _accounts(ctx).set_password(email, _password(password_stdin), operator())
    click.echo(f"{email.strip().lower()} has another password, and is signed out everywhere")


@users.command()
@click.argument("email")
@click.pass_context
def remove(ctx: click.Context, email: str) -> None:
    """End an account; its browsers are signed out."""
    _accounts(ctx).remove(email, operator())
    click.echo(f"{email.strip().lower()} may no longer sign in")
