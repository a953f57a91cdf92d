"""`check`: is everything sound before the daemon starts?"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from helpdesk_daemon.cli.common import as_json, print_json, settings_of
from helpdesk_daemon.cli.main import EXIT_FINDINGS
from helpdesk_daemon.errors import HelpdeskError

if TYPE_CHECKING:
    from helpdesk_daemon.settings import MailboxTable, Settings

PLACEHOLDER = (".example", "@example.com", "@example.org", "@example.net")


@click.command()
@click.option("--network", is_flag=True, help="Also sign in to the mail servers")
@click.option("--probe", is_flag=True, help="Also send a test mail to support+…@, to see whether it comes; up to 30 s")
@as_json
@click.pass_context
def check(ctx: click.Context, network: bool, probe: bool, json_: bool) -> None:
    """Check settings, rules, database, model and, on request, the mail servers. Exit 1 on findings."""
    from helpdesk_daemon import log

    settings = settings_of(ctx)
    log.setup("error")
    steps: list[tuple[str, Callable[[Settings], str]]] = [
        ("rules", _rules), ("data folder", _data), ("database", _database), ("model", _model), ("secrets", _secrets),
    ]  # fmt: skip
    if network or probe:
        steps += [("mailboxes", _mailboxes), ("smtp", _smtp)]
        steps += [("index", _index)] if settings.index.kind == "endee" else []
    if probe:
        steps.append(("plus-address", _plus_addressing))
    results = []
    for name, step in steps:
        try:
            results.append({"check": name, "ok": True, "found": step(settings)})
        except HelpdeskError as error:
            results.append({"check": name, "ok": False, "found": str(error)})
    warnings = _placeholders(settings)
    if json_:
        print_json({"checks": results, "warnings": warnings})
    else:
        for result in results:
            click.secho("ok   " if result["ok"] else "FAIL ", fg="green" if result["ok"] else "red", nl=False)
            click.echo(f"{result['check']:<12} {result['found']}")
        for warning in warnings:
            click.secho("note ", fg="yellow", nl=False)
            click.echo(warning)
    if not all(result["ok"] for result in results):
        ctx.exit(EXIT_FINDINGS)


def _rules(settings: Settings) -> str:
    from helpdesk_daemon.wiring.desks import routing_of

    def read(box: MailboxTable) -> str:
        found = routing_of(settings, box)
        return f"{len(found.categories)} categories, {len(found.departments)} departments, {len(found.rules)} rules"

    files = {box.rules: box for box in reversed(settings.mailbox)}
    return _each({box.name: partial(read, box) for box in reversed(files.values())})


def _data(settings: Settings) -> str:
    folder = settings.data_dir
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        raise HelpdeskError(f"{folder} is not writable for this user")
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    return f"{settings.data_dir}, {free / 1e9:.1f} GB free"


def _database(settings: Settings) -> str:
    from helpdesk_daemon.adapters.store.engine import open_engine
    from helpdesk_daemon.adapters.store.views.reading import counts, integrity
    from helpdesk_daemon.wiring.places import database

    path = database(settings)
    if not path.exists():
        return "none yet, made at the first start"
    engine = open_engine(path, readonly=True)
    said = integrity(engine)
    if said != "ok":
        raise HelpdeskError(f"{path} is damaged: {said}. Restore a backup")
    return f"{counts(engine)['tickets']} tickets"


def _model(settings: Settings) -> str:
    from helpdesk_daemon.adapters.model import export
    from helpdesk_daemon.wiring.places import model_folder

    folder = model_folder(settings)
    if export.is_exported(folder):
        return str(folder)
    export.weights_folder()
    return "not exported yet; the first start does it"


def _secrets(settings: Settings) -> str:
    for table in settings.accounts:
        table.read_all()
    settings.alerts.webhook(), settings.alerts.webhook_secret()
    settings.index.read()
    tables = (*settings.accounts, settings.alerts, settings.index)
    files = {file for table in tables for file in table.secret_files}
    loose = [str(file) for file in sorted(files) if Path(file).stat().st_mode & 0o077]
    if loose:
        raise HelpdeskError(f"{', '.join(loose)} can be read by other users: chmod 600")
    return f"{len(files)} files" if files else "none in files"


def _mailboxes(settings: Settings) -> str:
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.wiring.accounts import mailbox_of, tokens_of

    clock = SystemClock()
    tokens = tokens_of(settings, clock)

    def look(table: MailboxTable) -> str:
        box = mailbox_of(table, clock, tokens)
        cursor, _ = box.discover(None)
        box.close()
        return f"{box.folder} (UIDVALIDITY {cursor.uidvalidity})"

    return _each({table.name: partial(look, table) for table in settings.mailbox})


def _index(settings: Settings) -> str:
    from helpdesk_daemon.adapters.index.endee import Endee
    from helpdesk_daemon.wiring.voting import endee_server

    client = Endee(endee_server(settings))
    try:
        wire = client.connect()
        found = client.describe()
    finally:
        client.close()
    held = f"{found.count if found.count is not None else 'some'} vectors" if found else "no such index yet"
    return f"{settings.index.url}, API v{wire.generation}, {settings.index.name}: {held}"


def _smtp(settings: Settings) -> str:
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.smtp.transport import SmtpTransport
    from helpdesk_daemon.wiring.accounts import tokens_of, transport_of

    tokens = tokens_of(settings, SystemClock())

    async def greet(sender: str) -> str:
        transport = transport_of(settings, tokens, sender)
        if not isinstance(transport, SmtpTransport):
            return settings.senders[sender].url
        try:
            return await transport.greet()
        finally:
            await transport.close()

    def say(name: str) -> str:
        return asyncio.run(greet(name))

    return _each({name or "[smtp]": partial(say, name) for name in settings.senders})


def _each(steps: Mapping[str, Callable[[], str]]) -> str:
    """What each step found, after its name where there are several.

    Raises:
        HelpdeskError: one failed or more; says what all found.
    """
    if len(steps) == 1:
        return next(iter(steps.values()))()
    said, failed = [], False
    for name, step in steps.items():
        try:
            found = step()
        except HelpdeskError as error:
            found, failed = f"FAILED: {error}", True
        said.append(f"{name}: {found}")
    if failed:
        raise HelpdeskError("; ".join(said))
    return "; ".join(said)


def _plus_addressing(settings: Settings) -> str:
    """Compare `plus_addressing` with what a test mail does."""
    from datetime import UTC, datetime

    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.keys import load_signer
    from helpdesk_daemon.adapters.probe import can_probe, make_probe
    from helpdesk_daemon.cli.setup.connecting import probed
    from helpdesk_daemon.wiring.accounts import mailbox_of, tokens_of, transport_of

    table = settings.mailbox[0]
    identity = table.identity
    tokens = tokens_of(settings, SystemClock())
    transport = transport_of(settings, tokens, table.name if table.name in settings.senders else "")
    if not can_probe(transport):
        return "not probed: mail does not leave this machine"
    loop_value = load_signer(settings.data_dir).loop_value(settings.identity.address)  # the one of all mailboxes
    box = mailbox_of(table.model_copy(update={"touch": "nothing"}), SystemClock(), tokens)
    folders = [box.folder, *([table.touch.removeprefix("move ")] if table.touch.startswith("move ") else [])]
    said = probed(box, folders, transport, make_probe(identity.address, loop_value, datetime.now(UTC)))
    works = isinstance(said, float)
    found = (
        f"it works, a test mail took {max(1, round(said))} s"
        if isinstance(said, float)
        else f"it does not work: {said}"
    )
    if works == identity.plus_addressing:
        return f"{found}; [identity] plus_addressing says so"
    if works:
        return f"{found}. You may set [identity] plus_addressing = true"
    raise HelpdeskError(f"{found}. Set [identity] plus_addressing = false: replies would not come back")


def _placeholders(settings: Settings) -> list[str]:
    from helpdesk_daemon.wiring.desks import routing_of

    try:
        departments = {
            d.name: d for box in settings.mailbox for d in routing_of(settings, box).departments.values()
        }.values()
    except HelpdeskError:
        return []
    real = any(table.endpoint.scheme != "maildir" for table in settings.senders.values())
    loose = [d.name for d in departments if real and d.address.endswith(PLACEHOLDER)]
    return [f"department {name} still has a placeholder address" for name in loose]
