"""`quarantine list`: mail that could not be handled."""

from __future__ import annotations

import click

from helpdesk_daemon.cli.common import as_json, print_json, print_rows, reading


@click.group()
def quarantine() -> None:
    """Look at mail that was set aside."""


@quarantine.command("list")
@click.option("--limit", default=50, show_default=True)
@as_json
@click.pass_context
def list_(ctx: click.Context, limit: int, json_: bool) -> None:
    """Mails set aside, newest first."""
    from helpdesk_daemon.adapters.store.reading import quarantine_list

    rows = quarantine_list(reading(ctx), limit)
    if json_:
        print_json(rows)
        return
    columns = {"id": "ID", "received_at": "At", "mailbox": "Mailbox", "size": "Bytes", "reason": "Reason",
               "last_error": "Last error", "message_id": "Message-ID"}  # fmt: skip
    print_rows(rows, columns, "Quarantine", "The quarantine is empty.")
