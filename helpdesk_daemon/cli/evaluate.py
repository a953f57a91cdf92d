"""`evaluate`: how well would these labelled tickets be sorted?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helpdesk_daemon.cli.common import print_json, settings_of
from helpdesk_daemon.cli.main import EXIT_FINDINGS

if TYPE_CHECKING:
    from helpdesk_daemon.evaluation.trial import Judged

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
WORDS = {
    "accuracy": "right of all", "macro_f1": "mean F1 of the categories", "ece": "calibration error",
    "coverage": "sorted without a person", "precision_at_coverage": "right of those",
    "majority": "right by always guessing the largest category", "out_of_scope_auroc": "strangers told apart (AUROC)",
}  # fmt: skip


def _pairs(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    for value in values:
        if "=" not in value:
            raise click.BadParameter(f"{value!r} is not NAME=VALUE")
    return dict(value.split("=", 1) for value in values)


def _columns(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    found = _pairs(ctx, param, values)
    if unknown := set(found) - {"subject", "body", "category"}:
        raise click.UsageError(f"--map {unknown.pop()}=…: only subject, body and category can be mapped")
    return found


mapped = click.option("--map", "columns", multiple=True, callback=_columns, metavar="subject=COL",
                      help="Name a column of FILE")  # fmt: skip
relabelled = click.option("--relabel", multiple=True, callback=_pairs, metavar="OLD=NEW",
                          help="Take one label for another")  # fmt: skip


@click.command()
@click.argument("file", type=FILE)
@click.option("--train", type=FILE, help="Labelled examples; else the first four fifths of FILE")
@click.option("--mode", type=click.Choice(["knn", "full"]), default="full", show_default=True,
              help="The vote of the neighbours alone, or with second opinions")  # fmt: skip
@click.option("--target", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.95, show_default=True,
              help="Share that should be right of what is sorted without a person")  # fmt: skip
@click.option("--folds", type=click.IntRange(2, 50), help="Judge all of FILE in so many folds")
@mapped
@relabelled
@click.option("--out-of-scope", "outside", default="", metavar="LABEL", help="Label of tickets of no category")
@click.option("--seed", default=0, show_default=True, help="Shuffles the folds")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write an HTML page")
@click.option("--cache", type=click.Path(path_type=Path, file_okay=False), help="Folder of remembered meanings")
@click.option("--json", "json_", is_flag=True, help="One JSON object")
@click.pass_context
def evaluate(
    ctx: click.Context, file: Path, train: Path | None, mode: str, target: float, folds: int | None,
    columns: dict[str, str], relabel: dict[str, str], outside: str, seed: int, report: Path | None,
    cache: Path | None, json_: bool,
) -> None:  # fmt: skip
    """Measure the classifier on labelled tickets (CSV: subject, body, category).

    With --train, FILE is the test. Without, near-duplicates are removed and the last fifth in file order is the test.
    """
    if train and folds:
        raise click.UsageError("--folds takes all of FILE; it cannot be used with --train")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from helpdesk_daemon import log
    from helpdesk_daemon.adapters.tickets_csv import read_tickets

    log.setup("error")
    tickets = read_tickets(file, columns, relabel)
    examples = read_tickets(train, {}, relabel) if train else None
    judged, found = _measure(ctx, tickets, examples, cache, {
        "full": mode == "full", "target": target, "seed": seed, "number": folds or 0, "outside": outside,
    })  # fmt: skip
    if report:
        from helpdesk_daemon.evaluation.report import render
        from helpdesk_daemon.wiring.places import shipped

        report.write_text(render(judged, found, file.name, shipped("templates")), encoding="utf-8")
        click.echo(f"report: {report}", err=True)
    if json_:
        print_json(found)
    else:
        _show(found)
    if not found["signal"]:
        ctx.exit(EXIT_FINDINGS)


def _measure(
    ctx: click.Context, tickets: Any, examples: Any, cache: Path | None, asked: dict[str, Any]
) -> tuple[list[Judged], dict[str, Any]]:
    """Run the trial with a progress bar on standard error."""
    from rich.console import Console
    from rich.progress import Progress

    from helpdesk_daemon.adapters.model.embedder import OpenVinoEmbedder
    from helpdesk_daemon.evaluation.embedding_cache import RememberingEmbedder
    from helpdesk_daemon.evaluation.trial import try_out
    from helpdesk_daemon.wiring.places import ensure_model, model_folder, model_of

    settings = settings_of(ctx)
    folder = model_folder(settings)
    ensure_model(folder, model_of(settings))
    model = OpenVinoEmbedder(folder, settings.model.threads)
    model.load()
    place = cache or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "helpdesk-daemon"
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading meanings", total=len(tickets) + (len(examples) if examples else 0))
        embedder = RememberingEmbedder(model, place / "meanings.db", lambda done: progress.advance(task, done))
        return try_out(
            tickets, examples, embedder, **asked, note=lambda words: progress.update(task, description=words)
        )


def _show(found: dict[str, Any]) -> None:
    click.echo(f"{found['examples']} examples, {found['tests']} tests, mode {found['mode']}, {found['model']}")
    if found["duplicates_removed"]:
        click.echo(f"{found['duplicates_removed']} near-duplicates were left out")
    for key, words in WORDS.items():
        if (value := found.get(key)) is not None:
            click.echo(f"  {words:<48}{value:.3f}")
    if not found["signal"]:
        click.secho(
            "The labels carry no signal: always guessing the largest category does as well. "
            "Nothing can be learnt from this file.", fg="yellow",
        )  # fmt: skip
    elif not found["coverage"]:
        click.secho(f"No confidence reaches {found['target']:.0%}: all of it would go to triage.", fg="yellow")
