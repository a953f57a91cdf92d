"""Look at labelled tickets before trusting them: `python -m scripts.explore_dataset FILE.csv [--out PAGE.html]`.

Size, balance, lengths, repetitions, languages, whether the labels mean anything, and a map of all texts.
"""

from __future__ import annotations

import json
from pathlib import Path

from helpdesk_daemon.adapters.model.language import language_of
from helpdesk_daemon.adapters.tickets_csv import read_tickets
from helpdesk_daemon.evaluation.explore import explore, page
from helpdesk_daemon.wiring.places import shipped
from scripts.measuring import Meanings, options
from scripts.preprocess_data import PROCESSED


def main() -> None:
    """Print the figures as JSON, and write the page."""
    parser = options(__doc__ or "")
    parser.add_argument("--out", type=Path, help="page to write [data/processed/NAME.html]")
    asked = parser.parse_args()
    tickets = read_tickets(asked.file, dict(asked.map), dict(asked.relabel))
    vectors = Meanings().embed(tickets.texts)
    found = explore(tickets, vectors, language_of)
    print(json.dumps(found, indent=2, ensure_ascii=False))
    out = asked.out or PROCESSED / f"{asked.file.stem}.html"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(asked.file.name, tickets, vectors, found, shipped("templates")), encoding="utf-8")
    print(out)


if __name__ == "__main__":
    main()
