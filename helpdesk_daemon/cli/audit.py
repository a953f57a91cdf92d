"""`audit tail|verify|reconcile`: read the log, prove that nobody changed it, and that no mail is missing."""

from __future__ import annotations

import json

import click

from helpdesk_daemon.cli.common import as_json, print_json, print_rows, reading
from helpdesk_daemon.cli.main import EXIT_FINDINGS
from helpdesk_daemon.cli.reconcile import reconcile


@click.group()
def audit() -> None:
    """The audit log."""


audit.add_command(reconcile)


@audit.command()
@click.option("--limit", default=30, show_default=True)
@click.option("--ticket", default="", help="Only this tracking ID")
@click.option("--event", default="", help="Only this event; * stands for anything")
@as_json
@click.pass_context
def tail(ctx: click.Context, limit: int, ticket: str, event: str, json_: bool) -> None:
    """The last lines."""
    from helpdesk_daemon.adapters.store.reading import audit_tail
    from helpdesk_daemon.tickets.tracking import read_tracking_id

    rows = audit_tail(reading(ctx), limit, read_tracking_id(ticket) if ticket else "", event)
    if json_:
        print_json(rows)
        return
    shown = [row | {"at": row["at"][:19], "detail": json.dumps(row["detail"], ensure_ascii=False)} for row in rows]
    columns = {
        "seq": "ID",
        "at": "At",
        "event": "Event",
        "ticket": "Tracking ID",
        "actor": "Actor",
        "detail": "Detail",
    }
    print_rows(shown, columns, "Audit log", "The audit log is empty.")


@audit.command()
@as_json
@click.pass_context
def verify(ctx: click.Context, json_: bool) -> None:
    """Walk the hash chain; exit 1 when a row does not hold."""
    from helpdesk_daemon.adapters.store import audit as chain
    from helpdesk_daemon.adapters.store.engine import transaction

    with transaction(reading(ctx)) as connection:
        good, problem = chain.verify(connection)
    if json_:
        print_json({"rows": good, "problem": problem or None})
    else:
        click.echo(f"{good} rows hold" + (f"; {problem}" if problem else ", all of them"))
    if problem:
        click.get_current_context().exit(EXIT_FINDINGS)
