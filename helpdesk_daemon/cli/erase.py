"""`erase ADDRESS`: a person is forgotten, with a receipt of what went and what this program cannot reach."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helpdesk_daemon.cli.common import as_json, current_schema, print_json, reading, settings_of
from helpdesk_daemon.cli.main import EXIT_FINDINGS
from helpdesk_daemon.errors import HelpdeskError

if TYPE_CHECKING:
    from helpdesk_daemon.adapters.store.upkeep.erase import Found
    from helpdesk_daemon.settings import Settings

WORDS = {
    "tickets": "tickets", "arrivals": "received mails (their digests stay)", "raw": "mails of others that mention it",
    "outbox": "outgoing mails", "mime": "sent mails to others that mention it",
    "messages": "texts on tickets of others that it wrote or that quote it", "examples": "labelled examples",
    "details": "details of the audit log",
}  # fmt: skip
NOT_REACHED = (
    "the mailbox on its server, Sent folders and the mailboxes of departments",
    "backups made before, and logs of the service manager",
    "the person's name in texts of others that do not mention the address",
)


@click.command()
@click.argument("address")
@click.option("--dry-run", is_flag=True, help="Only say what would go; the daemon may run")
@click.option("--receipt", type=click.Path(path_type=Path, dir_okay=False), help="Write the receipt to a new file")
@click.option("--yes", is_flag=True, help="Do not ask")
@as_json
@click.pass_context
def erase(
    ctx: click.Context, address: str, dry_run: bool, receipt: Path | None, yes: bool, json_: bool
) -> None:  # fmt: skip
    """Forget an address: its tickets and mails, and itself wherever it stands. The daemon must be stopped.

    Exit 1 when something had to stay because it is not done with.
    """
    from helpdesk_daemon.adapters.store.upkeep.erase import find

    settings, address = settings_of(ctx), _address(address)
    _refuse_ours(settings, address)
    if receipt and receipt.exists():
        raise click.UsageError(f"{receipt} exists; a receipt is written to a new file")
    engine = current_schema(reading(ctx))
    if dry_run:
        with _bar() as progress:
            found = find(engine, address, progress)
        _show(_receipt(found), json_, "would go")
        return
    if not yes:
        click.confirm(f"Erase {address} for good? Try --dry-run first", abort=True, err=True)
    made = _erase(settings, address)
    if receipt:
        with receipt.open("x") as file:
            receipt.chmod(0o600)
            file.write(json.dumps(made, ensure_ascii=False, indent=2) + "\n")
    _show(made, json_, "went")
    if made["kept"] or made["index"]:
        ctx.exit(EXIT_FINDINGS)


def _address(value: str) -> str:
    local, at, domain = value.strip().strip("<>").lower().rpartition("@")
    if not (local and at and domain) or any(sign.isspace() for sign in value.strip()):
        raise click.UsageError(f"{value!r} is no address: write name@domain")
    return f"{local}@{domain}"


def _refuse_ours(settings: Settings, address: str) -> None:
    """Erasing an address of the helpdesk itself would take every ticket along; one in its rules would come back."""
    from helpdesk_daemon.mail.mention import Mention
    from helpdesk_daemon.wiring.desks import routings_of

    ours, routings = {*settings.polled, settings.operator or ""}, routings_of(settings).values()
    for routing in routings:
        for department in (*routing.departments.values(), routing.triage.department):
            ours |= {department.address, *department.agents}
    if address in {own.lower() for own in ours}:
        raise click.UsageError(f"{address} is an address of this helpdesk; take it out of the settings and rules first")
    if any(Mention(address).in_text(routing.text) for routing in routings):  # each start keeps the text of the rules
        raise click.UsageError(f"the routing rules of this helpdesk name {address}; take it out of them first")


def _erase(settings: Settings, address: str) -> dict[str, Any]:
    import hashlib
    import hmac

    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.keys import load_digest_key
    from helpdesk_daemon.adapters.store.engine import StageLock
    from helpdesk_daemon.adapters.store.upkeep.erase import find, remove, scrub
    from helpdesk_daemon.adapters.store.upkeep.operate import OPERATOR
    from helpdesk_daemon.wiring.places import open_store

    lock = StageLock(settings.data_dir)
    lock.acquire()
    try:
        os.environ["SQLITE_TMPDIR"] = str(settings.data_dir)  # the file is written anew there, not in a small /tmp
        engine = open_store(settings)
        with _bar() as progress:
            found = find(engine, address, progress)
        digest = hmac.new(load_digest_key(settings.data_dir), address.encode(), hashlib.sha256).hexdigest()
        line = remove(engine, SystemClock(), address, found, digest, OPERATOR)
        scrub(engine)
        engine.dispose()
        if found.examples:  # the fitted judge holds words and vectors of them; the daemon fits another
            (settings.data_dir / "judge.npz").unlink(missing_ok=True)
    finally:
        lock.release()
    return _receipt(found, line, digest, _index(settings))


def _index(settings: Settings) -> str:
    """Take the examples out of the vector database, too; why that failed, empty when it did not."""
    if settings.index.kind != "endee":
        return ""
    from helpdesk_daemon.cli.index import bring_in_step

    try:
        bring_in_step(settings, say=partial(click.echo, err=True))
    except HelpdeskError as error:
        return f"{error}. The daemon takes the examples out once the server answers, or `helpdesk-daemon index sync`"
    return ""


def _receipt(found: Found, line: int = 0, digest: str = "", index: str = "") -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"), "address_digest": digest, "audit_row": line,
        "erased": {name: found.counts[name] for name in WORDS}, "tickets": found.tickets, "unsent": found.unsent,
        "kept": found.kept, "index": index, "not_reached": list(NOT_REACHED),
    }  # fmt: skip


def _show(made: dict[str, Any], json_: bool, verb: str) -> None:
    if json_:
        print_json(made)
        return
    for name, count in made["erased"].items():
        click.echo(f"{count:>7}  {WORDS[name]}")
    click.echo(f"{sum(made['erased'].values()):>7}  in all {verb}")
    if made["unsent"]:
        click.echo(f"{made['unsent']} of the outgoing mails had not left.")
    for what in made["kept"]:
        click.secho(f"kept: {what}. Let the daemon finish with it, then erase again.", fg="yellow")
    if made["index"]:
        click.secho(f"vector database: {made['index']}", fg="yellow")
    click.echo("Not reached: " + "; ".join(made["not_reached"]) + ".")


@contextmanager
def _bar() -> Iterator[Callable[[int], None]]:
    """A count of mails read, on a terminal, where there are many."""
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    columns = TextColumn("reading mails: {task.completed}")
    with Progress(columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=None)
        yield lambda mails: shown.update(task, completed=mails) if mails % 500 == 0 else None
