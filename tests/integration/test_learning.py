"""The classifier follows its examples as they change, and takes over second opinions fitted beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.index.exact import ExactIndex
from helpdesk_daemon.adapters.model.judge_file import load_judge
from helpdesk_daemon.adapters.model.refit import Refitter
from helpdesk_daemon.adapters.store.engine import open_engine, transaction
from helpdesk_daemon.adapters.store.learning.examples import Examples
from helpdesk_daemon.adapters.store.migrate import migrate
from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.stages.classify import Classifier
from helpdesk_daemon.triage.vote import Vectors, Vote

WORDS = {
    "Billing": "invoice charge refund card payment price receipt tax",
    "Technical": "printer network driver cable router timeout install setup",
    "Account": "password login profile locked email code access user",
}

POLITE = ("please", "help", "today", "thanks", "we", "the")


class WordEmbedder:
    """A double whose vectors mean something: a place for each word, seen once."""

    name = "words"
    languages: tuple[str, ...] = ()

    def embed(self, texts: list[str]) -> Vectors:
        rows = np.full((len(texts), 64), 0.05, dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.split():
                row[sum(map(ord, word)) % 64] += 1
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows


def tickets(count: int, seed: int) -> list[tuple[str, str]]:
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        category = list(WORDS)[number % 3]
        words = [
            *rng.choice(WORDS[category].split(), 4),
            *rng.choice(["please", "help", "today", "thanks", "we", "the"], 3),
        ]
        found.append((f"{' '.join(words)} {number}", category))
    return found


class Desk:
    """A classifier on a database file, and the loop it lives on."""

    def __init__(self, folder: Path, runner: asyncio.Runner) -> None:
        self.runner, self.file = runner, folder / "judge.npz"
        self.engine = open_engine(folder / "helpdesk.db")
        migrate(self.engine)
        self.examples = Examples(self.engine, SystemClock())
        self.lanes = Lane("model"), Lane("db")
        maker = Refitter(folder / "helpdesk.db", self.file)
        self.classifier = Classifier(
            WordEmbedder(), ExactIndex(), self.examples, *self.lanes, wait=0, maker=maker  # type: ignore[arg-type]
        )  # fmt: skip

    def vote(self, text: str) -> Vote:
        (found,) = self.runner.run(self.classifier.votes([text]))
        assert found is not None
        return found

    def refit(self) -> bool:
        return self.runner.run(self.classifier.refit())

    def close(self) -> None:
        for lane in self.lanes:
            lane.close()
        self.engine.dispose()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with asyncio.Runner() as runner:
        made = Desk(tmp_path, runner)
        yield made
        made.close()


def test_a_new_label_counts_at_the_next_batch_and_so_does_taking_it_back(desk: Desk) -> None:
    desk.examples.add(tickets(120, 1), "seed")
    text = "printer invoice cable quux"
    before = desk.vote(text)
    desk.examples.add([(text, "Returns")], "correction")
    after = desk.vote(text)
    assert (after.category, after.same, after.neighbours[0].source) == ("Returns", True, "correction")
    with transaction(desk.engine) as connection:
        connection.exec_driver_sql("update examples set active = 0 where category = 'Returns'")
    assert desk.vote(text).category == before.category != "Returns"
    with transaction(desk.engine) as connection:
        connection.exec_driver_sql("update examples set active = 1 where category = 'Returns'")
        connection.exec_driver_sql("delete from examples where category = 'Billing'")
    again = desk.vote(text)
    assert again.category == "Returns"
    assert "Billing" not in {n.category for n in again.neighbours}


def test_no_process_is_started_to_find_out_that_labels_are_too_few(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    async def make(_: Refitter, model: str) -> None:
        started.append(model)

    monkeypatch.setattr(Refitter, "make", make)
    desk.examples.add(tickets(90, 1), "seed")
    desk.vote("invoice refund")
    desk.refit()
    assert started == []
    desk.examples.add(tickets(240, 2), "import")
    desk.vote("invoice refund")
    desk.refit()
    assert len(started) == 1


def test_second_opinions_are_fitted_beside_the_daemon_and_outlive_it(desk: Desk, tmp_path: Path) -> None:
    desk.examples.add(tickets(90, 1), "seed")
    assert [v.name for v in desk.vote("invoice refund").views] == ["neighbours"]
    assert not desk.refit(), "shipped labels alone teach the heads another house's words"
    assert not desk.file.exists()
    desk.examples.add(tickets(240, 2), "import")
    assert desk.vote("invoice refund").category == "Billing"
    assert desk.refit()
    vote = desk.vote("invoice refund please")
    assert [v.name for v in vote.views] == ["neighbours", "meaning", "words"]
    assert {v.category for v in vote.views} == {"Billing"}
    assert vote.standing is not None
    assert vote.standing.version == f"heads@{desk.examples.revision().latest}"
    assert not desk.refit(), "nothing has changed since"
    with asyncio.Runner() as runner:
        second = Desk(tmp_path, runner)
        kept = second.vote("invoice refund please")
        second.close()
    assert (kept.category, kept.confidence, kept.views) == (vote.category, vote.confidence, vote.views)


def test_a_damaged_file_costs_the_second_opinions_only(desk: Desk) -> None:
    desk.examples.add(tickets(120, 1), "seed")
    desk.file.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ValueError, match="damaged"):
        load_judge(desk.file, "words")
    assert desk.vote("invoice refund").category == "Billing"


def test_fifty_labels_make_a_judge_without_second_opinions_anew(desk: Desk) -> None:
    desk.examples.add(tickets(600, 1), "seed")
    before = desk.vote("invoice refund").standing
    desk.examples.add(tickets(640, 3)[:40], "import")
    assert desk.vote("invoice refund").standing is before, "a few change nothing but the examples"
    desk.examples.add(tickets(640, 3)[40:70], "import")
    after = desk.vote("invoice refund").standing
    assert after is not None
    assert before is not None
    assert after.version == f"votes@{desk.examples.revision().latest}"
    assert len(after.curve.right) <= 70 < len(before.curve.right)
