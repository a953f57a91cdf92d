"""Runs the command the way an operator does, in a script or at a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pexpect

from tests.harness import forked

BIN = Path(sys.executable).parent / "helpdesk-daemon"
REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLES = REPOSITORY / "data" / "samples"
PATIENCE = 100.0


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without any settings of ours."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("HELPDESK_")}
    return plain | {"PYTHONWARNINGS": "default", "COLUMNS": "160"} | dict(extra or {})


def run(
    folder: Path, *words: str | Path, env: Mapping[str, str] | None = None, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """The command in a folder, to its end."""
    said = [BIN.name, *map(str, words)]
    return forked.run("helpdesk_daemon.cli.main", said, folder, environment(env), stdin, PATIENCE)


def run_installed(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """The command as it is installed, by its own start."""
    return subprocess.run([str(BIN), *words], cwd=folder, env=environment(), capture_output=True, timeout=PATIENCE)


def at_terminal(folder: Path, *words: str, size: tuple[int, int] = (30, 120)) -> Any:
    """The installed command at a terminal of so many lines and columns: a `pexpect.spawn`."""
    return pexpect.spawn(
        str(BIN), list(words), cwd=str(folder), env=environment(), encoding="utf-8", timeout=40, dimensions=size,
        preexec_fn=_hear_interrupts,
    )  # fmt: skip


def _hear_interrupts() -> None:
    """As a shell's job does: tests that run under `nohup` pass on that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def out(done: subprocess.CompletedProcess[bytes]) -> str:
    """What it printed, having succeeded."""
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode("utf-8")


def document(done: subprocess.CompletedProcess[bytes]) -> Any:
    """The one JSON document it printed, having succeeded."""
    return json.loads(out(done))


def lines(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    """The JSON objects it printed, one a line, having succeeded."""
    return [json.loads(line) for line in out(done).splitlines()]


def files_below(folder: Path, besides: Sequence[str] = ()) -> list[str]:
    """Every file and folder below a folder, but for some names at its top."""
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.relative_to(folder).parts[0] not in besides
    )
