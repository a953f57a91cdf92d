"""Edits of routing.toml keep what people wrote around them, and are saved whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helpdesk_daemon.adapters.rules.edit import digest, edited, save
from helpdesk_daemon.errors import Refused

TEXT = """# Ours.
[category.Billing]          # money
department = "Billing Team" # Ada's
sla_hours = 24

[department."Billing Team"]
address = "billing@helpdesk.example"
agents = [
  "@helpdesk.example",  # everyone
]
"""


def test_only_what_changes_is_touched() -> None:
    after = edited(TEXT, "category", "Billing", {"department": "Billing Team", "sla_hours": 6})
    assert after == TEXT.replace("24", "6")
    assert edited(TEXT, "department", "Billing Team", {"agents": ["@helpdesk.example"]}) == TEXT
    moved = edited(TEXT, "department", "Billing Team", {"address": 'a"b@x.example\n'})
    assert 'address = "a\\"b@x.example\\n"' in moved
    assert edited(TEXT, "category", "Billing", {"priority": "High"}).count("priority") == 1


@pytest.mark.parametrize(
    ("text", "table", "name"),
    [(TEXT, "category", "Nothing"), (TEXT, "nothing", "Billing"), ("a = ", "category", "Billing"), ("", "a", "b"),
     ('category = "x"', "category", "Billing")],
)  # fmt: skip
def test_what_is_not_there_is_refused(text: str, table: str, name: str) -> None:
    with pytest.raises(Refused):
        edited(text, table, name, {"a": 1})


def test_a_file_is_replaced_whole_and_the_one_before_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "routing.toml"
    real.write_text("one\n")
    real.chmod(0o640)
    link.symlink_to(real)
    assert save(link, "two\n", digest(b"one\n")) == digest(b"two\n")
    assert (real.read_text(), (tmp_path / "real.toml.bak").read_text()) == ("two\n", "one\n")
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["real.toml", "real.toml.bak", "routing.toml"]


def test_line_ends_stay_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "routing.toml"
    path.write_bytes(b"one\r\n")
    save(path, "two\nthree\n", digest(b"one\r\n"))
    assert path.read_bytes() == b"two\r\nthree\r\n"


def test_a_file_that_somebody_else_saved_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "routing.toml"
    path.write_text("theirs\n")
    with pytest.raises(Refused, match="somebody else"):
        save(path, "ours\n", digest(b"before\n"))
    assert path.read_text() == "theirs\n"
    assert not (tmp_path / "routing.toml.bak").exists()


def test_a_disk_that_refuses_leaves_the_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "routing.toml"
    path.write_text("one\n")

    def refuses(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuses)
    with pytest.raises(Refused, match="No space left"):
        save(path, "two\n", digest(b"one\n"))
    assert [p.name for p in tmp_path.iterdir()] == ["routing.toml"]
    assert path.read_text() == "one\n"
