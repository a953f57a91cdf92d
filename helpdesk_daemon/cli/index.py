"""`index status|sync|rebuild`: the copy of the labelled examples in the vector database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from helpdesk_daemon.cli.common import as_json, print_json, print_rows, settings_of
from helpdesk_daemon.cli.main import EXIT_FINDINGS
from helpdesk_daemon.errors import ConfigError, HelpdeskError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from helpdesk_daemon.adapters.index.held import Held
    from helpdesk_daemon.adapters.index.sync import IndexSync, Report
    from helpdesk_daemon.settings import Settings

COLUMNS = {"what": "What", "found": "Found"}
WORDS = {
    "kind": "In use", "server": "Server", "generation": "API generation", "examples": "Examples that vote",
    "without_vector": "Not embedded yet", "sent": "Sent to the server", "to_send": "To be sent or taken out",
    "count": "Held by the server", "dimension": "Dimensions", "recall": "Recall at 20", "query_ms": "A query, in ms",
    "checked_at": "Last found in step", "trouble": "Trouble",
}  # fmt: skip


@click.group()
def index() -> None:
    """The labelled examples in the vector database."""


@index.command()
@as_json
@click.pass_context
def status(ctx: click.Context, json_: bool) -> None:
    """Does the server hold what it should, and does it find it? Measured now; exit 1 when not."""
    settings = settings_of(ctx)
    found = _status(settings)
    if json_:
        print_json(found)
    else:
        rows = [{"what": words, "found": _shown(name, found[name])} for name, words in WORDS.items() if name in found]
        print_rows(rows, COLUMNS, "Index", "")
    if found["trouble"]:
        ctx.exit(EXIT_FINDINGS)


@index.command()
@click.pass_context
def sync(ctx: click.Context) -> None:
    """Send what the server lacks and take out what it should not hold. Goes on where it was interrupted."""
    bring_in_step(settings_of(ctx))


@index.command()
@click.pass_context
def rebuild(ctx: click.Context) -> None:
    """Drop the index on the server, whoever made it, and load it anew."""
    bring_in_step(settings_of(ctx), anew=True)


def bring_in_step(settings: Settings, anew: bool = False, say: Callable[[str], None] = click.echo) -> None:
    """Sync until nothing has changed meanwhile, and say what was done.

    Args:
        settings: of the installation.
        anew: drop the index on the server first.
        say: prints a line.

    Raises:
        HelpdeskError: the server failed, or cannot be trusted; what was done so far is kept.
    """
    from helpdesk_daemon import log
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.store.learning.examples import Examples
    from helpdesk_daemon.wiring.places import model_folder, open_store
    from helpdesk_daemon.wiring.voting import contents, endee_of, seed

    _only_endee(settings)
    log.setup("error", settings.log.format)
    engine = open_store(settings)
    seed(Examples(engine, SystemClock()), model_folder(settings))
    copy = endee_of(settings, engine, SystemClock())
    try:
        with _bar("embedding") as embedded, _bar(f"to {settings.index.url}") as sent:
            before = None
            while (now := contents(settings, engine, embedded)) and (before is None or _differ(before, now)):
                copy.replace(*now)
                say(_line(copy.sync(anew=anew, progress=sent)))
                before, anew = now, False
    finally:
        copy.close()
        engine.dispose()


def _differ(one: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    return bool(one[0] != other[0] or one[1].tobytes() != other[1].tobytes())


def _line(report: Report) -> str:
    why = f"loaded anew ({report.rebuilt}): " if report.rebuilt else ""
    count = "" if report.count is None else f", {report.count} in all"
    recall = "" if report.recall is None else f"; recall {report.recall:.3f}"
    return f"{why}{report.inserted} sent, {report.deleted} taken out{count}{recall}"


@contextmanager
def _bar(words: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, drawn once there is something to do."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(words, total=None, visible=False)

        def told(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, visible=total > 0)

        yield told


def _status(settings: Settings) -> dict[str, Any]:
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.index.held import Held
    from helpdesk_daemon.adapters.store.engine import open_engine
    from helpdesk_daemon.adapters.store.learning.examples import Examples
    from helpdesk_daemon.stages.classify import matrix
    from helpdesk_daemon.wiring.places import database, model_of

    path = database(settings)
    if not path.exists():
        raise ConfigError(str(path), "", "there is no database yet", "Start the daemon, or `helpdesk-daemon once`")
    engine = open_engine(path, readonly=True)
    store = Examples(engine, SystemClock())
    kept = store.vectors(model_of(settings).key)
    examples = store.active()
    ready = [e for e in examples if e.id in kept]
    found: dict[str, Any] = {"kind": settings.index.kind, "examples": len(examples)}
    found["without_vector"] = len(examples) - len(ready)
    if settings.index.kind == "exact":
        return found | {"trouble": ""}
    return found | _compared(settings, engine, Held.of(ready, matrix(ready, kept)))


def _compared(settings: Settings, engine: Engine, held: Held) -> dict[str, Any]:
    """What the ledger says, and what the server says now."""
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.wiring.voting import endee_of

    copy = endee_of(settings, engine, SystemClock())
    step = copy.keeper
    target, entries = step.ledger.target(), step.ledger.entries()
    wrong = {e for e, digest in held.digests.items() if entries.get(e) != digest} | (set(entries) - set(held.digests))
    found: dict[str, Any] = {
        "server": f"{settings.index.url}, {settings.index.name}", "sent": sum(map(bool, entries.values())),
        "to_send": len(wrong), "checked_at": target.checked_at if target else None,
    }  # fmt: skip
    try:
        found |= _asked(step, held)
    except HelpdeskError as error:
        found["trouble"] = str(error)
    finally:
        copy.close()
    found.setdefault("trouble", "not in step: `helpdesk-daemon index sync`" if wrong else "")
    return found


def _asked(step: IndexSync, held: Held) -> dict[str, Any]:
    wire = step.server.connect()
    seen = step.server.describe()
    if seen is None:
        raise HelpdeskError("the server has no such index yet: `helpdesk-daemon index sync`")
    found: dict[str, Any] = {
        "generation": wire.generation, "count": seen.count, "dimension": seen.dimension,
        "recall": step.recall(held) if seen.dimension == held.vectors.shape[1] else None,
        "query_ms": round(step.query_seconds * 1_000, 1),
    }  # fmt: skip
    if seen.count is not None and seen.count != len(held.digests):
        found["trouble"] = f"it holds {seen.count} of {len(held.digests)}: `helpdesk-daemon index sync`"
    return found


def _shown(name: str, value: object) -> object:
    if value is None:
        return "not told"
    return f"{value:.3f}" if name == "recall" else value


def _only_endee(settings: Settings) -> None:
    if settings.index.kind != "endee":
        raise ConfigError(
            "settings", "index.kind", f"is {settings.index.kind}: examples are searched in memory, there is no copy",
            'Write kind = "endee" and the server\'s url',
        )  # fmt: skip
