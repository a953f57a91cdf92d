"""`evaluate` as a user types it, on the shipped tickets and the real model."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

from click.testing import CliRunner

from helpdesk_daemon.cli.main import cli
from tests.harness.world import ROOT

KEYS = {
    "examples", "tests", "accuracy", "macro_f1", "ece", "coverage", "precision_at_coverage", "target",
    "out_of_scope_auroc", "signal", "mode", "seed", "model",
}  # fmt: skip


def tickets(path: Path, sense: bool) -> Path:
    """240 shipped tickets of four categories, with their labels or with drawn ones."""
    with (ROOT / "data" / "starter_tickets.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["category"] in ("Billing", "Bug", "Product", "Account")]
    drawn = random.Random(4)
    rows = drawn.sample(rows, 240)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Title", "body", "category"])
        for row in rows:
            label = row["category"] if sense else drawn.choice(["Billing", "Bug", "Product", "Account"])
            writer.writerow([row["subject"], row["body"], label])
    return path


def test_labels_with_sense_and_without(tmp_path: Path) -> None:
    options = ["--map", "subject=Title", "--cache", str(tmp_path / "cache"), "--json"]
    more = ["--report", str(tmp_path / "out.html"), "--folds", "3", "--mode", "knn"]
    good = CliRunner().invoke(cli, ["evaluate", str(tickets(tmp_path / "good.csv", True)), *options, *more])
    found = json.loads(good.stdout)
    assert found.keys() >= KEYS
    assert (good.exit_code, found["signal"], found["tests"]) == (0, True, 240 - found["duplicates_removed"])
    assert found["accuracy"] > 0.6
    assert "<h2>What is taken for what</h2>" in (tmp_path / "out.html").read_text()
    bad = CliRunner().invoke(
        cli, ["evaluate", str(tickets(tmp_path / "bad.csv", False)), *options], standalone_mode=False
    )
    found = json.loads(bad.stdout)
    assert (bad.return_value, found["signal"]) == (1, False)
    assert found["coverage"] <= 0.02
