"""`outbox list|show|hold|release|retry|drop`: mail on its way out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helpdesk_daemon.cli.common import actor, as_json, cell, print_json, print_rows, readable, reading, settings_of
from helpdesk_daemon.cli.main import EXIT_FINDINGS

if TYPE_CHECKING:
    from sqlalchemy import Engine

COLUMNS = {
    "id": "ID", "created_at": "At", "kind": "Kind", "ticket": "Tracking ID", "recipient": "To", "state": "State",
    "waits_for": "Waits for", "attempts": "Tries", "next_attempt_at": "Next", "last_reply": "Last reply",
}  # fmt: skip
STATES = ["pending", "sending", "sent", "deferred", "failed", "ambiguous", "held", "dropped"]
KINDS = ["acknowledgement", "forward", "relay", "notice", "alert"]
SHOWN_LINES = 40
numbers = click.argument("ids", metavar="[ID]...", nargs=-1, type=int)


def _store(ctx: click.Context) -> Engine:
    from helpdesk_daemon.wiring.places import open_store

    return open_store(settings_of(ctx))


@click.group()
def outbox() -> None:
    """Outgoing mail: look at it, hold it, send it again."""


@outbox.command("list")
@click.option("--state", multiple=True, type=click.Choice(STATES), help="Several may be named")
@click.option("--limit", default=50, show_default=True)
@as_json
@click.pass_context
def list_(ctx: click.Context, state: tuple[str, ...], limit: int, json_: bool) -> None:
    """Outgoing mails, newest first."""
    from helpdesk_daemon.adapters.store.mail.holding import breaker
    from helpdesk_daemon.adapters.store.views.reading import outbox_list

    engine = reading(ctx)
    held = breaker(engine)
    rows = [row | {"waits_for": waits_for(row, bool(held))} for row in outbox_list(engine, state, limit)]
    if json_:
        print_json(rows)
        return
    if held:
        since, why = cell(held["opened_at"]), cell(held["reason"])
        click.secho(f"The circuit breaker is open since {since}: {why}. `outbox release` lets mail go on.", bold=True)
    print_rows(rows, COLUMNS, "Outbox", "Nothing in the outbox.")


def waits_for(row: Mapping[str, Any], breaker_open: bool) -> str:
    """What a mail waits for, in a word or two; empty when it waits for nothing."""
    if row["state"] == "held":
        return "a person"
    if row["state"] not in ("pending", "deferred"):
        return ""
    if breaker_open and row["kind"] != "alert":
        return "the breaker"
    return "its next try" if row["state"] == "deferred" else "its turn"


@outbox.command()
@click.argument("number", metavar="ID", type=int)
@click.option("--save", type=click.Path(path_type=Path), help="Write the mail as it leaves into this file")
@as_json
@click.pass_context
def show(ctx: click.Context, number: int, save: Path | None, json_: bool) -> None:
    """One outgoing mail: how it stands, its header and its text."""
    from helpdesk_daemon.adapters.store.views.reading import outgoing

    found = outgoing(reading(ctx), number)
    if found is None:
        raise click.ClickException(f"no outgoing mail has the number {number}; see `outbox list`")
    row, mime = found
    if save is not None:
        save.write_bytes(mime)
        click.echo(f"saved {len(mime)} bytes to {save}", err=True)
    described = row | _described(mime)
    if json_:
        print_json(described)
        return
    for name in ("state", "kind", "ticket", "recipient", "attempts", "created_at", "next_attempt_at", "sent_at",
                 "last_reply"):  # fmt: skip
        if row[name] and (name != "next_attempt_at" or row["state"] in ("pending", "deferred")):
            click.echo(f"{name.replace('_', ' '):<16}{readable(cell(row[name]))}")
    click.echo()
    for name, value in described["headers"]:
        click.echo(f"  {readable(name)}: {readable(value)}")
    click.echo()
    lines = described["text"].splitlines()
    for line in lines[:SHOWN_LINES]:
        click.echo(f"  {readable(line)[:150]}".rstrip())
    if len(lines) > SHOWN_LINES:
        click.echo(f"  … {len(lines) - SHOWN_LINES} more lines; `--save FILE` writes the whole mail")


def _described(mime: bytes) -> dict[str, Any]:
    from helpdesk_daemon.mail.parse import parse

    message = parse(mime)
    return {
        "headers": list(message.headers), "text": message.text,
        "attachments": [a.name for a in message.attachments],
    }  # fmt: skip


@outbox.command()
@click.argument("reason", nargs=-1)
@as_json
@click.pass_context
def hold(ctx: click.Context, reason: tuple[str, ...], json_: bool) -> None:
    """Hold all outgoing mail but alerts, for a REASON, until `outbox release`.

    Incoming mail is still taken and decided.
    """
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.store.mail.holding import open_breaker

    words = " ".join(reason) or "by hand"
    held = open_breaker(_store(ctx), SystemClock(), words, actor())
    said = "held: only alerts leave now; `outbox release` lets mail go on" if held else "it is held already"
    print_json({"held": held, "reason": words}) if json_ else click.echo(said)


@outbox.command()
@as_json
@click.pass_context
def release(ctx: click.Context, json_: bool) -> None:
    """Let mail go on that the circuit breaker holds."""
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.store.mail.holding import release_breaker

    released = release_breaker(_store(ctx), SystemClock(), actor())
    said = "released; held mail leaves within a minute" if released else "the breaker is not open"
    print_json({"released": released}) if json_ else click.echo(said)


@outbox.command()
@numbers
@as_json
@click.pass_context
def retry(ctx: click.Context, ids: tuple[int, ...], json_: bool) -> None:
    """Send mails again that failed, are in doubt, wait for their next try or were held.

    Without an ID: all that failed within the last day, and all that wait for their next try. Mail in doubt
    may arrive twice, and held mail may be a loop's, so those are sent by ID only.
    """
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.store.mail import holding

    found = holding.retry(_store(ctx), SystemClock(), ids, actor())
    _report(ctx, ids, found, "retried", "to be sent now; a running daemon takes a minute at most", json_)


@outbox.command()
@numbers
@click.option("--kind", multiple=True, type=click.Choice(KINDS), help="All of a kind; several may be named")
@click.option("--to", "recipient", default="", metavar="ADDRESS", help="All to an address")
@as_json
@click.pass_context
def drop(ctx: click.Context, ids: tuple[int, ...], kind: tuple[str, ...], recipient: str, json_: bool) -> None:
    """Never send mails that have not left yet. They stay in the outbox, as dropped."""
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.store.mail.holding import Wanted
    from helpdesk_daemon.adapters.store.mail.holding import drop as drop_

    if not (ids or kind or recipient):
        raise click.UsageError("Name the IDs of `outbox list`, --kind or --to")
    found = drop_(_store(ctx), SystemClock(), Wanted(ids, kind, recipient), actor())
    _report(ctx, ids, found, "dropped", "dropped: not to be sent, kept to be looked at", json_)


def _report(ctx: click.Context, ids: tuple[int, ...], found: list[int], word: str, said: str, json_: bool) -> None:
    """Say what was done; ends with 1 when a mail that was named is not among it."""
    missing = [number for number in ids if number not in found]
    if json_:
        print_json({word: found, "not_found": missing})
    else:
        click.echo(f"{len(found)} {said}")
        if missing:
            there = ", ".join(map(str, missing))
            click.echo(f"no such mail, or not in a state for this: {there}; see `outbox list`", err=True)
    if missing:
        ctx.exit(EXIT_FINDINGS)
