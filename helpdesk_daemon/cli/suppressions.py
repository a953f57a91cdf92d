"""`suppressions list|release`: addresses that are not acknowledged because mail to them came back."""

from __future__ import annotations

import click

from helpdesk_daemon.cli.common import as_json, print_json, print_rows, reading, settings_of
from helpdesk_daemon.cli.main import EXIT_FINDINGS

COLUMNS = {"at": "At", "email": "Address", "reason": "Reason", "released_at": "Released"}


@click.group()
def suppressions() -> None:
    """Addresses that bounced."""


@suppressions.command("list")
@click.option("--released", is_flag=True, help="Also those that were released")
@click.option("--limit", default=50, show_default=True)
@as_json
@click.pass_context
def list_(ctx: click.Context, released: bool, limit: int, json_: bool) -> None:
    """Addresses that are not acknowledged, newest first."""
    from helpdesk_daemon.adapters.store.views.reading import suppression_list

    rows = suppression_list(reading(ctx), released, limit)
    columns = COLUMNS if released else {key: name for key, name in COLUMNS.items() if key != "released_at"}
    print_json(rows) if json_ else print_rows(rows, columns, "Suppressed addresses", "No address is suppressed.")


@suppressions.command()
@click.argument("emails", nargs=-1, required=True)
@click.pass_context
def release(ctx: click.Context, emails: tuple[str, ...]) -> None:
    """Acknowledge addresses again."""
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.store.upkeep.operate import release_suppressions
    from helpdesk_daemon.wiring.places import open_store

    found = release_suppressions(open_store(settings_of(ctx)), SystemClock(), emails)
    missing = [email for email in emails if email.lower() not in found]
    click.echo(f"released: {', '.join(found) or 'none'}")
    if missing:
        click.echo(f"not suppressed: {', '.join(missing)}", err=True)
        ctx.exit(EXIT_FINDINGS)
