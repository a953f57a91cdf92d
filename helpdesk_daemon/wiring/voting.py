"""Examples, indexes and opinions: what a vote needs."""

from __future__ import annotations

import csv
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.keys import load_signer
from helpdesk_daemon.adapters.model import starter_vectors
from helpdesk_daemon.adapters.store.engine import open_engine
from helpdesk_daemon.adapters.store.learning.examples import Examples
from helpdesk_daemon.ports import Clock, Example, VectorIndex
from helpdesk_daemon.settings import Settings
from helpdesk_daemon.tickets.tracking import Signer
from helpdesk_daemon.wiring.desks import desks_of, routings_of
from helpdesk_daemon.wiring.places import database, ensure_model, model_folder, model_of, open_store, shipped

if TYPE_CHECKING:
    from helpdesk_daemon.adapters.import_examples import Import
    from helpdesk_daemon.adapters.index.endee import Server
    from helpdesk_daemon.adapters.index.guarded import GuardedIndex
    from helpdesk_daemon.adapters.model.refit import Refitter
    from helpdesk_daemon.adapters.tickets_csv import Tickets
    from helpdesk_daemon.stages.explain import Explainer
    from helpdesk_daemon.stages.observe import Sense
    from helpdesk_daemon.triage.vote import Vectors


SYNC_SECONDS = 10.0  # that a sync waits for an answer, as no mail waits for it


EMBEDDED_AT_ONCE = 256  # texts; what was embedded is kept when the process is interrupted


def starter_rows() -> list[tuple[str, str]]:
    """The shipped labelled tickets as (text, category)."""
    from helpdesk_daemon.triage.text import judged_text

    with shipped("data/starter_tickets.csv").open(encoding="utf-8", newline="") as file:
        return [(judged_text(row["subject"], row["body"]), row["category"]) for row in csv.DictReader(file)]


def seed(examples: Examples, folder: Path) -> None:
    """Give a new installation the shipped examples to start with.

    Args:
        examples: of the installation.
        folder: of the model, beside which their vectors may lie.
    """
    if examples.active():
        return
    examples.add(starter_rows(), "seed")
    known = starter_vectors.kept(folder)
    found = ((e.id, known.of(e.text)) for e in examples.active())
    examples.save_vectors(known.model, {number: vector for number, vector in found if vector})


def keep_starter_vectors(folder: Path, threads: int = 0) -> bool:
    """Embed the shipped examples with the model of a folder and keep the vectors there; False if they were."""
    from helpdesk_daemon.adapters.model.embedder import OpenVinoEmbedder

    texts = [text for text, _ in starter_rows()]
    known = starter_vectors.kept(folder)
    if all(map(known.of, texts)):
        return False
    embedder = OpenVinoEmbedder(folder, threads)
    vectors = embedder.embed(texts)
    starter_vectors.keep(folder, embedder.name, texts, vectors)
    return True


def sense_of(settings: Settings) -> Sense:
    """How sharply the daemon watches its own decisions."""
    from helpdesk_daemon.stages import observe

    table = settings.watching
    return observe.Sense(table.closed_weight, table.burst_people, table.topic_people)


def index_of(settings: Settings, engine: Engine, clock: Clock) -> VectorIndex:
    """The index for the `[index]` table."""
    from helpdesk_daemon.adapters.index.exact import ExactIndex

    return ExactIndex() if settings.index.kind == "exact" else endee_of(settings, engine, clock)


def endee_server(settings: Settings) -> Server:
    """Where Endee is, as the `[index]` table says."""
    from helpdesk_daemon.adapters.index.endee import Server

    table = settings.index
    return Server(table.url, table.name, table.read, table.timeout, table.write_timeout, table.ef)


def endee_of(settings: Settings, engine: Engine, clock: Clock) -> GuardedIndex:
    """Endee with exact search behind it, whatever `kind` says; nothing is connected yet."""
    from helpdesk_daemon.adapters.index.endee import Endee
    from helpdesk_daemon.adapters.index.guarded import GuardedIndex
    from helpdesk_daemon.adapters.index.sync import IndexSync
    from helpdesk_daemon.adapters.store.learning.index_ledger import IndexLedger

    table, server = settings.index, endee_server(settings)
    patient = replace(server, read_seconds=max(table.timeout, SYNC_SECONDS))
    sync = IndexSync(Endee(patient), IndexLedger(engine, clock), table.min_recall, table.timeout)
    return GuardedIndex(Endee(server), sync, settings.data_dir / "index.lock")


def contents(
    settings: Settings, engine: Engine, progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[list[Example], Vectors]:
    """The examples as an index is to hold them, those without a vector embedded and their vectors kept.

    Args:
        settings: where the model is; it is only loaded when a vector is missing.
        engine: the database.
        progress: told how many of how many are embedded.
    """
    from helpdesk_daemon.adapters.model.embedder import OpenVinoEmbedder
    from helpdesk_daemon.stages.classify import matrix

    store = Examples(engine, SystemClock())
    name = model_of(settings).key
    examples, kept = store.active(), store.vectors(name)
    missing = [e for e in examples if e.id not in kept]
    if missing:
        ensure_model(model_folder(settings), model_of(settings))
        embedder = OpenVinoEmbedder(model_folder(settings), settings.model.threads)
        for start in range(0, len(missing), EMBEDDED_AT_ONCE):
            batch = missing[start : start + EMBEDDED_AT_ONCE]
            vectors = embedder.embed([e.text for e in batch])
            made = {e.id: v.astype("<f4").tobytes() for e, v in zip(batch, vectors, strict=True)}
            store.save_vectors(name, made)
            kept |= made
            progress(start + len(batch), len(missing))
    return examples, matrix(examples, kept)


def import_tickets(
    settings: Settings, tickets: Tickets, name: str, actor: str, progress: Callable[[Import], None] = lambda state: None
) -> Import:
    """Import labelled tickets into this installation; what was seeded or is not embedded yet comes first.

    Args:
        settings: of the installation.
        tickets: see `adapters.import_examples.check_categories`.
        name: of the file.
        actor: who imports.
        progress: told how far it is.

    Raises:
        ConfigError: the model cannot be had.
        TransientError: it cannot answer now.
    """
    from helpdesk_daemon.adapters.import_examples import run_import
    from helpdesk_daemon.adapters.model.embedder import OpenVinoEmbedder

    engine, clock = open_store(settings), SystemClock()
    seed(Examples(engine, clock), model_folder(settings))
    _, vectors = contents(settings, engine)
    ensure_model(model_folder(settings), model_of(settings))
    embedder = OpenVinoEmbedder(model_folder(settings), settings.model.threads)
    return run_import(engine, clock, embedder, tickets, vectors, name, actor, progress)


def refitter_of(settings: Settings) -> Refitter | None:
    """What fits the second opinions, None where they are switched off."""
    if not settings.model.second_opinions:
        return None
    from helpdesk_daemon.adapters.model.refit import Refitter

    return Refitter(
        database(settings),
        settings.data_dir / "judge.npz",
        settings.model.balance,
        settings.index.kind == "exact",
        settings.model.trust,
    )


def explainer_of(settings: Settings, mailbox: str = "") -> Explainer:
    """An explainer with the rules, keys and examples of this installation, or the shipped ones.

    Args:
        settings: of the installation.
        mailbox: name of the one that mails come by; the first when empty.

    Raises:
        ConfigError: rules are not sound, or the model cannot be had.
    """
    from helpdesk_daemon.adapters.index.exact import ExactIndex
    from helpdesk_daemon.adapters.model.embedder import OpenVinoEmbedder
    from helpdesk_daemon.adapters.model.language import language_of
    from helpdesk_daemon.stages.classify import Bench, matrix, votes_only
    from helpdesk_daemon.stages.explain import Explainer

    routings = routings_of(settings)
    keys = settings.data_dir / "keys"
    signer = load_signer(settings.data_dir) if keys.exists() else Signer((secrets.token_bytes(32),))
    desks = desks_of(settings, routings, signer)
    folder = model_folder(settings)
    ensure_model(folder, model_of(settings))
    embedder = OpenVinoEmbedder(folder, settings.model.threads)
    bench = Bench(embedder, ExactIndex())
    examples, kept = _examples(settings)
    missing = [e for e in examples if e.id not in kept]
    fresh = embedder.embed([e.text for e in missing])
    kept |= {e.id: v.tobytes() for e, v in zip(missing, fresh, strict=True)}
    vectors = matrix(examples, kept)
    embedder.load()
    maker = refitter_of(settings)
    judge = maker.load(embedder.name) if maker else None
    judge = judge or votes_only(
        examples, vectors, settings.model.balance, len(examples), settings.index.kind == "exact", settings.model.trust
    )
    bench.install(examples, vectors, replace(judge, trust=settings.model.trust))
    return Explainer(desks, bench, mailbox, language_of)


def _examples(settings: Settings) -> tuple[list[Example], dict[int, bytes]]:
    """The labelled examples and the vectors kept for them."""
    if database(settings).exists():
        store = Examples(open_engine(database(settings), readonly=True), SystemClock())
        if found := store.active():
            return found, store.vectors(model_of(settings).key)
    shipped_ones = [Example(n, text, category, "seed") for n, (text, category) in enumerate(starter_rows(), 1)]
    known = starter_vectors.kept(model_folder(settings))
    vectors = {e.id: known.of(e.text) for e in shipped_ones} if known.model == model_of(settings).key else {}
    return shipped_ones, {number: vector for number, vector in vectors.items() if vector}
