"""Labelled tickets from a CSV file: columns found or mapped, labels renamed, rows without words or label left out."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.triage.text import judged_text

COLUMNS = ("subject", "body", "category")
TIME = "time"
# What exports of other helpdesks call a column, the likeliest first; compared in lower case, `_` as a blank.
KNOWN = {
    "subject": ("subject", "title", "summary", "ticket subject", "headline", "short description"),
    "body": ("body", "text", "description", "ticket description", "message", "content", "question", "email",
             "complaint", "details", "document"),
    "category": ("category", "label", "ticket type", "ticket category", "type", "class", "queue", "topic", "intent",
                 "department", "topic group"),
    "time": ("time", "created at", "created", "date", "opened at", "received at", "timestamp", "date received"),
}  # fmt: skip


class Row(NamedTuple):
    """A row as it stands in the file; an empty value for a column that is not there."""

    subject: str
    body: str
    category: str
    time: str = ""


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


def read_rows(path: Path, columns: Mapping[str, str]) -> tuple[list[Row], dict[str, str]]:
    """Read a CSV file with a header.

    Args:
        path: the file, UTF-8.
        columns: `subject`, `body`, `category` or `time` to the file's name of it; one not named is found by its name.

    Returns:
        All rows, and the file's name of each column that was found.

    Raises:
        ConfigError: there is no such file, or a column is missing.
    """
    csv.field_size_limit(sys.maxsize)  # a log pasted into a ticket may be longer than the module's 128 KiB
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.DictReader(line.replace("\0", "") for line in file)
            header = list(reader.fieldnames or ())
            names = find_columns(header) | dict(columns)
            _check(path, names, columns, header)
            rows = [Row(*((row.get(names.get(c, "")) or "").strip() for c in (*COLUMNS, TIME))) for row in reader]
    except OSError as error:
        raise ConfigError(str(path), "", f"cannot be read: {error.strerror}", "Name a CSV file") from error
    return rows, names


def find_columns(header: Iterable[str]) -> dict[str, str]:
    """Which columns of a file are which, by the names in use elsewhere; none is taken twice."""
    plain = {" ".join(name.casefold().replace("_", " ").split()): name for name in reversed(list(header))}
    found: dict[str, str] = {}
    for column, known in KNOWN.items():
        name = next((plain[k] for k in known if k in plain and plain[k] not in found.values()), None)
        if name is not None:
            found[column] = name
    return found


def read_tickets(path: Path, columns: Mapping[str, str], renamed: Mapping[str, str]) -> Tickets:
    """Read labelled tickets.

    Args:
        path: see `read_rows`.
        columns: see `read_rows`.
        renamed: label in the file to the category it stands for.

    Raises:
        ConfigError: there is no such file, or a column is missing.
    """
    rows, _ = read_rows(path, columns)
    kept = [(judged_text(r.subject, r.body), renamed.get(r.category, r.category)) for r in rows if r.category]
    kept = [(text, label) for text, label in kept if text]
    return Tickets(tuple(text for text, _ in kept), tuple(label for _, label in kept))


def _check(path: Path, names: Mapping[str, str], columns: Mapping[str, str], found: list[str]) -> None:
    missing = [c for c in columns if names[c] not in found]
    if "category" not in names:
        missing.append("category")
    if not missing and names.get("subject") not in found and names.get("body") not in found:
        missing = ["body"]
    if missing:
        there = ", ".join(found[:20]) or "none"
        raise ConfigError(
            str(path), names.get(missing[0], missing[0]), f"no such column; there are: {there}",
            f"Try --map {missing[0]}=COLUMN",
        )  # fmt: skip
