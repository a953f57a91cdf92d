"""Do exact search and Endee vote alike? `python -m scripts.index_agreement TICKETS.csv [--url URL]`.

Tickets (`subject`, `body`, `category`) are voted on in parts; the others are the examples, so that no ticket finds
itself. Without `--url`, the tests' server stands in, with a share of its neighbours dropped.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np

from helpdesk_daemon.adapters.index.endee import Server
from helpdesk_daemon.adapters.index.exact import ExactIndex
from helpdesk_daemon.adapters.model.embedder import OpenVinoEmbedder
from helpdesk_daemon.ports import Example, VectorIndex
from helpdesk_daemon.triage.text import judged_text
from helpdesk_daemon.triage.vote import AT_ONCE, TEMPERATURE, K, Neighbour, Vectors
from helpdesk_daemon.wiring.places import ensure_model, prepared_model
from tests.harness.endee import EndeeServer
from tests.harness.endee_index import guarded


def winner(near: list[Neighbour]) -> str:
    """The category that a vote of neighbours gives."""
    weights: dict[str, float] = {}
    for n in near:
        weights[n.category] = weights.get(n.category, 0.0) + math.exp(n.similarity / TEMPERATURE)
    return max(weights, key=lambda name: weights[name])


@click.command()
@click.argument("table", type=click.Path(path_type=Path, exists=True))
@click.option("--examples", default=8_000, show_default=True)
@click.option("--tickets", default=2_000, show_default=True)
@click.option("--recall", default=0.95, show_default=True, help="Of the stand-in")
@click.option("--url", default="", help="A genuine server; its token in HELPDESK_TEST_ENDEE_TOKEN")
@click.option("--generation", default=1, show_default=True, help="Of the stand-in's API")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder that keeps embeddings between runs")
def main(
    table: Path, examples: int, tickets: int, recall: float, url: str, generation: int, cache: Path | None
) -> None:
    """Compare votes."""
    csv.field_size_limit(sys.maxsize)
    with table.open(encoding="utf-8", newline="") as lines:
        rows = [(judged_text(r["subject"], r["body"]), r["category"]) for r in csv.DictReader(lines)]
    order = np.random.default_rng(0).permutation(len(rows))
    rows = [rows[n] for n in order]
    vectors = _embedded([text for text, _ in rows], cache)
    known = [Example(n, text, category, "import") for n, (text, category) in enumerate(rows, 1)]
    part = len(rows) - examples
    same = right = right_exact = done = answered = 0
    spent = {"exact": 0.0, "endee": 0.0}
    with (
        _server(url, recall, generation) as server,
        tempfile.TemporaryDirectory() as folder,
        guarded(Path(folder), server) as endee,
    ):
        for start in range(0, tickets, part):
            chosen = np.arange(start, min(start + part, tickets))
            others = np.setdiff1d(np.arange(len(rows)), chosen)[:examples]
            exact = ExactIndex()
            for index in (exact, endee):
                index.replace([known[n] for n in others], vectors[others])
            click.echo(f"{len(others)} examples: {endee.sync(anew=start == 0)}", err=True)
            one = _votes(exact, vectors[chosen], spent, "exact")
            other = _votes(endee, vectors[chosen], spent, "endee")
            same += sum(a == b for a, b in zip(one, other, strict=True))
            right_exact += sum(a == rows[n][1] for a, n in zip(one, chosen, strict=True))
            right += sum(a == rows[n][1] for a, n in zip(other, chosen, strict=True))
            done += len(chosen)
        answered = endee.answered
        click.echo(f"trouble: {endee.trouble or 'none'}", err=True)
    click.echo(f"{done} tickets at {examples} examples; {answered} answered by the server")
    click.echo(f"same category  {same / done:.4f}")
    click.echo(f"right, exact   {right_exact / done:.4f}   {spent['exact'] / done * 1000:.2f} ms a ticket")
    click.echo(f"right, Endee   {right / done:.4f}   {spent['endee'] / done * 1000:.2f} ms a ticket")


@contextlib.contextmanager
def _server(url: str, recall: float, generation: int) -> Iterator[Server]:
    if url:
        yield Server(url, "agreement", lambda: os.environ.get("HELPDESK_TEST_ENDEE_TOKEN", ""), read_seconds=20)
        return
    with EndeeServer(generation, recall=recall) as stand_in:
        yield Server(stand_in.url, "agreement", lambda: stand_in.token, read_seconds=20)


def _votes(index: VectorIndex, queries: Vectors, spent: dict[str, float], name: str) -> list[str]:
    began, found = time.perf_counter(), list[str]()
    for start in range(0, len(queries), AT_ONCE):
        found += [winner(near) for near in index.search(queries[start : start + AT_ONCE], K)]
    spent[name] += time.perf_counter() - began
    return found


def _embedded(texts: Sequence[str], cache: Path | None) -> Vectors:
    key = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    kept = cache / f"{key}.npy" if cache else None
    if kept and kept.exists():
        found: Vectors = np.load(kept)
        return found
    ensure_model(prepared_model())
    vectors = OpenVinoEmbedder(prepared_model(), 0).embed(texts)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, vectors)
    return vectors


if __name__ == "__main__":
    main()
