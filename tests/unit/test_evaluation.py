"""Figures on predictions, tickets from CSV files, and the page that shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpdesk_daemon.adapters.tickets_csv import read_tickets
from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.evaluation import measures
from helpdesk_daemon.evaluation.report import render
from helpdesk_daemon.evaluation.trial import Judged, figures, folds, last_fifth
from helpdesk_daemon.triage.vote import Neighbour, View, Vote

TEMPLATES = Path(__file__).parents[2] / "templates"
RNG = np.random.default_rng(2)


def test_calibration_error_is_the_mean_gap_of_equal_bins() -> None:
    confidences = np.repeat([0.2, 0.8], 150)
    right = np.r_[np.arange(150) < 45, np.arange(150) < 120]  # .3 and .8
    assert 0.04 < measures.calibration_error(confidences, right) < 0.6
    (low, low_right, low_count), (high, high_right, _) = measures.equal_mass(confidences, right, 2)
    assert (low, low_right, high, high_right) == pytest.approx((0.2, 0.3, 0.8, 0.8))
    assert low_count == 150
    always = np.full(300, 0.7)
    assert measures.calibration_error(always, np.arange(300) % 10 < 7) == pytest.approx(0.0, abs=0.01)


def test_auroc_by_hand_with_ties() -> None:
    assert measures.auroc(np.array([3.0, 2.0]), np.array([1.0, 2.0])) == pytest.approx(3.5 / 4)


def test_macro_f1_by_hand() -> None:
    truth, guesses = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])
    assert measures.macro_f1(truth, guesses) == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_mcnemar_by_hand() -> None:
    ours, theirs = np.array([True] * 8 + [False] * 2 + [True] * 9), np.array([False] * 8 + [True] * 2 + [True] * 9)
    assert measures.beats(ours, theirs) == pytest.approx((45 + 10 + 1) / 1024)
    assert measures.beats(ours, ours) == 1.0


def test_near_duplicates_go_the_first_stays() -> None:
    rows = RNG.normal(size=(4, 50))
    found = np.vstack([rows, rows[1] + 0.01 * RNG.normal(size=50)]).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    assert measures.distinct(found) == [0, 1, 2, 3]


def test_splits_hold_each_ticket_once() -> None:
    assert last_fifth(10) == (list(range(8)), [8, 9])
    parts = list(folds(("a",) * 10 + ("b",) * 5, 5, 3))
    assert sorted(i for _, test in parts for i in test) == list(range(15))
    assert all(sum(i >= 10 for i in test) == 1 for _, test in parts)
    assert all(set(train).isdisjoint(test) for train, test in parts)


def test_columns_are_mapped_labels_renamed_and_empty_rows_left_out(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    long = "x" * 200_000
    file.write_text(
        f'Title,Text,Kind\nHello,"{long}",Setup\n,,Bug\nNo label,words,\nOne,two,Bug\n', encoding="utf-8-sig"
    )
    found = read_tickets(file, {"subject": "Title", "body": "Text", "category": "Kind"}, {"Setup": "Technical"})
    assert found.labels == ("Technical", "Bug")
    assert found.texts[1] == "One two"


def test_a_missing_column_is_said_with_the_mend(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("subject,text\na,b\n")
    with pytest.raises(ConfigError, match=r"category.*no such column; there are: subject, text.*--map category=COLUMN"):
        read_tickets(file, {}, {})


def judged(label: str, category: str, confidence: float, known: bool = True, scope: float = 0.8) -> Judged:
    near = Neighbour(1, "<b>Bug</b>", 0.7, "import", "", "<script>alert(1)</script>")
    vote = Vote(category, confidence, ((category, 1.0),), (near,), (View("words", category, 0.9),), scope)
    return Judged(f"<i>{label}</i>", label, vote, known, confidence > 0.8, "A")


def test_figures_count_strangers_apart() -> None:
    found = figures(
        [judged("A", "A", 0.9)] * 30 + [judged("B", "B", 0.9)] * 20 + [judged("B", "A", 0.3)] * 10
        + [judged("Z", "A", 0.85, known=False, scope=0.2)] * 4, 0.95,
    )  # fmt: skip
    assert (found["tests"], found["out_of_scope"]) == (60, 4)
    assert found["accuracy"] == pytest.approx(50 / 60, abs=1e-4)
    assert (found["coverage"], found["precision_at_coverage"]) == (pytest.approx(50 / 60, abs=1e-4), 1.0)
    assert (found["out_of_scope_auroc"], found["out_of_scope_accepted"]) == (1.0, 1.0)
    assert (found["majority"], found["signal"]) == (0.5, True)


def test_guesses_no_better_than_the_largest_category_are_no_signal() -> None:
    found = figures([judged("A", "A", 0.5)] * 20 + [judged("A", "B", 0.5)] * 6 + [judged("B", "B", 0.5)] * 5, 0.9)
    assert not found["signal"]
    assert (found["coverage"], found["precision_at_coverage"]) == (0.0, None)


def test_the_page_shows_figures_and_no_strangers_markup() -> None:
    tests = [judged("A", "A", 0.9)] * 30 + [judged("B", "A", 0.95)] * 3
    rest = {"examples": 9, "duplicates_removed": 0, "mode": "full", "seed": 0, "folds": 0, "model": "m"}
    page = render(tests, figures(tests, 0.95) | rest, "t.csv", TEMPLATES)
    assert "Would have been sorted alone" in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    nothing = figures([], 0.95) | rest
    assert "No ticket could be judged" in render([], nothing, "t.csv", TEMPLATES)
