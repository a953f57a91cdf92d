"""Which template is taken: language first, then folder; never two languages in one mail."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpdesk_daemon.adapters.templates import Templates


def folder(path: Path, *names: str) -> Path:
    """A folder of templates that say where they lie."""
    for name in names:
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{path.name}/{name}")
    return path


@pytest.mark.parametrize(
    ("own", "shipped", "expected"),
    [
        ((), ("en/a.txt", "en/a.html"), ("shipped/en/a.txt", "shipped/en/a.html")),
        (("de/a.txt",), ("en/a.txt", "en/a.html"), ("own/de/a.txt", "")),
        (("de/a.txt", "de/a.html"), ("en/a.txt", "en/a.html"), ("own/de/a.txt", "own/de/a.html")),
        (("en/a.txt", "en/a.html"), ("de/a.txt", "en/a.html"), ("shipped/de/a.txt", "")),
        (("de/a.html",), ("en/a.txt", "en/a.html"), ("shipped/en/a.txt", "")),
    ],
)
def test_the_language_comes_first(
    tmp_path: Path, own: tuple[str, ...], shipped: tuple[str, ...], expected: tuple[str, str]
) -> None:
    folders = [folder(tmp_path / "own", *own), folder(tmp_path / "shipped", *shipped)]
    assert Templates(folders, "de")("a", {}) == expected
