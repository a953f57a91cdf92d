"""The shipped labelled tickets: enough of each category, none twice, good enough for other mail."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from helpdesk_daemon.adapters.model import starter_vectors
from helpdesk_daemon.adapters.model.embedder import OpenVinoEmbedder
from helpdesk_daemon.adapters.rules.file import load_routing
from helpdesk_daemon.adapters.tickets_csv import Row, read_rows, read_tickets
from helpdesk_daemon.evaluation.trial import judge
from helpdesk_daemon.triage.alike import ALIKE
from helpdesk_daemon.triage.nearest import Vectors
from helpdesk_daemon.triage.text import judged_text
from helpdesk_daemon.wiring.places import prepared_model
from tests.harness.world import ROOT

STARTER = ROOT / "data" / "starter_tickets.csv"
SUPPORT_MAIL = ROOT / "tests" / "data" / "support_mail.csv"  # written before its author had read the starter tickets
FEWEST = 200
GUIDE = 0.8  # share of the words of one of the guide's examples that a row may have
PLAIN = set("a an and are can do for i in is it me my not of on or that the this to was we you your".split())  # noqa: SIM905


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9']+", text.lower())) - PLAIN


def examples_of(guide: str) -> list[set[str]]:
    return [words(quoted) for quoted in re.findall(r'\*"([^"]{12,})"', guide.replace("\n", " "))]


def problems(rows: Sequence[Row], vectors: Vectors, categories: Sequence[str], guide: str) -> list[str]:
    """What must not be shipped, in words with the row of the file."""
    found = [
        f"row {n}: no category {row.category!r}" for n, row in enumerate(rows, 2) if row.category not in categories
    ]
    sizes = Counter(row.category for row in rows)
    found += [f"only {sizes[name]} of {name}" for name in categories if sizes[name] < FEWEST]
    likeness = np.triu(vectors @ vectors.T, 1)
    found += [f"rows {a + 2} and {b + 2} say the same" for a, b in np.argwhere(likeness >= ALIKE)]
    known = [example for example in examples_of(guide) if len(example) >= 4]
    seen: dict[str, list[int]] = {}
    for number, row in enumerate(rows, 2):
        text = f"{row.subject} {row.body}"
        if re.match(r"(?:aw|wg|antw|sv|vs|rv|tr)\s*:", row.subject, re.IGNORECASE):
            found.append(f"row {number}: {row.subject[:3]} is no English prefix")
        if len(words(text)) < 60 and any(len(e & words(text)) / len(e) >= GUIDE for e in known):
            found.append(f"row {number}: an example of LABELLING.md")
        for figure in {f for f in re.findall(r"\b\d{4,}\b", text) if not 1900 <= int(f) <= 2100}:
            seen.setdefault(figure, []).append(number)
    return found + [f"{figure} stands in rows {lines}" for figure, lines in seen.items() if len(lines) > 3]


class Remembering(OpenVinoEmbedder):
    """The model, asked for what was not kept beside it when it was prepared."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        known = starter_vectors.kept(prepared_model())
        assert known.model in ("", self.name)
        kept = [known.of(text) for text in texts]
        fresh = iter(super().embed([text for text, vector in zip(texts, kept, strict=True) if vector is None]))
        return np.stack([next(fresh) if vector is None else np.frombuffer(vector, "<f4") for vector in kept])


@pytest.fixture(scope="module")
def model() -> Remembering:
    return Remembering(prepared_model())


@pytest.fixture(scope="module")
def starter(model: Remembering) -> tuple[list[Row], Vectors]:
    rows, _ = read_rows(STARTER, {})
    return rows, model.embed([judged_text(r.subject, r.body) for r in rows])


@pytest.fixture(scope="module")
def guide() -> str:
    return (ROOT / "data" / "LABELLING.md").read_text()


@pytest.fixture(scope="module")
def categories() -> list[str]:
    return list(load_routing(ROOT / "rules" / "routing.toml", frozenset()).categories)


def test_the_shipped_tickets_may_be_shipped(
    starter: tuple[list[Row], Vectors], categories: list[str], guide: str
) -> None:
    assert problems(*starter, categories, guide) == []


def test_what_must_not_be_shipped_is_found(
    starter: tuple[list[Row], Vectors], categories: list[str], guide: str
) -> None:
    rows, vectors = starter
    assert problems([*rows, rows[7]], np.vstack([vectors, vectors[7]]), categories, guide) == [
        f"rows 9 and {len(rows) + 2} say the same"
    ]
    few = [n for n, row in enumerate(rows) if row.category != "Bug" or n % 2]
    assert problems([rows[n] for n in few], vectors[few], categories, guide)[0].endswith("of Bug")
    odd = np.eye(len(vectors[0]), dtype=np.float32)[:2] * -1
    wrong = [
        Row("AW: hello", "there", "Setup"),
        Row("", "The printer isn't found after I changed my router.", "Technical"),
    ]
    assert problems([*rows, *wrong], np.vstack([vectors, odd]), categories, guide) == [
        f"row {len(rows) + 2}: no category 'Setup'", f"row {len(rows) + 2}: AW: is no English prefix",
        f"row {len(rows) + 3}: an example of LABELLING.md",
    ]  # fmt: skip


def test_mail_that_others_wrote_is_sorted_right_nine_times_in_ten(model: Remembering) -> None:
    mails = read_tickets(SUPPORT_MAIL, {}, {})
    assert Counter(mails.labels) == dict.fromkeys(sorted(set(mails.labels)), 20)
    judged = judge(read_tickets(STARTER, {}, {}), mails, model, full=False, target=0.8)
    assert np.mean([j.right for j in judged]) >= 0.9
    assert np.mean([j.right for j in judged if j.accepted]) >= 0.95


def test_no_support_mail_is_a_starter_ticket(starter: tuple[list[Row], Vectors], model: Remembering) -> None:
    mails = read_tickets(SUPPORT_MAIL, {}, {})
    vectors = model.embed(mails.texts)
    assert float((vectors @ starter[1].T).max()) < ALIKE


def test_columns_are_those_that_evaluate_and_import_read(tmp_path: Path) -> None:
    for file in (STARTER, SUPPORT_MAIL):
        with file.open(newline="", encoding="utf-8") as opened:
            assert next(csv.reader(opened)) == ["subject", "body", "category"]
