"""`status`: how the installation fares, on one screen; exit 1 when something needs a person."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from helpdesk_daemon.cli.common import PIPED_WIDTH, as_json, print_json, settings_of
from helpdesk_daemon.cli.main import EXIT_FINDINGS
from helpdesk_daemon.errors import ConfigError, HelpdeskError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console, Group, RenderableType
    from sqlalchemy import Engine

    from helpdesk_daemon.ports import Trouble
    from helpdesk_daemon.settings import Settings

Line = tuple[str, str, str]  # label, style of the words, words
WATCH_SECONDS = 2.0
FINE, NOTE, BAD = "", "yellow", "red"


@click.command()
@click.option("--watch", is_flag=True, help="Stay, and show it anew every 2 s until Ctrl-C")
@as_json
@click.pass_context
def status(ctx: click.Context, watch: bool, json_: bool) -> None:
    """How things stand: mailboxes, mail that waits, incidents, index, rules, today's numbers.

    Exit 1 when something needs a person.
    """
    settings = settings_of(ctx)
    if watch and (json_ or not sys.stdout.isatty()):
        raise click.UsageError("--watch needs a terminal; scripts ask again, with --json")
    if watch:
        _watch(settings)
        return
    found = _found(settings)
    if json_:
        print_json(found)
    else:
        _console().print(_screen(found))
    if found["problems"] or "problem" in found["rules"]:
        ctx.exit(EXIT_FINDINGS)


def _found(settings: Settings) -> dict[str, Any]:
    """Everything that is shown.

    Raises:
        ConfigError: there is no database yet.
    """
    from helpdesk_daemon.adapters.store.engine import open_engine
    from helpdesk_daemon.wiring.places import database

    path = database(settings)
    if not path.exists():
        raise ConfigError(str(path), "", "there is no database yet", "Start the daemon, or try `helpdesk-daemon demo`")
    engine = open_engine(path, readonly=True)
    try:
        return _look(settings, engine, path)
    finally:
        engine.dispose()


def _look(settings: Settings, engine: Engine, path: Path) -> dict[str, Any]:
    from helpdesk_daemon.adapters.store.engine import running_since
    from helpdesk_daemon.adapters.store.migrate import HEAD, current
    from helpdesk_daemon.adapters.store.views.figures import figures
    from helpdesk_daemon.conditions import look_for_trouble

    now, running = datetime.now(UTC), running_since(settings.data_dir)
    if current(engine) != HEAD:
        raise ConfigError(str(path), "", "belongs to another version", "Start this version of the daemon once")
    troubles, _ = look_for_trouble(engine, settings, now, running[1] if running else None)
    found = figures(engine, now)
    names = [table.name for table in settings.mailbox]
    rows = {row["mailbox"]: row for row in found["mailboxes"]}
    return {
        "at": now, "running": {"process": running[0], "since": running[1]} if running else None,
        "problems": _problems(troubles, found["incidents"]),
        **found, "mailboxes": [rows.get(name) or {"mailbox": name, "polled_at": None} for name in names],
        "rules": _rules(settings),
    }  # fmt: skip


def _problems(troubles: list[Trouble], incidents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What needs a person: open incidents, and what is wrong now whether or not anybody was told yet."""
    told = {(row["name"], row["subject"]) for row in incidents if not row["gone_at"]}
    problems = [
        {name: row[name] for name in ("name", "subject", "problem", "mend", "opened_at")}
        for row in incidents
        if not row["gone_at"]
    ]
    return problems + [
        {"name": t.name, "subject": t.subject, "problem": t.problem, "mend": t.mend, "opened_at": None}
        for t in troubles
        if (t.name, t.subject) not in told
    ]


def _rules(settings: Settings) -> dict[str, Any]:
    from helpdesk_daemon.wiring.desks import routings_of
    from helpdesk_daemon.wiring.places import shipped

    first = settings.mailbox[0]
    path = first.rules or shipped("rules/routing.toml")
    try:
        routing = routings_of(settings)[first.name]  # those of all are looked at
    except ConfigError as error:
        return {"file": str(path), "problem": str(error)}
    return {"file": str(path), "version": routing.version[:12], "categories": len(routing.categories),
            "rules": len(routing.rules)}  # fmt: skip


def _watch(settings: Settings) -> None:
    """Show the present state again and again; a look that fails is said, and the next one tried."""
    from rich.live import Live
    from rich.text import Text

    with contextlib.suppress(KeyboardInterrupt), Live(console=_console(), screen=True, auto_refresh=False) as live:
        while True:
            try:
                shown: RenderableType = _screen(_found(settings))
            except HelpdeskError as error:
                shown = Text(str(error), style=BAD)
            live.update(shown, refresh=True)
            time.sleep(WATCH_SECONDS)


def _console() -> Console:
    from rich.console import Console

    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(highlight=False, width=PIPED_WIDTH if piped else None)


def _screen(found: Mapping[str, Any]) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    lines = [
        _daemon(found), *_mailbox_lines(found), _arrival_line(found), _outbox_line(found), _breaker_line(found),
        _index_line(found), _rules_line(found), *_today_lines(found["today"]),
    ]  # fmt: skip
    for label, style, line in lines:
        grid.add_row(Text(label, style="bold"), Text(line, style=style))
    words = []
    if not found["problems"] and "problem" not in found["rules"]:
        words.append(Text("Nothing needs a person.", style="green"))
    for problem in found["problems"]:
        since = f" (since {_ago(problem['opened_at'], found['at'])})" if problem["opened_at"] else ""
        words += [Text(f"{problem['problem']}{since}", style="red"), Text(f"  {problem['mend']}")]
    return Group(grid, "", *words)


def _ago(at: datetime | None, now: datetime) -> str:
    """How long ago, in the largest unit that says enough."""
    if at is None:
        return "never"
    seconds = max((now - at).total_seconds(), 0)
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def _daemon(found: Mapping[str, Any]) -> Line:
    running = found["running"]
    if running is None:
        return "Daemon", NOTE, "not running"
    return "Daemon", FINE, f"process {running['process']}, began {_ago(running['since'], found['at'])}"


def _mailbox_lines(found: Mapping[str, Any]) -> list[Line]:
    lines = []
    for number, row in enumerate(found["mailboxes"]):
        style, words = FINE, f"{row['mailbox']}: polled {_ago(row['polled_at'], found['at'])}"
        if row.get("last_error"):
            good = _ago(row["succeeded_at"], found["at"])
            style, words = BAD, f"{row['mailbox']}: fails, last read {good}: {row['last_error']}"
        if row.get("quota_limit"):
            words += f", {100 * row['quota_used'] / row['quota_limit']:.0f} % full"
        lines.append(("" if number else "Mailboxes", style, words))
    return lines


def _arrival_line(found: Mapping[str, Any]) -> Line:
    waiting = found["arrivals"]["pending"] + found["arrivals"]["claimed"]
    if not waiting:
        return "New mail", FINE, "none waits"
    return "New mail", NOTE, f"{waiting} wait, the oldest came {_ago(found['arrivals']['oldest'], found['at'])}"


def _outbox_line(found: Mapping[str, Any]) -> Line:
    counts = {state: number for state, number in found["outbox"].items() if state != "oldest_due" and number}
    if not counts:
        return "Outbox", FINE, "all sent"
    words = ", ".join(f"{number} {state}" for state, number in counts.items())
    due = found["outbox"]["oldest_due"]
    return "Outbox", NOTE, words + (f"; the oldest was due {_ago(due, found['at'])}" if due else "")


def _breaker_line(found: Mapping[str, Any]) -> Line:
    breaker = found["breaker"]
    if breaker is None:
        return "Breaker", FINE, "closed"
    return "Breaker", BAD, f"open since {_ago(breaker['opened_at'], found['at'])}: {breaker['reason']}"


def _index_line(found: Mapping[str, Any]) -> Line:
    sources, models = found["examples"]["by_source"], found["examples"]["by_model"]
    missing = models.get("", 0)
    words = ", ".join(f"{number} {source}" for source, number in sources.items()) or "no examples"
    named = ", ".join(name for name in models if name)
    return "Index", FINE, words + (f"; {named}" if named else "") + (f"; {missing} not embedded" if missing else "")


def _rules_line(found: Mapping[str, Any]) -> Line:
    rules = found["rules"]
    if "problem" in rules:
        return "Rules", BAD, rules["problem"]
    return "Rules", FINE, f"{rules['file']}, version {rules['version']}"


def _today_lines(today: Mapping[str, Any]) -> list[Line]:
    tickets, states = today["tickets"], today["by_state"]
    parts = [_count(tickets, "ticket", "tickets"), _count(states.get("reply", 0), "reply", "replies")]
    parts += [f"{states[state]} {state}" for state in ("ignored", "quarantined") if states.get(state)]
    lines = [("Today", FINE, f"{_count(today['mails'], 'mail', 'mails')}: {', '.join(parts)}")]
    if tickets:
        share = today["review"] / tickets
        lines += [
            ("", FINE, f"{today['acknowledged']} acknowledged, {today['review']} to review ({share:.0%})"),
            ("", FINE, ", ".join(f"{name} {number}" for name, number in today["departments"].items())),
        ]
    return lines


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"
