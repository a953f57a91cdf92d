"""Fits judges in a process of its own: mail does not wait, and what the fit needed in memory is given back.

Run as `python -m helpdesk_daemon.adapters.model.refit DATABASE FILE MODEL BALANCE CENTRING TRUST`;
prints nothing, exits 3 when too few labels were given here.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import numpy as np

import helpdesk_daemon
from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.model.judge_file import load_judge, save_judge
from helpdesk_daemon.adapters.store.engine import open_engine
from helpdesk_daemon.adapters.store.learning.examples import Examples
from helpdesk_daemon.log import get
from helpdesk_daemon.triage.judge import Judge, can_fit, measure_in
from helpdesk_daemon.triage.vote import trust_in

TOO_FEW = 3
MOST = 30_000  # examples a fit looks at, the newest; more take minutes and teach little
SAMPLE = 8_000  # held-out examples
NICENESS = 10


class Refitter:
    """`JudgeMaker` that starts a child process on the database.

    Args:
        database: the SQLite file.
        file: where the judge is kept.
        balance: power of a category's size by which its share is divided, 0 to 1.
        centring: whether the index can compare examples as seen from their centre.
        trust: weight of examples whose label nobody gave, over 0 to 1.
    """

    def __init__(
        self, database: Path, file: Path, balance: float = 0.0, centring: bool = True, trust: float = 1.0
    ) -> None:
        self._database, self._file, self._balance, self._centring = database, file, balance, centring
        self._trust = trust
        self._log = get("refit")

    def load(self, model: str) -> Judge | None:
        """See `JudgeMaker.load`."""
        try:
            judge = load_judge(self._file, model)
        except ValueError as error:
            self._log.warning("judge.unreadable", error=str(error))
            return None
        return judge if judge is None or self._centring or not judge.centre.any() else None

    async def make(self, model: str) -> Judge | None:
        """See `JudgeMaker.make`."""
        found = os.environ.get("PYTHONPATH", "")
        path = os.pathsep.join(p for p in (str(Path(helpdesk_daemon.__file__).parents[1]), found) if p)
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", __name__, str(self._database), str(self._file), model, str(self._balance),
            str(int(self._centring)), str(self._trust),
            stderr=asyncio.subprocess.PIPE, env=os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        try:
            _, said = await child.communicate()
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode == 0:
            return await asyncio.to_thread(self.load, model)
        if child.returncode != TOO_FEW:
            last = said.decode(errors="replace").strip().rpartition("\n")[2]
            self._log.error("judge.failed", code=child.returncode, error=last[:500])
        return None


def fit_from(database: Path, file: Path, model: str, balance: float, centring: bool, trust: float) -> bool:
    """Fit a judge on the examples in a database whose vectors are kept, and write it.

    Returns:
        Whether there were labels enough.
    """
    from helpdesk_daemon.adapters.model.heads import fit_judge

    store = Examples(open_engine(database, readonly=True), SystemClock())
    revision = store.revision()
    kept = store.vectors(model)
    examples = [e for e in store.active() if e.id in kept][-MOST:]
    sources, labels = [e.source for e in examples], [e.category for e in examples]
    if not can_fit(labels, sources):
        return False
    vectors = np.stack([np.frombuffer(kept[e.id], dtype="<f4") for e in examples]).astype(np.float32)
    judge = fit_judge([e.text for e in examples], vectors, labels, balance, SAMPLE, f"heads@{revision.latest}",
                      measure_in(sources), centring, trust_in(sources, trust))  # fmt: skip
    save_judge(judge, model, file)
    return True


if __name__ == "__main__":
    os.nice(NICENESS)
    _, database, file, model, balance, centring, trust = sys.argv
    fitted = fit_from(Path(database), Path(file), model, float(balance), centring == "1", float(trust))
    raise SystemExit(0 if fitted else TOO_FEW)
