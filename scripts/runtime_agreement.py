"""Does the daemon's runtime vote as torch does? `python -m scripts.runtime_agreement FILE.csv [--most N]`.

The first four fifths of the file, without near-duplicates, are examples and the last fifth tests; both are embedded by
both runtimes. Needs the extra `[export]`.
"""

from __future__ import annotations

import json

import numpy as np

from helpdesk_daemon.adapters.model.embedder_torch import TorchEmbedder
from helpdesk_daemon.adapters.model.export import weights_folder
from helpdesk_daemon.adapters.tickets_csv import read_tickets
from helpdesk_daemon.evaluation.measures import distinct
from helpdesk_daemon.evaluation.trial import judge, last_fifth
from scripts.measuring import Meanings, options


def main() -> None:
    """Print one JSON object."""
    parser = options(__doc__ or "")
    parser.add_argument("--most", type=int, default=0, help="tickets from the end of the file, 0 for all")
    asked = parser.parse_args()
    ours, reference = Meanings(), TorchEmbedder(weights_folder())
    tickets = read_tickets(asked.file, dict(asked.map), dict(asked.relabel))
    tickets = tickets.pick(distinct(ours.embed(tickets.texts)))
    tickets = tickets.pick(list(range(len(tickets)))[-asked.most :])
    train, test = (tickets.pick(part) for part in last_fifth(len(tickets)))
    found = [judge(train, test, embedder, False, 0.95) for embedder in (ours, reference)]
    same = np.mean([a.vote.category == b.vote.category for a, b in zip(*found, strict=True)])
    cosines = (ours.embed(test.texts) * reference.embed(test.texts)).sum(axis=1)
    print(json.dumps({
        "examples": len(train), "tests": len(test), "same_vote": round(float(same), 4),
        "mean_cosine": round(float(cosines.mean()), 5), "least_cosine": round(float(cosines.min()), 5),
        **{name: round(float(np.mean([j.right for j in judged])), 4)
           for name, judged in zip(("accuracy", "accuracy_torch"), found, strict=True)},
    }, indent=2))  # fmt: skip


if __name__ == "__main__":
    main()
