"""The page that `evaluate --report` writes: figures, confusions, reliability, coverage, and the worst mistakes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from helpdesk_daemon.evaluation.measures import coverage_curve, equal_mass
from helpdesk_daemon.evaluation.trial import Judged

PLOT = 300  # pixels a side
MOST_CATEGORIES = 12
MISTAKES = 15
NEIGHBOURS = 3
SHOWN = 220  # characters of a text


def render(judged: Sequence[Judged], found: Mapping[str, Any], name: str, templates: Path) -> str:
    """The page as HTML.

    Args:
        judged: every test ticket.
        found: the figures of the trial.
        name: of the file that was judged.
        templates: folder of the template `evaluation.html`.
    """
    inside = [j for j in judged if j.known]
    confidences = np.array([j.vote.confidence for j in inside])
    right = np.array([j.right for j in inside], dtype=np.bool_)
    loader = FileSystemLoader(templates)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )  # fmt: skip
    bins = equal_mass(confidences, right)
    return environment.get_template("evaluation.html").render(
        name=name,
        found=found,
        size=PLOT,
        confusion=confusion(inside),
        bins=[(_x(said), _y(was), said, was, count) for said, was, count in bins],
        reliability=_line([(said, was) for said, was, _ in bins]),
        coverage=_line(coverage_curve(confidences, right)),
        target=_y(found["target"]),
        mistakes=[_mistake(j) for j in worst(inside)],
    )


def _x(share: float) -> float:
    return round(share * PLOT, 1)


def _y(share: float) -> float:
    return round((1 - share) * PLOT, 1)


def _line(points: Sequence[tuple[float, float]]) -> str:
    """Points as SVG writes them."""
    return " ".join(f"{_x(a)},{_y(b)}" for a, b in points)


def confusion(judged: Sequence[Judged]) -> dict[str, Any]:
    """Rows of counts: label by vote, the largest categories, the others as one."""
    sizes = Counter(j.label for j in judged)
    names = [name for name, _ in sizes.most_common(MOST_CATEGORIES)]
    rest = "others" if len(sizes) > len(names) else ""
    counts: Counter[tuple[str, str]] = Counter()
    for j in judged:
        counts[_under(j.label, names, rest), _under(j.vote.category, names, rest or "others")] += 1
    columns = names + ([rest] if rest else [])
    if any(vote == "others" for _, vote in counts) and "others" not in columns:
        columns = [*columns, "others"]
    rows = []
    for label in names + ([rest] if rest else []):
        total = sum(counts[label, column] for column in columns)
        cells = [(counts[label, c], counts[label, c] / max(total, 1), c == label) for c in columns]
        rows.append((label, total, cells))
    return {"columns": columns, "rows": rows}


def _under(name: str, names: Sequence[str], rest: str) -> str:
    return name if name in names else rest


def worst(judged: Sequence[Judged]) -> list[Judged]:
    """The mistakes of which the judge was surest."""
    return sorted((j for j in judged if not j.right), key=lambda j: -j.vote.confidence)[:MISTAKES]


def _mistake(judged: Judged) -> dict[str, Any]:
    vote = judged.vote
    return {
        "text": judged.text[:SHOWN], "label": judged.label, "vote": vote.category, "confidence": vote.confidence,
        "accepted": judged.accepted, "views": vote.views,
        "neighbours": [(n.category, n.similarity, n.text[:SHOWN]) for n in vote.neighbours[:NEIGHBOURS]],
    }  # fmt: skip
