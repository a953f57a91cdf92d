"""`audit tail|verify|reconcile`: read the log, prove that nobody changed it, and that no mail is missing."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from helpdesk_daemon.cli.common import as_json, current_schema, print_json, print_rows, reading
from helpdesk_daemon.cli.main import EXIT_FINDINGS
from helpdesk_daemon.cli.reconcile import reconcile

if TYPE_CHECKING:
    from collections.abc import Callable

    from helpdesk_daemon.adapters.store.audit import Checkpoint

AGO = re.compile(r"(\d+) ?([smhdw])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
COLUMNS = {"seq": "ID", "at": "At", "event": "Event", "ticket": "Tracking ID", "actor": "Actor", "detail": "Detail"}
NOTED = re.compile(r"(\d+):([0-9a-f]{64})")
LOOK_SECONDS = 1.0  # between looks of --follow
BAR_FROM = 200_000  # rows, from which on a bar is worth it


class Moment(click.ParamType[str]):
    """A date, a time, or how long ago, such as `2h`; as it stands in the log."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """To ISO 8601 UTC."""
        from helpdesk_daemon.adapters.store.schema.columns import iso

        if ago := AGO.fullmatch(str(value).strip()):
            return iso(datetime.now(UTC) - timedelta(**{UNITS[ago[2]]: int(ago[1])}))
        try:
            at = datetime.fromisoformat(str(value).strip())
        except ValueError:
            self.fail("write 2026-11-22, 2026-11-22T14:30, or how long ago: 30m, 2h, 7d", param, ctx)
        return iso(at if at.tzinfo else at.replace(tzinfo=UTC))


class Head(click.ParamType["Checkpoint"]):
    """A head of the chain, as the digest or `audit verify` gave it."""

    name = "seq:hash"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Checkpoint:
        """To a checkpoint."""
        from helpdesk_daemon.adapters.store.audit import Checkpoint

        if not (noted := NOTED.fullmatch(str(value).strip().lower())):
            self.fail("copy it whole: a number, a colon and 64 hexadecimal digits", param, ctx)
        return Checkpoint(int(noted[1]), noted[2])


@click.group()
def audit() -> None:
    """The audit log."""


audit.add_command(reconcile)


@audit.command()
@click.option("--limit", default=30, show_default=True, help="Lines")
@click.option("--ticket", default="", help="Only this tracking ID")
@click.option("--address", default="", help="Only lines of a customer's tickets, or that name the address")
@click.option("--event", default="", help="Only this event; * stands for anything")
@click.option("--since", type=Moment(), help="Only from then on: 2026-11-22, 2h, 7d")
@click.option("--until", type=Moment(), help="Only before")
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines as they come; with --json, one object a line")
@as_json
@click.pass_context
def tail(
    ctx: click.Context, limit: int, ticket: str, address: str, event: str, since: str | None, until: str | None,
    follow: bool, json_: bool,
) -> None:  # fmt: skip
    """The last lines."""
    from helpdesk_daemon.adapters.store.views.reading import audit_end, audit_tail
    from helpdesk_daemon.tickets.tracking import read_tracking_id

    engine = reading(ctx)
    wanted: dict[str, Any] = {
        "ticket_id": read_tracking_id(ticket) if ticket else "", "address": address.lower(), "event": event,
        "since": since or "", "until": until or "",
    }  # fmt: skip
    last = audit_end(engine)
    rows = audit_tail(engine, limit, **wanted)
    if not follow:
        return print_json(rows) if json_ else _table(rows)
    while True:
        for row in rows:
            _line(row, json_)
            last = max(last, row["seq"])
        sys.stdout.flush()
        if until and datetime.now(UTC) >= datetime.fromisoformat(until):
            return None
        time.sleep(LOOK_SECONDS)
        end = audit_end(engine)
        rows = audit_tail(engine, end - last, after=last, **wanted) if end > last else []
        last = max(last, end)


def _table(rows: list[dict[str, Any]]) -> None:
    shown = [row | {"at": row["at"][:19], "detail": _detail(row)} for row in rows]
    print_rows(shown, COLUMNS, "Audit log", "No line of the audit log is like that.")


def _line(row: dict[str, Any], json_: bool) -> None:
    """One line of `--follow`."""
    if json_:
        click.echo(json.dumps(row, ensure_ascii=False))
    else:
        click.echo(f"{row['seq']:>8}  {row['at'][:19]}  {row['event']:<24} {row['ticket']:<11} {_detail(row)}")


def _detail(row: dict[str, Any]) -> str:
    return "(erased)" if row["detail"] is None else json.dumps(row["detail"], ensure_ascii=False)


@audit.command()
@click.option("--head", type=Head(), help="A head noted before; the log must still contain it")
@as_json
@click.pass_context
def verify(ctx: click.Context, head: Checkpoint | None, json_: bool) -> None:
    """Walk the hash chain and check its signatures; exit 1 when a row does not hold.

    The head it prints, noted elsewhere, proves later with --head that nothing was taken away since.
    """
    from helpdesk_daemon.adapters.store import audit as chain
    from helpdesk_daemon.adapters.store.engine import transaction

    engine = current_schema(reading(ctx))
    with transaction(engine) as connection, _bar(chain.head(connection).seq) as progress:
        found = chain.verify(connection, head, progress)
    if json_:
        cut_ = {"row": found.cut.seq, "at": found.cut.at} if found.cut else None
        print_json({"rows": found.rows, "problem": found.problem or None, "erased": found.erased, "cut": cut_,
                    "head": str(found.head)})  # fmt: skip
    else:
        _say(found)
    if found.problem:
        ctx.exit(EXIT_FINDINGS)


def _say(found: Any) -> None:
    if found.problem:
        click.secho(f"{found.problem}; {found.rows} rows before it hold", fg="red")
        click.echo("Compare with a backup: `helpdesk-daemon backup verify FILE` says whether that one holds.")
        return
    click.echo(f"{found.rows} rows hold, all of them")
    if found.cut:
        click.echo(f"row {found.cut.seq} and those before it, to {found.cut.at[:10]}, went by retention")
    if found.erased:
        click.echo(f"{found.erased} details were erased; their digests are in the chain")
    click.echo(f"head {found.head}")


@contextmanager
def _bar(rows: int) -> Iterator[Callable[[int], None]]:
    """A progress bar for a long log, on a terminal."""
    if rows < BAR_FROM or not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("Rows", total=rows)
        yield lambda done: shown.update(task, completed=done)
