"""What a file of labelled tickets is like: size, balance, repetitions, languages, whether the labels mean anything."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from helpdesk_daemon.adapters.tickets_csv import Tickets
from helpdesk_daemon.evaluation.measures import distinct
from helpdesk_daemon.triage.judge import leave_one_out
from helpdesk_daemon.triage.nearest import Numbers, Vectors, centre_of, centred
from helpdesk_daemon.triage.threshold import NO_CHANCE, chance_agrees

SEED = 3
JUDGED = 4_000  # tickets judged by all others, at most
DRAWN = 2_500  # points on the map, at most: a page with more is slow
LANGUAGES = 8
READ_WORDS = 95  # that 128 tokens hold, about
MAP, MARGIN = 760, 20  # pixels
SHOWN = 140  # characters of a text beside its point
COLOURS = ("#2458c6", "#d1721e", "#1c7f56", "#b3402e", "#7a4fc4", "#8a6d3b", "#c44f95", "#5b6675", "#8f9a1f", "#1f97a8")


def explore(tickets: Tickets, vectors: Vectors, language_of: Callable[[str], str]) -> dict[str, Any]:
    """The figures.

    Args:
        tickets: n labelled tickets.
        vectors: their embeddings, shape (n, d), float32, L2-normalised rows.
        language_of: names the language of a text, empty when unknown.
    """
    sizes = Counter(tickets.labels)
    words = np.array([len(text.split()) for text in tickets.texts])
    languages = Counter(language_of(text) or "unknown" for text in tickets.texts).most_common()
    shares = np.array(list(sizes.values())) / max(len(tickets), 1)
    return {
        "tickets": len(tickets),
        "categories": dict(sizes.most_common()),
        "balance": round(float(-(shares * np.log(shares)).sum() / math.log(len(sizes))), 3) if len(sizes) > 1 else 0.0,
        "words": {f"p{p}": int(np.percentile(words, p)) for p in (10, 50, 90, 99)} if len(words) else {},
        "longer_than_read": round(float((words > READ_WORDS).mean()), 3) if len(words) else 0.0,
        "duplicates": len(tickets) - len({text.casefold() for text in tickets.texts}),
        "near_duplicates": len(tickets) - len(distinct(vectors)),
        "languages": dict(languages[:LANGUAGES]),
        **_signal(tickets, vectors),
    }


def _signal(tickets: Tickets, vectors: Vectors) -> dict[str, Any]:
    """How often the neighbours' labels name a ticket's label, and whether that could be chance."""
    if len(tickets) < 2 or len(set(tickets.labels)) < 2:
        return {"neighbours_right": None, "largest_category": 1.0, "signal": False}
    names, numbers = np.unique(np.array(tickets.labels), return_inverse=True)
    rows = _sample(len(tickets), JUDGED)
    found = leave_one_out(vectors, numbers.astype(np.int64), centre_of(vectors), rows, len(names), {})
    guesses, truth = found.opinions[0].argmax(axis=1).astype(np.int64), numbers[rows].astype(np.int64)
    return {
        "neighbours_right": round(float((guesses == truth).mean()), 3),
        "largest_category": round(float(np.bincount(numbers).max() / len(numbers)), 3),
        "signal": chance_agrees(guesses, truth) < NO_CHANCE,
    }


def _sample(count: int, most: int) -> Numbers:
    rows = np.random.default_rng(SEED).permutation(count)[:most]
    return np.sort(rows).astype(np.int64)


def places(vectors: Vectors) -> Vectors:
    """Two coordinates for each text, so that texts that mean the same lie together (t-SNE, van der Maaten 2008).

    Args:
        vectors: shape (n, d), float32, L2-normalised rows.

    Returns:
        Shape (n, 2), float32, each column from 0 to 1.
    """
    if len(vectors) < 3:
        return np.full((len(vectors), 2), 0.5, dtype=np.float32)
    from sklearn.manifold import TSNE

    rows, _ = centred(vectors, centre_of(vectors))
    flat = TSNE(perplexity=min(30, (len(rows) - 1) / 3), init="pca", random_state=SEED).fit_transform(rows)
    flat = flat - flat.min(axis=0)
    return np.asarray(flat / np.maximum(flat.max(axis=0), 1e-9), dtype=np.float32)


def page(name: str, tickets: Tickets, vectors: Vectors, found: Mapping[str, Any], templates: Path) -> str:
    """The figures and the map as HTML.

    Args:
        name: of the file.
        tickets: n labelled tickets.
        vectors: their embeddings, shape (n, d).
        found: what `explore` said.
        templates: folder of the template `exploration.html`.
    """
    rows = _sample(len(tickets), DRAWN).tolist()
    colours = _colours(list(found["categories"]))
    room = MAP - 2 * MARGIN
    points = [
        (MARGIN + room * float(x), MARGIN + room * float(y), colours[tickets.labels[i]], tickets.labels[i],
         tickets.texts[i][:SHOWN])
        for i, (x, y) in zip(rows, places(vectors[rows]), strict=True)
    ]  # fmt: skip
    environment = Environment(
        loader=FileSystemLoader(templates), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    template = environment.get_template("exploration.html")
    return template.render(name=name, found=found, size=MAP, points=points, colours=colours)


def _colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each of the largest categories, grey for the others."""
    return {name: COLOURS[i] if i < len(COLOURS) else "#aab2bd" for i, name in enumerate(names)}
