"""Make any support CSV ready for measuring: `python -m scripts.preprocess_data FILE.csv [--by-time]`.

Columns are found by their names or mapped; rows are cleaned, repetitions dropped, and four fifths become examples. The
results lie in `data/processed/`, which is never committed: `evaluate --train X-train.csv X-test.csv` reads them.
"""

from __future__ import annotations

from pathlib import Path

from helpdesk_daemon.adapters.tickets_csv import read_rows
from helpdesk_daemon.evaluation import prepare
from scripts.measuring import Meanings, options

PROCESSED = Path(__file__).parents[1] / "data" / "processed"


def main() -> None:
    """Read, prepare, write, and say what became of the rows."""
    parser = options(__doc__ or "")
    parser.add_argument("--by-time", action="store_true", help="the latest fifth is the test")
    parser.add_argument("--keep-alike", action="store_true", help="only repetitions in the same words are dropped")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=PROCESSED)
    asked = parser.parse_args()
    rows, columns = read_rows(asked.file, dict(asked.map))
    print("columns: " + ", ".join(f"{name} is {column!r}" for name, column in columns.items()))
    embedder = None if asked.keep_alike else Meanings()
    train, test, counts = prepare.prepare(rows, dict(asked.relabel), embedder, asked.by_time, asked.seed)
    for name, count in prepare.as_counts(counts).items():
        print(f"  {name:<12}{count:>8,}")
    print("\n".join(map(str, prepare.write(asked.out, asked.file.stem, train, test))))


if __name__ == "__main__":
    main()
