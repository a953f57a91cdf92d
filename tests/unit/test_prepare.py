"""Any support CSV made ready: columns by their names, repetitions out, four fifths to one; and what it is like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpdesk_daemon.adapters.model.language import language_of
from helpdesk_daemon.adapters.tickets_csv import Row, Tickets, find_columns, read_rows
from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.evaluation import explore
from helpdesk_daemon.evaluation.prepare import Prepared, prepare, write
from tests.harness.fakes import HashEmbedder

TEMPLATES = Path(__file__).parents[2] / "templates"


def test_columns_are_found_by_the_names_others_use() -> None:
    assert find_columns(["Ticket ID", "Ticket Subject", "Ticket_Description", "Ticket Type", "created_at"]) == {
        "subject": "Ticket Subject", "body": "Ticket_Description", "category": "Ticket Type", "time": "created_at",
    }  # fmt: skip
    assert find_columns(["text", "label"]) == {"body": "text", "category": "label"}
    assert find_columns(["Document", "Topic_group"]) == {"body": "Document", "category": "Topic_group"}
    assert find_columns(["a", "b"]) == {}


def test_a_mapped_column_wins_and_must_be_there(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("text,label,kind\nhello there,x,Bug\n")
    rows, names = read_rows(file, {"category": "kind"})
    assert (rows, names) == ([Row("", "hello there", "Bug")], {"body": "text", "category": "kind"})
    with pytest.raises(ConfigError, match=r"when.*no such column.*--map time=COLUMN"):
        read_rows(file, {"time": "when"})


def rows(count: int) -> list[Row]:
    return [Row(f"Case {n}", f"some words about {n * 37}", "ABC"[n % 3], f"2026-01-{n + 1:02}") for n in range(count)]


def test_every_row_is_accounted_for() -> None:
    given = [
        *rows(15), Row("No label", "two words", ""), Row("", "one", "A"), Row("case 0", "SOME words  about 0", "B"),
        Row("Page", "<p>Hello <b>there</b></p>", " Set  up "),
    ]  # fmt: skip
    train, test, counts = prepare(given, {"Set up": "A"}, HashEmbedder(), by_time=False)
    assert counts == Prepared(19, 1, 1, 1, 0, len(train), len(test))
    assert len(train) + len(test) == 16
    assert Row("Page", "Hello there", "A") in train + test
    assert {row.category for row in test} == {"A", "B", "C"}, "every category is split"
    assert not set(train) & set(test)


def test_by_time_the_latest_fifth_is_the_test() -> None:
    given = rows(20)[::-1]
    train, test, _ = prepare(given, {}, None, by_time=True)
    assert min(row.time for row in test) > max(row.time for row in train)
    assert (len(train), len(test)) == (16, 4)
    with pytest.raises(ConfigError, match="1 rows have no time"):
        prepare([*given, Row("Late", "some words more", "A")], {}, None, by_time=True)


def test_what_is_written_can_be_read_again(tmp_path: Path) -> None:
    train, test, _ = prepare(rows(10), {}, None, by_time=True)
    files = write(tmp_path / "new", "own", train, test)
    assert [read_rows(file, {})[0] for file in files] == [train, test]


def test_figures_and_map_of_a_file() -> None:
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(3, 40))
    vectors = np.vstack([centres[n % 3] + 0.5 * rng.normal(size=40) for n in range(120)]).astype(np.float32)
    vectors[119] = vectors[0]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    given = Tickets(tuple(f"<i>the ticket number {n}</i>" for n in range(120)), tuple("ABC"[n % 3] for n in range(120)))
    found = explore.explore(given, vectors, lambda text: "en" if "1" in text else "")
    assert (found["tickets"], found["categories"]) == (120, {"A": 40, "B": 40, "C": 40})
    assert (found["balance"], found["duplicates"], found["near_duplicates"]) == (1.0, 0, 1)
    assert found["signal"]
    assert found["neighbours_right"] > 0.9
    assert sum(found["languages"].values()) == 120
    drawn = explore.places(vectors)
    assert drawn.shape == (120, 2)
    nearest = [np.argsort(((drawn - place) ** 2).sum(axis=1))[1] % 3 for place in drawn[:119]]
    assert np.mean([n == i % 3 for i, n in enumerate(nearest)]) > 0.9, "what means the same lies together"
    text = explore.page("t.csv", given, vectors, found, TEMPLATES)
    assert text.count("<circle") == 120
    assert "<i>the ticket" not in text


def test_labels_without_sense_are_told() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(200, 40)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    given = Tickets(tuple(map(str, range(200))), tuple("AB"[n % 2] for n in range(200)))
    assert not explore.explore(given, vectors, lambda text: "")["signal"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("My order never came", "en"), ("Ich komme nicht mehr in mein Konto", "de"), ("Où est mon colis ?", "fr"),
        ("No puedo entrar en mi cuenta", "es"), ("Zapomniałem hasła", "pl"), ("Wachtwoord vergeten", "nl"),
        ("プリンターが動きません", "ja"), ("", ""), ("HD-7K3M9QX2 404", ""), ("thx", ""),
    ],
)  # fmt: skip
def test_the_language_of_short_mail(text: str, language: str) -> None:
    assert language_of(text) == language
