"""Labelled tickets from a CSV file: columns found or mapped, labels renamed, rows without words or label left out."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.triage.text import judged_text

COLUMNS = ("subject", "body", "category")


@dataclass(frozen=True, slots=True)
class Tickets:
    """Labelled tickets in file order: what they are judged by, and their categories."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def pick(self, rows: list[int]) -> Tickets:
        """Some of them, in the order given."""
        return Tickets(tuple(self.texts[i] for i in rows), tuple(self.labels[i] for i in rows))


def read_tickets(path: Path, columns: Mapping[str, str], renamed: Mapping[str, str]) -> Tickets:
    """Read a CSV file with a header.

    Args:
        path: the file, UTF-8.
        columns: `subject`, `body` or `category` to the file's name of it; one not named is called so in the file.
        renamed: label in the file to the category it stands for.

    Raises:
        ConfigError: there is no such file, or a column is missing.
    """
    csv.field_size_limit(sys.maxsize)  # a log pasted into a ticket may be longer than the module's 128 KiB
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.DictReader(line.replace("\0", "") for line in file)
            names = {column: columns.get(column, column) for column in COLUMNS}
            _check(path, names, columns, list(reader.fieldnames or ()))
            rows = [tuple((row.get(names[column]) or "").strip() for column in COLUMNS) for row in reader]
    except OSError as error:
        raise ConfigError(str(path), "", f"cannot be read: {error.strerror}", "Name a CSV file") from error
    kept = [(judged_text(subject, body), renamed.get(label, label)) for subject, body, label in rows if label]
    kept = [(text, label) for text, label in kept if text]
    return Tickets(tuple(text for text, _ in kept), tuple(label for _, label in kept))


def _check(path: Path, names: Mapping[str, str], columns: Mapping[str, str], found: list[str]) -> None:
    missing = [c for c in COLUMNS if names[c] not in found and (c in columns or c == "category")]
    if not missing and names["subject"] not in found and names["body"] not in found:
        missing = ["body"]
    if missing:
        there = ", ".join(found[:20]) or "none"
        raise ConfigError(
            str(path), names[missing[0]], f"no such column; there are: {there}", f"Try --map {missing[0]}=COLUMN"
        )
