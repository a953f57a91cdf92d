"""What corrections are worth: `python -m scripts.learning_curve FILE.csv [--relabel OLD=NEW] [--out CURVE.png]`.

A new installation with the shipped tickets gets the file's tickets in their order; what is sorted wrong is corrected.
After 0, 50, 200 and 1,000 corrections the last fifth of the file is judged. Chromium draws the plot.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from helpdesk_daemon.adapters.tickets_csv import read_tickets
from helpdesk_daemon.evaluation.measures import distinct
from helpdesk_daemon.evaluation.stream import House, learning
from helpdesk_daemon.evaluation.trial import last_fifth
from helpdesk_daemon.wiring.places import shipped
from scripts.measuring import Meanings, options
from scripts.preprocess_data import PROCESSED

AT = (0, 50, 200, 1_000)
RIGHT, BOTTOM = 620, 340  # of the plot, in pixels
LINES = {"knn": ("vote of the neighbours", "#2458c6"), "full": ("with second opinions", "#d1721e")}


def drawn(found: dict[int, dict[str, Any]], name: str) -> str:
    """The curves as a page."""
    low = 0.4
    across = {count: RIGHT * position / (len(found) - 1) for position, count in enumerate(found)}
    curves = []
    for mode, (words, colour) in LINES.items():
        points = [
            (round(across[n], 1), round(BOTTOM * (1 - (f[mode]["accuracy"] - low) / (1 - low)), 1),
             *_label({m: f[m]["accuracy"] for m in LINES}, mode)) for n, f in found.items()
        ]  # fmt: skip
        curves.append((words, colour, " ".join(f"{x},{y}" for x, y, *_ in points), points))
    rungs = [(share, BOTTOM * (1 - (share / 100 - low) / (1 - low))) for share in range(40, 101, 10)]
    page = Environment(loader=FileSystemLoader(shipped("templates")), autoescape=True).get_template("learning.html")
    return page.render(
        title="Right of later tickets, by corrections", under=f"{name}; before the first, only the shipped tickets",
        width=720, height=BOTTOM + 70, right=RIGHT, bottom=BOTTOM, rungs=rungs, curves=curves,
        marks=[(x, f"{n:,}") for n, x in across.items()],
    )  # fmt: skip


def _label(found: dict[str, float], mode: str) -> tuple[str, int]:
    """The words at a point, and how far below it they stand: the greater above, the smaller below, of equals one."""
    greatest = max(found, key=lambda m: found[m])
    if mode != greatest and found[mode] == found[greatest]:
        return "", 0
    return f"{100 * found[mode]:.1f}", -10 if mode == greatest else 20


def picture(page: str, out: Path) -> None:
    """Write a page as a PNG."""
    browser = shutil.which("chromium")
    if browser is None:
        raise SystemExit("The plot needs Chromium: apt-get install chromium. The figures stand above")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        file.write_text(page, encoding="utf-8")
        command = [browser, "--headless", "--no-sandbox", "--window-size=760,500", f"--screenshot={out}", file.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=60)


def main() -> None:
    """Print one JSON object, and draw."""
    parser = options(__doc__ or "")
    parser.add_argument("--care", type=float, default=1.0, help="share of the wrong ones that are corrected")
    parser.add_argument("--trust", type=float, default=0.0, help="weight of tickets closed under their category")
    parser.add_argument("--sorts", action="store_true", help="people label right suggestions in triage, too")
    parser.add_argument("--target", type=float, default=0.8)
    parser.add_argument("--out", type=Path, default=PROCESSED / "learning_curve.png")
    asked = parser.parse_args()
    embedder = Meanings()
    tickets = read_tickets(asked.file, dict(asked.map), dict(asked.relabel))
    tickets = tickets.pick(distinct(embedder.embed(tickets.texts)))
    before, after = last_fifth(len(tickets))
    start, house = (
        read_tickets(shipped("data/starter_tickets.csv"), {}, {}),
        House(asked.target, asked.care, asked.trust, asked.sorts),
    )
    found = {}
    for count, figures in learning(start, tickets.pick(before), tickets.pick(after), embedder, AT, house):
        found[count] = figures
        print(f"{count:>6} corrections: {json.dumps(figures)}", file=sys.stderr, flush=True)
    print(json.dumps(found, indent=2))
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    picture(drawn(found, asked.file.name), asked.out.resolve())


if __name__ == "__main__":
    main()
