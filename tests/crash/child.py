"""A daemon without a model that kills itself at a named moment.

Usage: child.py SETTINGS once|run [POINT [COUNT]] — SIGKILL when POINT is reached for the COUNT-th time.
With POINT `swap` the mailbox is marked before the ledger is written, which the suite must notice.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from pathlib import Path

from helpdesk_daemon import log
from helpdesk_daemon.app import running
from helpdesk_daemon.assembly import Parts
from helpdesk_daemon.settings import load_settings
from tests.harness.fakes import HashEmbedder


def main() -> None:
    settings_file, mode, point, count = [*sys.argv[1:], "", ""][:4]
    seen: Counter[str] = Counter()

    def reached(name: str) -> None:
        seen[name] += 1
        if name == point and seen[name] == int(count or 1):
            os.kill(os.getpid(), signal.SIGKILL)

    settings = load_settings(Path(settings_file))
    log.setup("error", "json")
    with running(settings, Parts(embedder=HashEmbedder(), reached=reached)) as (app, runner):
        if point == "swap":
            from tests.crash.swapped import mark_before_commit

            mark_before_commit(app)
        runner.run(app.once() if mode == "once" else app.run())


if __name__ == "__main__":
    main()
