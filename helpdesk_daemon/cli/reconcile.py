"""`audit reconcile`: prove that every mail of every folder ended in exactly one place, and take back what did not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from helpdesk_daemon.cli.common import as_json, print_json, print_rows, reading, settings_of, typed_command
from helpdesk_daemon.cli.main import EXIT_FINDINGS
from helpdesk_daemon.errors import HelpdeskError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from helpdesk_daemon.adapters.reconcile import Account, Progress
    from helpdesk_daemon.adapters.store.upkeep.reconcile import Finding
    from helpdesk_daemon.adapters.survey import ImapSurvey, MaildirSurvey
    from helpdesk_daemon.settings import MailboxTable, Settings

COLUMNS = {
    "ticket": "Tracking ID", "mailbox": "Mailbox", "uid": "UID", "at": "Received", "sender": "From",
    "subject": "Subject",
}  # fmt: skip
SHOWN = 20  # findings of a kind on a terminal
Stage = Callable[[str], "Progress"]


@dataclass(slots=True)
class Report:
    """What was found.

    Attributes:
        folders: the account of each folder that could be looked at.
        findings: everything that should not be.
        unread: mailboxes that could not be looked at, with the reason.
        repaired: how many lost mails were taken back.
    """

    folders: list[Account] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    repaired: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing is left for a person to do."""
        return not self.findings and not self.unread


@click.command()
@click.option("--mailbox", "names", multiple=True, help="Only this mailbox, by its name in the settings")
@click.option("--repair", is_flag=True, help="Take mails that were lost again, as if they had just arrived")
@as_json
@click.pass_context
def reconcile(ctx: click.Context, names: tuple[str, ...], repair: bool, json_: bool) -> None:
    """Compare mailboxes and ledger: every mail ends in one place. Exit 1 on findings.

    Works beside the running daemon, on connections of its own; in the mailboxes nothing is changed.
    """
    settings = settings_of(ctx)
    if unknown := set(names) - {table.name for table in settings.mailbox}:
        known = ", ".join(table.name for table in settings.mailbox)
        raise click.BadParameter(f"no mailbox is named {min(unknown)}; there are: {known}", param_hint="--mailbox")
    with _progress(not json_) as stage:
        report = reconcile_all(settings, reading(ctx), names, repair, stage)
    if json_:
        print_json({
            "ok": report.sound, "repaired": report.repaired, "unread": report.unread,
            "folders": [_counted(folder) for folder in report.folders],
            "findings": [asdict(f) for f in report.findings],
        })  # fmt: skip
    else:
        _show(report, repair)
    if not report.sound:
        ctx.exit(EXIT_FINDINGS)


def reconcile_all(
    settings: Settings, engine: Engine, names: Sequence[str] = (), repair: bool = False,
    stage: Stage = lambda name: lambda done, all_: None,
) -> Report:  # fmt: skip
    """Compare each mailbox with the ledger, then the ledger with itself.

    Args:
        settings: which mailboxes there are.
        engine: the database, for reading.
        names: of the mailboxes; none means all.
        repair: whether lost mail is taken back.
        stage: gives for a folder's name what is told of the progress.
    """
    from helpdesk_daemon.adapters.store.upkeep.reconcile import contradictions

    report = Report()
    for table in settings.mailbox:
        if names and table.name not in names:
            continue
        try:
            _mailbox(report, settings, table, engine, repair, stage)
        except HelpdeskError as error:
            report.unread[table.name] = str(error)
    lost = {(f.mailbox, f.folder, f.uid) for f in report.findings}
    told = contradictions(engine, datetime.now(UTC))
    report.findings += [f for f in told if f.kind != "row gone" or (f.mailbox, f.folder, f.uid) not in lost]
    return report


def _mailbox(
    report: Report, settings: Settings, table: MailboxTable, engine: Engine, repair: bool, stage: Stage
) -> None:
    from helpdesk_daemon.adapters.keys import load_digest_key
    from helpdesk_daemon.adapters.reconcile import account, account_moved

    key = load_digest_key(settings.data_dir)
    survey = _survey(settings, table)
    try:
        found = account(engine, survey, stage(f"{table.name}: {survey.folder}"))
        _settle(report, settings, survey, found, key, repair)
        moved = survey.beside(table.touch.removeprefix("move ")) if table.touch.startswith("move ") else None
        if moved is not None:
            found = account_moved(engine, moved, survey.folder, key, stage(f"{table.name}: {moved.folder}"))
            _settle(report, settings, moved, found, key, repair)
    finally:
        survey.close()


def _survey(settings: Settings, table: MailboxTable) -> ImapSurvey | MaildirSurvey:
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.survey import survey_of
    from helpdesk_daemon.wiring.accounts import mailbox_of, tokens_of

    clock = SystemClock()
    return survey_of(mailbox_of(table.model_copy(update={"touch": "nothing"}), clock, tokens_of(settings, clock)))


def _settle(
    report: Report, settings: Settings, survey: ImapSurvey | MaildirSurvey, found: Account, key: bytes, repair: bool
) -> None:
    from helpdesk_daemon.adapters import reconcile as comparing
    from helpdesk_daemon.adapters.store.engine import open_engine
    from helpdesk_daemon.wiring.places import database

    report.folders.append(found)
    if repair and found.lost:
        report.repaired += comparing.repair(open_engine(database(settings)), survey, found, key)
    else:
        report.findings += found.findings


def _counted(folder: Account) -> dict[str, Any]:
    names = ("mailbox", "folder", "uidvalidity", "mails", "left", "waiting", "gone", "note")
    counts = {name: getattr(folder, name) for name in names}
    return counts | {"states": dict(folder.states), "lost": len(folder.lost)}


def _show(report: Report, repair: bool) -> None:
    for folder in report.folders:
        click.secho(f"{folder.mailbox}: {folder.folder}, {_mails(folder.mails)}", bold=True)
        kept = ", ".join(f"{count:,} {state}" for state, count in sorted(folder.states.items()))
        lines = {
            f"in the ledger: {kept}" if kept else "in the ledger": folder.states.total(),
            "left, as [[mailbox]] start says": folder.left,
            "not read yet": folder.waiting,
            "vanished while they were looked at": folder.gone,
            "lost": len(folder.lost),
        }
        for words, count in lines.items():
            if count or words == "lost":
                click.secho(f"{count:>10,}  {words}", fg="red" if words == "lost" and count else None)
        if folder.note:
            click.secho(f"            {folder.note}", fg="yellow")
    for name, why in report.unread.items():
        click.secho(f"{name}: could not be looked at: {why}", fg="red")
    click.echo()
    if report.repaired:
        click.secho(f"{_mails(report.repaired)} taken back; the daemon decides them like new ones", fg="green")
    for kind in dict.fromkeys(f.kind for f in report.findings):
        _show_kind([f for f in report.findings if f.kind == kind])
    if report.sound:
        click.secho("Every mail is accounted for, and the ledger agrees with itself.", fg="green")
    if any(f.kind == "lost" for f in report.findings) and not repair:
        click.echo(f"Next: `{typed_command()} audit reconcile --repair` takes the lost mails again.")


def _show_kind(findings: Sequence[Finding]) -> None:
    """The findings of one kind, in the columns that say something."""
    rows = [asdict(f) for f in findings[:SHOWN]]
    columns = {key: heading for key, heading in COLUMNS.items() if any(row[key] for row in rows)}
    problems = "; ".join(dict.fromkeys(f.problem for f in findings))
    print_rows(rows, columns, f"{len(findings):,} {findings[0].kind}: {problems}", "")
    if len(findings) > SHOWN:
        click.echo(f"… and {len(findings) - SHOWN:,} more; --json names up to 1,000 of a kind.\n")


def _mails(count: int) -> str:
    return f"{count:,} mail" + ("" if count == 1 else "s")


@contextmanager
def _progress(wanted: bool) -> Iterator[Stage]:
    """A bar a folder on standard error, where a person looks on."""
    if not (wanted and sys.stderr.isatty()):
        yield lambda name: lambda done, all_: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars

    with Bars(console=Console(stderr=True), transient=True) as bars:

        def stage(name: str) -> Any:
            task = bars.add_task(name, total=None)
            return lambda done, all_: bars.update(task, completed=done, total=all_)

        yield stage
