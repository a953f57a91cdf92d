"""Any support CSV made ready for measuring: cleaned, without repetitions, split into examples and tests."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from helpdesk_daemon.adapters.tickets_csv import Row
from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.evaluation.measures import distinct
from helpdesk_daemon.evaluation.trial import Split, folds, last_fifth
from helpdesk_daemon.mail.formats.html import html_to_text
from helpdesk_daemon.ports import Embedder
from helpdesk_daemon.triage.text import judged_text

MARKUP = re.compile(r"</?(?:p|br|div|span|table|td|a|html|body|li|ul|b|strong)\b[^>]{0,500}>", re.IGNORECASE)
FIFTHS = 5
FEWEST_WORDS = 2


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of a file's rows; the counts add up to `rows`.

    Attributes:
        rows: that the file had.
        unlabelled: without a category.
        wordless: with fewer than two words.
        duplicates: in the same words as an earlier one.
        alike: say the same as an earlier one.
        train: examples.
        test: tests.
    """

    rows: int
    unlabelled: int
    wordless: int
    duplicates: int
    alike: int
    train: int
    test: int


def cleaned(row: Row, renamed: Mapping[str, str]) -> Row:
    """A row without markup and needless blanks, under its category's name here."""
    body = html_to_text(row.body) if MARKUP.search(row.body) else row.body
    lines = (" ".join(line.split()) for line in body.splitlines())
    label = " ".join(row.category.split())
    return Row(" ".join(row.subject.split()), "\n".join(filter(None, lines)), renamed.get(label, label), row.time)


def prepare(
    rows: Sequence[Row], renamed: Mapping[str, str], embedder: Embedder | None, by_time: bool, seed: int = 0
) -> tuple[list[Row], list[Row], Prepared]:
    """Clean, drop what cannot be used or repeats, and split four to one.

    Args:
        rows: as read.
        renamed: label in the file to the category it stands for.
        embedder: finds near-duplicates; None leaves them in.
        by_time: the latest fifth is the test, by the column `time`, in file order where there is none; otherwise
            every category is split four to one.
        seed: shuffles the latter.

    Returns:
        Examples, tests, and what became of all rows.

    Raises:
        ConfigError: a row's time cannot be compared, as it is missing.
    """
    clean = [cleaned(row, renamed) for row in rows]
    labelled = [row for row in clean if row.category]
    worded = [row for row in labelled if len(_text(row).split()) >= FEWEST_WORDS]
    unique = list({_text(row).casefold(): row for row in reversed(worded)}.values())[::-1]
    kept = unique
    if embedder is not None and unique:
        kept = [unique[i] for i in distinct(embedder.embed([_text(row) for row in unique]))]
    train, test = _by_time(kept) if by_time else next(folds(tuple(row.category for row in kept), FIFTHS, seed))
    counts = Prepared(
        len(rows), len(clean) - len(labelled), len(labelled) - len(worded), len(worded) - len(unique),
        len(unique) - len(kept), len(train), len(test),
    )  # fmt: skip
    return [kept[i] for i in train], [kept[i] for i in test], counts


def _text(row: Row) -> str:
    return judged_text(row.subject, row.body)


def _by_time(rows: Sequence[Row]) -> Split:
    if not any(row.time for row in rows):
        return last_fifth(len(rows))
    if undated := sum(not row.time for row in rows):
        raise ConfigError("the file", "time", f"{undated} rows have no time", "Fill it in, or split without --by-time")
    order = np.argsort(np.array([row.time for row in rows]), kind="stable").tolist()  # ISO 8601 sorts as text
    before, after = last_fifth(len(rows))
    return [order[i] for i in before], [order[i] for i in after]


def write(folder: Path, name: str, train: Sequence[Row], test: Sequence[Row]) -> tuple[Path, Path]:
    """Write `NAME-train.csv` and `NAME-test.csv`, which `evaluate` and `examples import` read."""
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / f"{name}-train.csv", folder / f"{name}-test.csv"
    for file, part in zip(files, (train, test), strict=True):
        with file.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(Row._fields)
            writer.writerows(part)
    return files


def as_counts(prepared: Prepared) -> dict[str, int]:
    """The counts by name."""
    return asdict(prepared)
