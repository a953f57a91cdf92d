"""`backup DEST`, `backup verify FILE`, `restore FILE FOLDER`: all that is needed to go on elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helpdesk_daemon import __version__
from helpdesk_daemon.cli.common import as_json, current_schema, print_json, reading, settings_of
from helpdesk_daemon.cli.main import EXIT_FINDINGS, default_settings
from helpdesk_daemon.errors import HelpdeskError

if TYPE_CHECKING:
    from helpdesk_daemon.adapters.store.upkeep.backup import Manifest
    from helpdesk_daemon.settings import Settings

SETTINGS, DATA = "settings.toml", "var"
KEPT = ("keys", "tokens")  # folders of data_dir


class Group(click.Group):
    """Takes any word that is none of its commands as the place to write a backup to."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command, or `make` with all words as its own."""
        if args and args[0] not in self.commands:
            return "make", self.commands["make"], args
        return super().resolve_command(ctx, args)


@click.group(cls=Group, subcommand_metavar="DEST | verify SRC", context_settings={"ignore_unknown_options": True})
def backup() -> None:
    """Write a backup to DEST, a new file ending in .tar.gz or a new folder; the daemon may run.

    It holds database, keys, tokens, settings, rules and templates: whoever reads it can read all mail.
    """


@backup.command(hidden=True)
@click.argument("dest", type=click.Path(path_type=Path))
@as_json
@click.pass_context
def make(ctx: click.Context, dest: Path, json_: bool) -> None:
    """Write a backup."""
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.store.upkeep import backup as copies
    from helpdesk_daemon.adapters.store.upkeep.operate import OPERATOR, note
    from helpdesk_daemon.ports import Audit
    from helpdesk_daemon.wiring.places import database, open_store

    settings = settings_of(ctx)
    current_schema(reading(ctx))
    file, root = _settings_file(ctx)
    data = _place(settings.data_dir, root, DATA)
    files, moved = _files(settings, file, root, data)
    facts = {"version": __version__, "moved": moved, "left_out": tuple(_left_out(settings))}
    made = copies.make(dest, (f"{data}/helpdesk.db", database(settings)), files, facts, datetime.now(UTC))
    note(open_store(settings), SystemClock(), Audit("backup.made", {"head": made.head}, actor=OPERATOR))
    size = sum(f.stat().st_size for f in ([dest] if dest.is_file() else dest.rglob("*")) if f.is_file())
    if json_:
        print_json({"backup": str(dest), "bytes": size, **_facts(made)})
        return
    click.echo(
        f"{dest}: {len(made.files)} files, {size / 1e6:.1f} MB, audit log up to row {made.head.partition(':')[0]}"
    )
    _say_left_out(made)


@backup.command()
@click.argument("src", type=click.Path(path_type=Path, exists=True))
@as_json
@click.pass_context
def verify(ctx: click.Context, src: Path, json_: bool) -> None:
    """Unpack a backup, compare every digest, check the database and walk its audit log; exit 1 on findings."""
    from helpdesk_daemon.adapters.store.upkeep import backup as copies

    made, problem = copies.check(src)
    if json_:
        print_json({"backup": str(src), "problem": problem or None, **_facts(made)})
    elif problem:
        click.secho(f"{src}: {problem}", fg="red")
    else:
        click.echo(f"{src}: {len(made.files)} files of {made.made_at}, all as they were; database and audit log hold")
    if problem:
        ctx.exit(EXIT_FINDINGS)


@click.command()
@click.argument("src", type=click.Path(path_type=Path, exists=True))
@click.argument("folder", type=click.Path(path_type=Path))
@as_json
def restore(src: Path, folder: Path, json_: bool) -> None:
    """Restore a backup into a new FOLDER: settings, rules, keys and database. Nothing that exists is overwritten."""
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.store.engine import open_engine
    from helpdesk_daemon.adapters.store.upkeep import backup as copies
    from helpdesk_daemon.adapters.store.upkeep.operate import OPERATOR

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise HelpdeskError(f"{folder} exists and is not empty: name a new folder, nothing live is overwritten")
    with copies.scratch(folder) as scratch:
        made, problem = copies.unpack(src, scratch)
        if problem:
            raise HelpdeskError(f"{src}: {problem}. Nothing was restored")
        _repoint(scratch / SETTINGS, made)
        engine = open_engine(scratch / made.database)
        unsure = copies.settle_restored(engine, SystemClock(), made, OPERATOR)
        engine.dispose()
        if folder.exists():
            folder.rmdir()
        os.replace(scratch, folder)
    if json_:
        print_json({"folder": str(folder), "ambiguous": unsure, **_facts(made)})
        return
    click.echo(f"{folder}: {len(made.files)} files of {made.made_at}")
    for key, place in made.moved.items():
        click.echo(f"settings.toml: {key} is {place} now; it lay elsewhere")
    _say_left_out(made)
    if unsure:
        click.echo(
            f"{unsure} mails may have been sent since: `outbox list --state ambiguous`, then retry or drop them."
        )
    click.echo(f"Next: helpdesk-daemon --settings {folder / SETTINGS} check, then audit reconcile --repair.")


def _facts(made: Manifest) -> dict[str, Any]:
    return {"made_at": made.made_at, "schema": made.schema, "head": made.head, "files": sorted(made.files),
            "moved": dict(made.moved), "left_out": list(made.left_out)}  # fmt: skip


def _say_left_out(made: Manifest) -> None:
    if made.left_out:
        click.echo("Not in it: " + ", ".join(made.left_out))


def _settings_file(ctx: click.Context) -> tuple[Path, Path]:
    """The settings file, and the folder its relative paths are taken from."""
    from helpdesk_daemon.wiring.places import shipped

    path: Path = ctx.find_root().obj or default_settings()
    if path.exists():
        return path, path.resolve().parent
    return shipped("settings.toml"), Path.cwd()


def _place(path: Path, root: Path, otherwise: str) -> str:
    """Where a path lies in a backup: as below the settings' folder, or where what lies elsewhere is put."""
    path = path.resolve()
    inside = path.is_relative_to(root.resolve()) and path != root.resolve()
    return str(path.relative_to(root.resolve())) if inside else otherwise


def _files(settings: Settings, file: Path, root: Path, data: str) -> tuple[dict[str, Path], dict[str, str]]:
    """Files by their place in the backup, and the keys of settings.toml that must name another place."""
    files, moved = {SETTINGS: file}, {}
    if data == DATA and settings.data_dir.resolve() != (root / DATA).resolve():
        moved["data_dir"] = DATA
    for name in KEPT:
        files |= dict(_below(settings.data_dir / name, f"{data}/{name}"))
    tables: list[tuple[str, Any]] = [("", settings), *((f"mailbox.{n}.", b) for n, b in enumerate(settings.mailbox))]
    for prefix, table in tables:
        for key in ("rules", "templates"):
            path: Path | None = getattr(table, key)
            if path is None or (prefix and path == getattr(settings, key)):
                continue
            place = _place(path, root, f"outside/{prefix}{path.name}")
            files |= {place: path} if path.is_file() else dict(_below(path, place))
            if place.startswith("outside/"):
                moved[f"{prefix}{key}"] = place
    return files, moved


def _below(folder: Path, place: str) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield f"{place}/{path.relative_to(folder)}", path


def _left_out(settings: Settings) -> Iterator[str]:
    """What the settings name besides: secrets, certificates, mailboxes that are folders."""
    accounts = settings.accounts
    secrets = {*settings.alerts.secret_files, *(file for table in accounts for file in table.secret_files)}
    secrets |= {settings.index.token_file} if settings.index.token_file else set()
    certificates = {table.ca_file for table in accounts if table.ca_file}
    folders = {Path(table.endpoint.path) for table in accounts if table.endpoint.scheme == "maildir"}
    yield from sorted(map(str, secrets | certificates | folders))


def _repoint(file: Path, made: Manifest) -> None:
    """Make restored settings name the places in the new folder."""
    import tomlkit

    if not made.moved:
        return
    document: Any = tomlkit.parse(file.read_text(encoding="utf-8"))
    for key, place in made.moved.items():
        *tables, name = key.split(".")
        table = document
        for part in tables:
            table = table[int(part)] if part.isdigit() else table[part]
        table[name] = place
    file.write_text(tomlkit.dumps(document), encoding="utf-8")
