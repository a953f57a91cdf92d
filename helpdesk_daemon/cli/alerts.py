"""`alerts test`: does an alert arrive? `incidents list`: what people were alerted of."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import click

from helpdesk_daemon.cli.common import as_json, print_json, print_rows, reading, settings_of
from helpdesk_daemon.cli.main import EXIT_FINDINGS
from helpdesk_daemon.errors import HelpdeskError

if TYPE_CHECKING:
    from helpdesk_daemon.settings import Settings

COLUMNS = {"id": "ID", "opened_at": "Since", "recovered_at": "Over", "told": "Told by", "problem": "Problem"}
TOLD = (("mailed_at", "mail"), ("posted_at", "webhook"))
WHAT, MEND = "This is a test. Nothing is wrong.", "Nothing."


@click.group()
def incidents() -> None:
    """Look at what people were alerted of."""


@incidents.command("list")
@click.option("--all", "all_", is_flag=True, help="Also those that are over")
@click.option("--limit", default=50, show_default=True)
@as_json
@click.pass_context
def list_(ctx: click.Context, all_: bool, limit: int, json_: bool) -> None:
    """Incidents, newest first."""
    from helpdesk_daemon.adapters.store.views.figures import incident_list

    rows = [
        row | {"told": ", ".join(channel for key, channel in TOLD if row[key])}
        for row in incident_list(reading(ctx), limit, all_)
    ]
    if json_:
        print_json(rows)
        return
    print_rows(rows, COLUMNS, "Incidents", "No incident." if all_ else "No open incident; --all shows those over.")


@click.group()
def alerts() -> None:
    """Try how alerts reach you."""


@alerts.command()
@as_json
@click.pass_context
def test(ctx: click.Context, json_: bool) -> None:
    """Send a test alert by every channel, at once, and say what happened. Exit 1 when none or not all of it left."""
    settings = settings_of(ctx)
    results = asyncio.run(_try(settings))
    if json_:
        print_json(results)
    for result in [] if json_ else results:
        click.secho("sent " if result["ok"] else "FAIL ", fg="green" if result["ok"] else "red", nl=False)
        click.echo(f"{result['channel']:<8} {result['to']}: {result['said']}")
    if not results:
        click.echo("No channel. Set operator, or [alerts] webhook_url, in settings.toml.", err=True)
    if not results or not all(result["ok"] for result in results):
        ctx.exit(EXIT_FINDINGS)


async def _try(settings: Settings) -> list[dict[str, object]]:
    channels = {}
    if settings.operator:
        channels["mail"] = settings.operator, _mail
    if settings.alerts.has_webhook:
        channels["webhook"] = "[alerts] webhook_url", _post
    results = []
    for channel, (to, send) in channels.items():
        try:
            said, ok = await send(settings), True
        except HelpdeskError as error:
            said, ok = str(error), False
        results.append({"channel": channel, "to": to, "ok": ok, "said": said})
    return results


async def _mail(settings: Settings) -> str:
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.keys import load_signer
    from helpdesk_daemon.outgoing.message import Kind
    from helpdesk_daemon.wiring.accounts import tokens_of, transport_of
    from helpdesk_daemon.wiring.desks import desk_of, routing_of

    composer = desk_of(settings, routing_of(settings), load_signer(settings.data_dir)).composer
    values = {"problem": WHAT, "mend": f"Sent from {socket.gethostname()}.", "identity": composer.identity}
    sender = composer.identity.mailbox if composer.identity.mailbox in settings.senders else ""
    subject, to = "Alert: this is a test", settings.operator or ""
    mail = composer.notice(Kind.ALERT, "alert", subject, to, values, SystemClock().now())
    transport = transport_of(settings, tokens_of(settings, SystemClock()), sender)
    try:
        return await transport.send(mail.sender, mail.recipient, mail.mime)
    finally:
        await transport.close()


async def _post(settings: Settings) -> str:
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.ports import Incident
    from helpdesk_daemon.stages.incidents import payload
    from helpdesk_daemon.wiring.accounts import webhook_of

    now = SystemClock().now()
    incident = Incident(0, "alerts.test", "", "this is a test", WHAT, MEND, now, now)
    webhook = webhook_of(settings)
    assert webhook is not None
    try:
        return await webhook.post(payload(incident, socket.gethostname()) | {"event": "test"})
    finally:
        await webhook.close()
