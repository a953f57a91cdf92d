"""How a new installation does on strangers' tickets: `python -m scripts.cold_start FILE.csv [--relabel OLD=NEW]`.

The shipped tickets are the only examples. Beside the vote and the second opinions stands a TF-IDF + linear SVM that was
trained on the same tickets. Near-duplicates in the file are left out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from helpdesk_daemon.adapters.tickets_csv import read_tickets
from helpdesk_daemon.evaluation.measures import distinct
from helpdesk_daemon.evaluation.rivals import linear_svm
from helpdesk_daemon.evaluation.trial import figures, judge
from helpdesk_daemon.wiring.places import shipped
from scripts.measuring import Meanings, options


def main() -> None:
    """Print one JSON object."""
    parser = options(__doc__ or "")
    parser.add_argument("--target", type=float, default=0.8, help="share that should be right of what is accepted")
    parser.add_argument("--examples", type=Path, default=shipped("data/starter_tickets.csv"))
    asked = parser.parse_args()
    embedder = Meanings()
    train, test = read_tickets(asked.examples, {}, {}), read_tickets(asked.file, dict(asked.map), dict(asked.relabel))
    test = test.pick(distinct(embedder.embed(test.texts)))
    found: dict[str, Any] = {"examples": len(train), "tests": len(test), "target": asked.target}
    for mode in ("knn", "full"):
        judged = judge(train, test, embedder, mode == "full", asked.target)
        counted = figures(judged, asked.target)
        found[mode] = {k: counted[k] for k in ("accuracy", "coverage", "precision_at_coverage", "ece")}
    right, accepted = linear_svm(train, test, asked.target)
    found["svm"] = {
        "accuracy": round(float(right.mean()), 4), "coverage": round(float(accepted.mean()), 4),
        "precision_at_coverage": round(float(np.mean(right[accepted])), 4) if accepted.any() else None,
    }  # fmt: skip
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
