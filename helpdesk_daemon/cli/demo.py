"""`demo`: sample emails become tickets before your eyes; no server, account, network or root needed."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helpdesk_daemon.cli.common import hours, print_json, print_rows, typed_command

if TYPE_CHECKING:
    from helpdesk_daemon.app import App
    from helpdesk_daemon.settings import Settings

MARKER = ".helpdesk-demo"
COLUMNS = {
    "id": "Tracking ID", "requester_email": "From", "subject": "Subject", "category": "Category",
    "confidence": "Conf.", "department": "Department", "priority": "Priority", "due_at": "Due",
}  # fmt: skip


@click.command()
@click.option("--dir", "folder", default="helpdesk-demo", show_default=True, type=click.Path(path_type=Path),
              help="Folder for its mail and database; made anew each time")  # fmt: skip
@click.option("--json", "json_", is_flag=True, help="One JSON document instead of a table")
def demo(folder: Path, json_: bool) -> None:
    """Watch sample emails become tickets, with embedded parts only."""
    from helpdesk_daemon import log
    from helpdesk_daemon.adapters.maildir import deliver
    from helpdesk_daemon.adapters.sink import MaildirSink
    from helpdesk_daemon.app import running
    from helpdesk_daemon.assembly import Parts
    from helpdesk_daemon.settings import load_settings
    from helpdesk_daemon.wiring.places import ensure_model, model_folder, model_of, shipped

    _fresh(folder)
    samples = sorted(shipped("data/samples").glob("*.eml"))
    with MaildirSink(folder / "mail") as sink, _progress(json_) as progress:
        settings_file = _write_settings(folder, sink.port)
        settings = load_settings(settings_file)
        log.setup("error", "pretty")
        with progress.step("Preparing the model (once, some 20 seconds)"):
            ensure_model(model_folder(settings), model_of(settings))
        with running(settings, Parts()) as (app, runner):
            with progress.step("Reading the labelled examples"):
                runner.run(app.classifier.prepare())
            for sample in samples:
                deliver(folder / "inbox", sample.read_bytes())
            runner.run(_watch(app, len(samples), progress))
        found = _results(settings, folder, settings_file, len(samples))
    if json_:
        print_json(found)
    else:
        _show(found)
    if not found["delivered"]:
        raise click.exceptions.Exit(1)


def _fresh(folder: Path) -> None:
    """Empty the demo's own folder; the exported model stays."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise click.UsageError(f"{folder} holds something else; name an empty folder with --dir")
    for name in ("inbox", "mail"):
        shutil.rmtree(folder / name, ignore_errors=True)
    data = folder / "data"
    for path in data.iterdir() if data.exists() else ():
        if path.name != "model":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text("This folder is made anew by `helpdesk-daemon demo`.\n")


def _write_settings(folder: Path, port: int) -> Path:
    path = folder / "settings.toml"
    path.write_text(
        "# Made by `helpdesk-daemon demo`; try `helpdesk-daemon --settings this-file tickets list`.\n"
        'data_dir = "data"\noperator = "operator@helpdesk.example"\n\n'
        '[identity]\nname = "Kestova Support"\naddress = "support@helpdesk.example"\n\n'
        '[[mailbox]]\nname = "support"\nurl = "maildir:inbox"\nstart = "all"\ntouch = "seen"\n\n'
        f'[smtp]\nurl = "smtp://127.0.0.1:{port}"\n'
    )
    return path


class _Progress:
    """Steps and one bar on a terminal's standard error; silent otherwise."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    @contextmanager
    def step(self, words: str) -> Iterator[None]:
        task = self._bar.add_task(words, total=None)
        yield
        self._bar.update(task, total=1, completed=1)

    def start(self, words: str, total: int) -> int:
        return int(self._bar.add_task(words, total=total))

    def update(self, task: int, done: int, total: int | None = None) -> None:
        self._bar.update(task, completed=done, total=total)


@contextmanager
def _progress(quiet: bool) -> Iterator[_Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), BarColumn(bar_width=24),
               MofNCompleteColumn(), TimeElapsedColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bar:
        yield _Progress(bar)


async def _watch(app: App, mails: int, progress: _Progress) -> None:
    """Run the daemon until every mail is settled and everything due has left."""
    from helpdesk_daemon.adapters.store.views.reading import counts

    taken, decided = progress.start("Taken from the inbox", mails), progress.start("Decided", mails)
    left = progress.start("Sent", 1)
    serving = asyncio.create_task(app.run())
    for _ in range(1_200):
        await asyncio.sleep(0.05)
        if serving.done():
            break
        now = await app.db(counts, app.engine)
        arrived = sum(now["arrivals"].values())
        waiting = now["arrivals"].get("pending", 0) + now["arrivals"].get("claimed", 0)
        outgoing, sent = sum(now["outbox"].values()), now["outbox"].get("sent", 0)
        progress.update(taken, arrived)
        progress.update(decided, arrived - waiting)
        progress.update(left, sent, max(outgoing, 1))
        if arrived >= mails and not waiting and sent == outgoing:
            break
    app.stop()
    await serving


def _results(settings: Settings, folder: Path, settings_file: Path, mails: int) -> dict[str, Any]:
    from helpdesk_daemon.adapters.store.engine import open_engine
    from helpdesk_daemon.adapters.store.views import reading
    from helpdesk_daemon.wiring.places import database

    engine = open_engine(database(settings), readonly=True)
    now = reading.counts(engine)
    tickets = sorted(reading.ticket_list(engine, 1_000), key=lambda row: str(row["created_at"]))
    settled = {s: n for s, n in now["arrivals"].items() if s not in ("pending", "claimed")}
    return {
        "delivered": sum(settled.values()) == mails and set(now["outbox"]) == {"sent"},
        "mails": mails,
        "settled": settled,
        "sent": now["outbox"].get("sent", 0),
        "tickets": tickets,
        "others": reading.arrival_list(engine, ("reply", "ignored", "quarantined"), 200),
        "settings": str(settings_file),
        "mail_folder": str(folder / "mail"),
        "database": str(database(settings)),
        "first_ticket": tickets[0]["id"] if tickets else "",
    }


def _show(found: dict[str, Any]) -> None:
    rows = [
        row | {"category": (row["category"] or "?") + (" ?" if row["needs_review"] else "")} for row in found["tickets"]
    ]
    for row in rows:
        row["priority"] = f"{row['priority']}, {hours(row['sla_hours'])}"
    print_rows(rows, COLUMNS, f"{found['mails']} emails became {len(rows)} tickets", "No tickets.")
    for other in found["others"]:
        click.echo(f"  {other['state']:<9} {other['subject'][:48]:<50} {other['reason']}")
    settled = ", ".join(f"{number} {state}" for state, number in sorted(found["settled"].items()))
    click.echo(f"\nSettled: {settled}. Sent: {found['sent']} mails. A ? marks what a person should check.\n")
    program = typed_command()
    command = f"{program} --settings {found['settings']}"
    click.secho("Where to look next", bold=True)
    for what, where in (
        ("Mails the departments and customers got", f"{found['mail_folder']}/*/new/"),
        ("One ticket with its reasons", f"{command} tickets show {found['first_ticket']}"),
        ("Why a mail would go where", f"{program} explain FILE.eml"),
        ("Everything that happened", f"{command} audit tail"),
        ("The database", f"sqlite3 {found['database']} 'select * from v_tickets'"),
    ):
        click.echo(f"  {what + ':':<42} {where}")
