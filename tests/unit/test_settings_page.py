"""docs/settings.md tells of every key, as the model has it now."""

from __future__ import annotations

import re

from pydantic import BaseModel, Field

from helpdesk_daemon.settings import Settings
from scripts.settings_page import PAGE, _type, documented, page
from tests.harness.world import ROOT


def test_the_page_is_what_the_model_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: make settings-page"


def test_every_key_of_the_shipped_file_is_told_of() -> None:
    shipped = (ROOT / "settings.toml").read_text()
    keys = set(re.findall(r"^(?:# )?([a-z_]+) = ", shipped, re.MULTILINE))
    told = set(re.findall(r"^\| `([a-z_]+)` ", page(), re.MULTILINE))
    assert len(keys) > 20
    assert keys <= told, keys - told


def test_every_table_has_its_heading_and_no_key_is_without_words() -> None:
    text = page()
    for name in Settings.model_fields:
        assert f"`{name}`" in text or f"[{name}]" in text
    assert re.findall(r"\|  \|$", text, re.MULTILINE) == []


def test_bounds_are_told() -> None:
    class Made(BaseModel):
        number: int = Field(default=1, ge=1, le=1_000)

    assert _type(Made.model_fields["number"]) == "integer, ≥ 1, ≤ 1 000"
    assert documented(Made) == {}
