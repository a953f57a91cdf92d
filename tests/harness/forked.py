"""Processes of ours that need not import everything anew: forked from one that has, by the standard library.

Each is a process of its own, with its own folder, environment and streams, that runs the program's `main` and can be
killed like any other. Only the 0.7 s of imports, which hundreds of starts would spend, are spent once.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.harness.preloaded"])


class Child:
    """A running process.

    Args:
        module: has the `main` that runs.
        words: its name and arguments.
        folder: where it runs.
        environment: all of its environment.
        streams: files that are its standard input, output and error; to nowhere when there are none.
    """

    def __init__(
        self, module: str, words: Sequence[str], folder: Path, environment: Mapping[str, str],
        streams: Sequence[str] = (os.devnull,) * 3,
    ) -> None:  # fmt: skip
        self._process = _FORKS.Process(
            target=_live, args=(module, list(words), str(folder), dict(environment), list(streams))
        )
        self._process.start()

    def wait(self, seconds: float) -> int:
        """Its exit code, minus the signal's number where one ended it.

        Raises:
            subprocess.TimeoutExpired: it went on for longer, and was killed.
        """
        self._process.join(seconds)
        code = self._process.exitcode
        if code is None:
            self.kill()
            self._process.join()
            raise subprocess.TimeoutExpired(str(self._process), seconds)
        return code

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.exitcode

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()

    def terminate(self) -> None:
        """SIGTERM."""
        self._process.terminate()


def run(
    module: str, words: Sequence[str], folder: Path, environment: Mapping[str, str], stdin: bytes, seconds: float
) -> subprocess.CompletedProcess[bytes]:
    """A process to its end, and what it printed.

    Raises:
        subprocess.TimeoutExpired: it went on for longer, and was killed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        files = [Path(scratch) / name for name in ("in", "out", "err")]
        files[0].write_bytes(stdin)
        code = Child(module, words, folder, environment, [str(file) for file in files]).wait(seconds)
        return subprocess.CompletedProcess(words, code, files[1].read_bytes(), files[2].read_bytes())


def _live(module: str, words: list[str], folder: str, environment: dict[str, str], streams: list[str]) -> None:
    """What the process does: become what a started one would be, and run."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, (file, flags) in enumerate(zip(streams, (os.O_RDONLY, *(os.O_WRONLY | os.O_CREAT,) * 2), strict=True)):
        os.dup2(os.open(file, flags, 0o600), number)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, mode, encoding="utf-8") for n, mode in enumerate(("r", "w", "w")))
    if level := environment.get("PYTHONWARNINGS"):
        warnings.resetwarnings()
        warnings.simplefilter(level)  # type: ignore[arg-type]
    sys.argv = words
    import_module(module).main()
