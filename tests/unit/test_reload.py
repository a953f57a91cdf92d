"""A file with rules that is saved in every way people and editors save files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from helpdesk_daemon import log
from helpdesk_daemon.adapters.rules.file import load_routing
from helpdesk_daemon.adapters.rules.source import RulesSource
from helpdesk_daemon.errors import StoreError, TransientError, UnusableRules
from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.stages.reload import Reload
from helpdesk_daemon.triage.rules import Routing

SHIPPED = (Path(__file__).parents[2] / "rules" / "routing.toml").read_text()
OTHER = SHIPPED.replace("sla_hours = 48", "sla_hours = 47")
BROKEN = SHIPPED.replace('priority = "Low"', 'priority = "Lwo"')


class Bench:
    """The stage over one file, and what it did."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text(SHIPPED)
        self.routing = load_routing(path)
        self.source = RulesSource(path, ("support", "sales"), frozenset(), self.routing.version)
        self.kept: list[tuple[str, str, str]] = []
        self.used: list[tuple[tuple[str, ...], str]] = []
        self.fails: list[Exception] = []
        self.lane = Lane("x")
        self.reload = Reload(
            [self.source], self._keep, lambda name: self.routing.version, self._use, self.lane, self.lane
        )
        self.looks(3)

    def _keep(self, routing: Routing, file: str, before: str) -> None:
        if self.fails:
            raise self.fails.pop()
        self.kept.append((routing.text, file, before))

    def _use(self, mailboxes: Sequence[str], routing: Routing) -> None:
        self.routing = routing
        self.used.append((tuple(mailboxes), routing.text))

    def looks(self, times: int) -> None:
        async def look() -> None:
            for _ in range(times):
                await self.reload.look()

        asyncio.run(look())

    def put(self, text: str) -> None:
        """As editors do: another file is put in the place of this one."""
        beside = self.path.with_suffix(".new")
        beside.write_text(text)
        os.replace(beside, self.path)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    log.setup("error", "json")
    made = Bench(tmp_path / "routing.toml")
    yield made
    made.lane.close()


def test_a_file_that_nobody_saved_is_left_alone(bench: Bench) -> None:
    bench.looks(5)
    assert (bench.kept, bench.used, bench.reload.failing) == ([], [], {})


@pytest.mark.parametrize("way", ["put", "write"])
def test_a_saved_file_is_kept_and_then_used_once(bench: Bench, way: str) -> None:
    before = bench.routing.version
    bench.put(OTHER) if way == "put" else bench.path.write_text(OTHER)
    bench.looks(5)
    assert bench.kept == [(OTHER, str(bench.path), before)]
    assert bench.used == [(("support", "sales"), OTHER)]
    bench.put(SHIPPED)
    bench.looks(5)
    assert [text for _, text in bench.used] == [OTHER, SHIPPED]


def test_a_file_saved_with_the_same_words_changes_nothing(bench: Bench) -> None:
    bench.put(SHIPPED)
    bench.looks(5)
    assert bench.used == []


def test_half_a_file_is_not_taken(bench: Bench) -> None:
    """Written in place, slowly: what stands there for a moment is sound, but not what was meant."""
    for length in (0, 3_000, len(OTHER)):
        bench.path.write_text(OTHER[:length])
        bench.looks(1)
    assert (bench.used, bench.reload.failing) == ([], {})
    bench.looks(2)
    assert [text for _, text in bench.used] == [OTHER]


def test_what_cannot_be_used_changes_nothing_and_says_line_and_mend(bench: Bench) -> None:
    bench.put(BROKEN)
    bench.looks(5)
    assert (bench.used, bench.kept) == ([], [])
    line = BROKEN[: BROKEN.index('"Lwo"')].count("\n") + 1
    said = bench.reload.failing[str(bench.path)]
    assert said.startswith(f"""line {line}, 'priority = "Lwo"': category.General.priority: 'Lwo' is not usable.""")
    assert "'Medium' or 'Low'" in said
    bench.put(SHIPPED)
    bench.looks(2)
    assert bench.reload.failing == {}, "as before the edit: nothing is wrong any more"
    assert bench.used == []


def test_a_file_that_is_gone_is_told_and_its_return_taken(bench: Bench) -> None:
    bench.path.unlink()
    bench.looks(3)
    assert "does not exist" in bench.reload.failing[str(bench.path)]
    bench.path.write_text(OTHER)
    bench.looks(3)
    assert bench.reload.failing == {}
    assert [text for _, text in bench.used] == [OTHER]


def test_rules_are_not_used_before_their_text_is_kept(bench: Bench) -> None:
    bench.fails = [TransientError("held by another")]
    bench.put(OTHER)
    bench.looks(2)
    assert bench.used == []
    bench.looks(2)
    assert [text for _, text in bench.used] == [OTHER]


def test_a_database_that_fails_ends_the_stage(bench: Bench) -> None:
    bench.fails = [StoreError("gone")]
    bench.put(OTHER)
    with pytest.raises(StoreError):
        bench.looks(2)


def test_a_bug_while_reading_is_told_and_ends_nothing(bench: Bench) -> None:
    bench.fails = [ValueError("a bug")]
    bench.put(OTHER)
    bench.looks(3)
    assert "a bug" in bench.reload.failing[str(bench.path)]


def test_several_things_that_are_wrong_are_counted(bench: Bench) -> None:
    bench.path.write_text(SHIPPED.replace('priority = "High"', 'priority = "Hgh"'))
    with pytest.raises(UnusableRules, match=r"And \d more\."):
        bench.source.load()
