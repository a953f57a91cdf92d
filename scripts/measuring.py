"""What the scripts on labelled tickets share: their options, and an embedder that remembers."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from helpdesk_daemon.adapters.model.embedder import OpenVinoEmbedder
from helpdesk_daemon.evaluation.embedding_cache import RememberingEmbedder
from helpdesk_daemon.triage.nearest import Vectors
from helpdesk_daemon.wiring.places import ensure_model, prepared_model


def pair(value: str) -> tuple[str, str]:
    """NAME=VALUE, for `--map` and `--relabel`."""
    name, equals, rest = value.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{value!r} is not NAME=VALUE")
    return name, rest


def options(description: str) -> argparse.ArgumentParser:
    """A parser with a file, its columns and its labels."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("file", type=Path, help="CSV with a header; columns are found by their names")
    parser.add_argument("--map", type=pair, action="append", default=[], metavar="subject=COL")
    parser.add_argument("--relabel", type=pair, action="append", default=[], metavar="OLD=NEW")
    return parser


class Meanings:
    """`Embedder`: the shipped model, with a bar, and what it said before."""

    def __init__(self) -> None:
        ensure_model(prepared_model())
        model = OpenVinoEmbedder(prepared_model())
        model.load()
        self.name, self.languages = model.name, model.languages
        place = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "helpdesk-daemon"
        self._remembering = RememberingEmbedder(model, place / "meanings.db")

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("reading meanings", total=len(texts))
            self._remembering.progress = lambda done: bar.advance(task, done)
            return self._remembering.embed(texts)
