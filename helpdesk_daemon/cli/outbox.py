"""`outbox list`: mail on its way out."""

from __future__ import annotations

import click

from helpdesk_daemon.cli.common import as_json, print_json, print_rows, reading, settings_of

COLUMNS = {
    "id": "ID", "created_at": "At", "kind": "Kind", "ticket": "Tracking ID", "recipient": "To", "state": "State",
    "attempts": "Tries", "next_attempt_at": "Next", "last_reply": "Last reply",
}  # fmt: skip
STATES = ["pending", "sending", "sent", "deferred", "failed", "ambiguous", "held"]


@click.group()
def outbox() -> None:
    """Look at outgoing mail."""


@outbox.command("list")
@click.option("--state", multiple=True, type=click.Choice(STATES))
@click.option("--limit", default=50, show_default=True)
@as_json
@click.pass_context
def list_(ctx: click.Context, state: tuple[str, ...], limit: int, json_: bool) -> None:
    """Outgoing mails, newest first."""
    from helpdesk_daemon.adapters.store.reading import outbox_list

    rows = outbox_list(reading(ctx), state, limit)
    if json_:
        print_json(rows)
        return
    print_rows(rows, COLUMNS, "Outbox", "Nothing in the outbox.")


@outbox.command()
@click.pass_context
def release(ctx: click.Context) -> None:
    """Let mail go on that the circuit breaker holds."""
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.store.operate import release_breaker
    from helpdesk_daemon.wiring import open_store

    released = release_breaker(open_store(settings_of(ctx)), SystemClock())
    click.echo("released; held mail leaves within a minute" if released else "the breaker is not open")
