"""`rules check|diff|test|hits|versions|show|schema`: routing rules, before and after they are saved."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helpdesk_daemon.cli.common import as_json, current_schema, hours, print_json, print_rows, reading, settings_of
from helpdesk_daemon.cli.main import EXIT_FINDINGS

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from helpdesk_daemon.settings import Settings
    from helpdesk_daemon.triage.rehearsal.findings import Finding
    from helpdesk_daemon.triage.rehearsal.replay import Comparison, Difference, Placement

SHOWN = 40  # differences that the table has room for; --json has all
DIFFERENCES = {
    "ticket": "Tracking ID", "subject": "Subject", "was": "Went to", "now": "Would go to", "rule": "By rule",
}  # fmt: skip
HITS = {"rule": "Rule", "count": "Mails", "last": "At", "things": "What it set"}
VERSIONS = {"version": "Version", "at": "Since", "decisions": "Decisions"}
DAYS = click.option("--days", default=30, show_default=True, type=click.IntRange(1, 3650), help="Mail of so many days")
MAILBOX = click.option("--mailbox", default="", metavar="NAME", help="Rules of this mailbox; the first when not given")
FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.group()
def rules() -> None:
    """Look at routing rules: are they sound, what do they do, what would an edit change?"""


@rules.command()
@click.argument("file", type=FILE, required=False)
@DAYS
@as_json
@click.pass_context
def check(ctx: click.Context, file: Path | None, days: int, json_: bool) -> None:
    """Errors, rules that never hit, overlaps, departments without mail. Every file in use, or FILE.

    Exit 1 when something should be mended; notes alone are fine.
    """
    from helpdesk_daemon.tomlfile import read_file
    from helpdesk_daemon.wiring.desks import rules_files
    from helpdesk_daemon.wiring.rules import check_rules, kept_for

    settings = settings_of(ctx)
    engine = _database(ctx, settings)
    found: dict[str, list[Finding]] = {}
    for path in [file] if file else rules_files(settings):
        names = kept_for(settings, path)
        found[str(path)] = check_rules(read_file(path), str(path), settings, engine, names, datetime.now(UTC), days)
    if json_:
        print_json([{"file": path, **_finding(one)} for path, all_ in found.items() for one in all_])
    else:
        for name, findings in found.items():
            _show_findings(name, findings)
    if any(not finding.kind.is_note for findings in found.values() for finding in findings):
        ctx.exit(EXIT_FINDINGS)


def _database(ctx: click.Context, settings: Settings) -> Engine | None:
    """The database when there is one yet."""
    from helpdesk_daemon.wiring.places import database

    return current_schema(reading(ctx)) if database(settings).exists() else None


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind.value, "note": finding.kind.is_note, "line": finding.line or None, "key": finding.key,
        "problem": finding.problem, "mend": finding.mend, "quote": finding.quote,
    }  # fmt: skip


def _show_findings(path: str, findings: list[Finding]) -> None:
    if not findings:
        click.secho("ok   ", fg="green", nl=False)
        click.echo(path)
    for finding in findings:
        note = finding.kind.is_note
        click.secho("note " if note else "FAIL ", fg="yellow" if note else "red", nl=False)
        place = f"{path}:{finding.line}" if finding.line else path
        click.echo(f"{place}: {finding.kind.value}: {finding.key + ': ' if finding.key else ''}{finding.problem}")
        if finding.quote and not finding.quote.startswith("["):
            click.secho(f"       {finding.quote}", dim=True)
        click.echo(f"       {finding.mend}")


@rules.command()
@click.argument("new", type=FILE)
@DAYS
@MAILBOX
@as_json
@click.pass_context
def diff(ctx: click.Context, new: Path, days: int, mailbox: str, json_: bool) -> None:
    """What NEW would have done otherwise with the mail of the last days. Nothing is changed. Exit 1 on differences."""
    from helpdesk_daemon.adapters.rules.file import load_routing
    from helpdesk_daemon.wiring.desks import rules_files
    from helpdesk_daemon.wiring.rules import compare_rules, last_good

    settings = settings_of(ctx)
    name = _mailbox(settings, mailbox)
    names = next(names for names in rules_files(settings).values() if name in names)
    tried = load_routing(new, settings.polled)
    engine = current_schema(reading(ctx))
    found = compare_rules(last_good(settings, engine)[name], tried, engine, names, datetime.now(UTC), days)
    if json_:
        print_json({"days": days, "tried": found.tried, "gone": found.gone, "moves": _moves(found),
                    "differences": [_difference(d) for d in found.differences]})  # fmt: skip
    else:
        _show_comparison(found, days)
    if found.new:
        ctx.exit(EXIT_FINDINGS)


def _mailbox(settings: Settings, name: str) -> str:
    names = [box.name for box in settings.mailbox]
    if name and name not in names:
        raise click.UsageError(f"there is no mailbox {name!r}. Known: {', '.join(names)}")
    return name or names[0]


def _difference(d: Difference) -> dict[str, Any]:
    return {
        "arrival": d.past.arrival, "ticket": d.past.ticket or None, "at": d.past.at, "subject": d.past.mail.subject,
        "what": list(d.what), "was": _placement(d.past.was), "was_rule": d.past.rule, "now": _placement(d.now),
        "rule": d.rule, "already": d.already,
    }  # fmt: skip


def _placement(p: Placement) -> dict[str, Any]:
    if p.ignored:
        return {"ignored": True}
    return {
        "ignored": False, "department": p.department, "address": p.address or None, "category": p.category or None,
        "priority": p.priority.value if p.priority else None, "sla_hours": p.sla_hours,
        "needs_review": p.needs_review, "tags": list(p.tags), "acknowledge": p.acknowledge,
    }  # fmt: skip


def _moves(found: Comparison) -> list[dict[str, Any]]:
    """How many mails go from where to where, the most first."""
    pairs = Counter((_place(d.past.was), _place(d.now)) for d in found.new if _place(d.past.was) != _place(d.now))
    return [{"from": was, "to": now, "count": count} for (was, now), count in pairs.most_common()]


def _place(p: Placement) -> str:
    return "ignored" if p.ignored else p.department + (" (to be sorted)" if p.needs_review else "")


def _told(p: Placement, what: tuple[str, ...]) -> str:
    """Where a mail goes, with all else that differs."""
    if p.ignored:
        return "ignored"
    words = {
        "address": f"<{p.address}>", "category": p.category or "no category",
        "priority": p.priority.value if p.priority else "", "sla_hours": hours(p.sla_hours),
        "tags": f"tags {', '.join(p.tags) or 'none'}",
        "acknowledge": "acknowledged" if p.acknowledge else "not acknowledged",
    }  # fmt: skip
    return ", ".join([_place(p), *(word for name, word in words.items() if name in what)])


def _show_comparison(found: Comparison, days: int) -> None:
    new = found.new
    rows = [
        {"ticket": d.past.ticket, "subject": d.past.mail.subject, "was": _told(d.past.was, d.what),
         "now": _told(d.now, d.what), "rule": d.rule}
        for d in new[:SHOWN]
    ]  # fmt: skip
    if rows:
        print_rows(rows, DIFFERENCES, "What would be otherwise", "")
    if len(new) > SHOWN:
        click.echo(f"… and {len(new) - SHOWN:,} more: --json has all.")
    for move in _moves(found):
        click.echo(f"{move['count']:>7,}  {move['from']} → {move['to']}")
    click.echo(f"{len(new):,} of {found.tried:,} mails of the last {days} days would have been handled otherwise.")
    if already := len(found.differences) - len(new):
        click.echo(f"{already:,} more were decided by older rules; those in use would do the same as the new ones.")
    if found.gone:
        click.echo(f"{found.gone:,} could not be tried: too little is kept of them.")


@rules.command()
@click.argument("file", type=FILE, required=False)
@MAILBOX
@as_json
@click.pass_context
def test(ctx: click.Context, file: Path | None, mailbox: str, json_: bool) -> None:
    """Try the [[case]] entries of the rules in use, or of FILE. Exit 1 when one goes elsewhere."""
    from helpdesk_daemon.adapters.rules.file import load_routing
    from helpdesk_daemon.triage.rehearsal.trials import trials
    from helpdesk_daemon.wiring.desks import rules_files

    settings = settings_of(ctx)
    name = _mailbox(settings, mailbox)
    path = file or next(path for path, names in rules_files(settings).items() if name in names)
    results = trials(load_routing(path, settings.polled))
    shown: list[dict[str, Any]] = [
        {"case": r.case.name, "ok": not r.wrong, "rule": r.rule,
         "wrong": {k: {"expected": _word(a), "found": _word(b)} for k, (a, b) in r.wrong.items()}}
        for r in results
    ]  # fmt: skip
    if json_:
        print_json(shown)
    for result in [] if json_ else shown:
        click.secho("ok   " if result["ok"] else "FAIL ", fg="green" if result["ok"] else "red", nl=False)
        click.echo(result["case"])
        for key, pair in result["wrong"].items():
            click.echo(f"       {key}: expected {pair['expected']}, found {pair['found']} (by {result['rule']})")
    if not results:
        click.echo(f"There are no cases yet. Write [[case]] entries in {path}; docs/rules.md shows how.", err=True)
    if any(r.wrong for r in results):
        ctx.exit(EXIT_FINDINGS)


def _word(value: object) -> Any:
    """A value of a decision as people write it."""
    from helpdesk_daemon.triage.rules import Department

    if isinstance(value, Department):
        return value.name
    return list(value) if isinstance(value, tuple) else value


@rules.command()
@DAYS
@MAILBOX
@as_json
@click.pass_context
def hits(ctx: click.Context, days: int, mailbox: str, json_: bool) -> None:
    """How often each rule set something, by the decisions that were made."""
    from helpdesk_daemon.adapters.store.rules.past import hits_since
    from helpdesk_daemon.wiring.desks import routing_of, rules_files

    settings = settings_of(ctx)
    name = _mailbox(settings, mailbox)
    names = next(names for names in rules_files(settings).values() if name in names)
    engine = current_schema(reading(ctx))
    found = hits_since(engine, datetime.now(UTC) - timedelta(days=days), names)
    box = next(box for box in settings.mailbox if box.name == name)
    silent = [r.name for r in routing_of(settings, box).rules if r.name not in {h.rule for h in found}]
    rows: list[dict[str, Any]] = [{"rule": h.rule, "count": h.count, "last": h.last, "things": h.things} for h in found]
    rows += [{"rule": rule, "count": 0, "last": None, "things": {}} for rule in silent]
    if json_:
        print_json(rows)
        return
    said = [row | {"things": ", ".join(f"{thing} {n:,}" for thing, n in row["things"].items())} for row in rows]
    print_rows(said, HITS, f"Rules, last {days} days", "There are no rules.")


@rules.command()
@click.option("--limit", default=20, show_default=True)
@as_json
@click.pass_context
def versions(ctx: click.Context, limit: int, json_: bool) -> None:
    """The rules that were in use, latest first, and how many decisions each made."""
    from helpdesk_daemon.adapters.store.rules.rule_versions import versions as kept

    found = kept(current_schema(reading(ctx)), limit)
    if json_:
        print_json(found)
        return
    rows = [row | {"version": row["version"][:12]} for row in found]
    print_rows(rows, VERSIONS, "Versions of the rules", "None was used yet.")


@rules.command()
@click.argument("version")
@click.pass_context
def show(ctx: click.Context, version: str) -> None:
    """Print the rules as they were: VERSION is the beginning of a digest, as decisions record it."""
    from helpdesk_daemon.adapters.store.rules.rule_versions import text_of_version

    found = text_of_version(current_schema(reading(ctx)), version)
    if found is None:
        raise click.UsageError(f"no version begins with {version!r}; see `rules versions`")
    click.echo(found[1], nl=False)


@rules.command()
def schema() -> None:
    """Print the JSON Schema of routing.toml, for editors."""
    from helpdesk_daemon.adapters.rules.tables import schema as made

    click.echo(json.dumps(made(), indent=2))
