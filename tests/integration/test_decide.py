"""Deciding works three batches deep; where one of them fails, none is left behind and none is decided twice."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.app import running
from helpdesk_daemon.assembly import Parts
from helpdesk_daemon.errors import StoreError
from helpdesk_daemon.settings import load_settings
from helpdesk_daemon.triage.vote import AT_ONCE, Vectors
from tests.harness.fakes import HashEmbedder
from tests.harness.mails import mail
from tests.harness.sink import Sink
from tests.harness.world import check_invariants, rows, write_settings
from tests.integration.conftest import once

MAILS = 3 * AT_ONCE + 8


class Trouble:
    """Raises the second time that a moment is reached; the model's calls for a batch are a moment, too."""

    def __init__(self, moment: str) -> None:
        self.moment, self.seen, self.embedder = moment, Counter[str](), HashEmbedder()
        self._embed, self.embedder.embed = self.embedder.embed, self.embed  # type: ignore[method-assign]

    def embed(self, texts: Sequence[str]) -> Vectors:
        if len(texts) == AT_ONCE:
            self.reached("model")
        return self._embed(texts)

    def reached(self, name: str) -> None:
        self.seen[name] += 1
        if name == self.moment and self.seen[name] == 2:
            raise StoreError("made by a test")


@pytest.mark.parametrize("moment", ["decide.claimed", "model", "decide.planned", "decide.committed"])
def test_a_failure_in_the_second_batch_leaves_no_mail_behind(tmp_path: Path, sink: Sink, moment: str) -> None:
    for number in range(MAILS):
        deliver(tmp_path / "inbox", mail(number))
    settings, trouble = write_settings(tmp_path, "maildir:inbox", sink.port), Trouble(moment)
    with (
        running(load_settings(settings), Parts(embedder=trouble.embedder, reached=trouble.reached)) as (app, runner),
        pytest.raises(StoreError, match="made by a test"),
    ):
        runner.run(app.once())
    (left,) = rows(tmp_path, "select count(*) as n from arrivals where state = 'pending'")
    assert 0 < left["n"] <= MAILS - (0 if moment == "decide.claimed" else AT_ONCE)
    assert rows(tmp_path, "select 1 from arrivals where state = 'claimed'") == []
    once(settings)
    check_invariants(tmp_path, MAILS, sink.mails)


def test_the_next_batch_is_read_while_the_model_works_on_one(tmp_path: Path, sink: Sink) -> None:
    for number in range(MAILS):
        deliver(tmp_path / "inbox", mail(number))
    settings, order = write_settings(tmp_path, "maildir:inbox", sink.port), list[str]()
    embedder = HashEmbedder()
    embed = embedder.embed

    def patient(texts: Sequence[str]) -> Vectors:
        if len(texts) == AT_ONCE:
            order.append("model begins")
            for _ in range(3_000):
                if order.count("decide.claimed") > order.count("model begins"):
                    break
                time.sleep(0.01)
            order.append("model ends")
        return embed(texts)

    embedder.embed = patient  # type: ignore[method-assign]
    with running(load_settings(settings), Parts(embedder=embedder, reached=order.append)) as (app, runner):
        assert runner.run(app.once()) == MAILS
    first = order.index("model begins")
    assert "decide.claimed" in order[first : order.index("model ends")]
    check_invariants(tmp_path, MAILS, sink.mails)
