"""`arrivals list|show` and `quarantine list|show|retry`: what became of every received mail, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from helpdesk_daemon.cli.common import as_json, cell, print_json, print_rows, reading, settings_of
from helpdesk_daemon.cli.main import EXIT_FINDINGS

COLUMNS = {
    "id": "ID", "received_at": "At", "sender": "From", "subject": "Subject", "state": "State", "reason": "Reason",
    "ticket": "Tracking ID",
}  # fmt: skip
QUARANTINED = {
    "id": "ID", "received_at": "At", "mailbox": "Mailbox", "size": "Bytes", "reason": "Reason",
    "last_error": "Last error", "message_id": "Message-ID",
}  # fmt: skip
STATES = ["pending", "claimed", "ticket", "reply", "ignored", "quarantined"]
SHOWN_LINES = 15


@click.group()
def arrivals() -> None:
    """Received mail: where it ended and why."""


@arrivals.command("list")
@click.option("--state", multiple=True, type=click.Choice(STATES), help="Several may be named")
@click.option("--limit", default=50, show_default=True)
@as_json
@click.pass_context
def list_(ctx: click.Context, state: tuple[str, ...], limit: int, json_: bool) -> None:
    """Received mails, newest first; `--state ignored` shows what opened no ticket."""
    from helpdesk_daemon.adapters.store.views.reading import arrival_list

    rows = arrival_list(reading(ctx), state, limit)
    print_json(rows) if json_ else print_rows(rows, COLUMNS, "Received mail", "No such mail.")


@click.group()
def quarantine() -> None:
    """Mail that was set aside because it broke a stage."""


@quarantine.command("list")
@click.option("--limit", default=50, show_default=True)
@as_json
@click.pass_context
def quarantined(ctx: click.Context, limit: int, json_: bool) -> None:
    """Mails set aside, newest first."""
    from helpdesk_daemon.adapters.store.views.reading import arrival_list

    rows = arrival_list(reading(ctx), ("quarantined",), limit)
    print_json(rows) if json_ else print_rows(rows, QUARANTINED, "Quarantine", "The quarantine is empty.")


@click.command()
@click.argument("number", type=int)
@click.option("--save", type=click.Path(path_type=Path), help="Write the mail as it came into this file")
@as_json
@click.pass_context
def show(ctx: click.Context, number: int, save: Path | None, json_: bool) -> None:
    """One received mail: where it ended, what was odd about it, how it begins."""
    from helpdesk_daemon.adapters.store.views.reading import arrival

    found = arrival(reading(ctx), number)
    if found is None:
        raise click.ClickException(f"no received mail has the number {number}")
    row, raw = found
    if save is not None:
        save.write_bytes(raw)
        click.echo(f"saved {len(raw)} bytes to {save}", err=True)
    described = row | _described(raw)
    if json_:
        print_json(described)
        return
    for name in ("state", "reason", "ticket", "last_error", "attempts", "mailbox", "folder", "uid", "received_at",
                 "decided_at", "size", "from", "subject", "attachments", "defects"):  # fmt: skip
        value = described[name]
        if value not in (None, "", [], 0):
            click.echo(f"{name.replace('_', ' '):<12} {', '.join(value) if isinstance(value, list) else cell(value)}")
    click.echo()
    for line in described["text"].split("\n")[:SHOWN_LINES]:
        click.echo(f"  {line[:150]}")


def _described(raw: bytes) -> dict[str, Any]:
    from helpdesk_daemon.mail.parse import parse

    message = parse(raw)
    return {
        "from": str(message.sender), "subject": message.subject, "text": message.text,
        "attachments": [a.name for a in message.attachments], "defects": list(message.defects),
    }  # fmt: skip


arrivals.add_command(show)
quarantine.add_command(show)


@quarantine.command()
@click.argument("numbers", nargs=-1, type=int)
@click.option("--all", "all_", is_flag=True, help="Everything in quarantine")
@click.pass_context
def retry(ctx: click.Context, numbers: tuple[int, ...], all_: bool) -> None:
    """Let mails be decided again, after what broke them was mended."""
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.store.upkeep.operate import retry_quarantined
    from helpdesk_daemon.wiring.places import open_store

    if not numbers and not all_:
        raise click.UsageError("Name the numbers of `quarantine list`, or --all")
    found = retry_quarantined(open_store(settings_of(ctx)), SystemClock(), numbers)
    missing = [str(number) for number in numbers if number not in found]
    if missing:
        click.echo(f"not in quarantine: {', '.join(missing)}", err=True)
    click.echo(f"{len(found)} mails wait to be decided again; a running daemon sees them within half a minute")
    if missing:
        ctx.exit(EXIT_FINDINGS)
