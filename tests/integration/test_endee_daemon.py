"""The daemon on Endee: 500 mails while the server has every trouble in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import structlog

from helpdesk_daemon import log
from helpdesk_daemon.adapters.index_exact import ExactIndex
from helpdesk_daemon.adapters.index_guarded import GuardedIndex
from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.app import App
from helpdesk_daemon.ports import Example
from helpdesk_daemon.triage.vote import Neighbour, Vectors
from tests.harness.endee import EndeeServer
from tests.harness.mails import mail
from tests.harness.sink import Sink
from tests.harness.world import check_invariants, rows, write_settings
from tests.integration.conftest import daemon
from tests.integration.test_endee import TROUBLES, events, healed
from tests.integration.test_failures import holds

# Each happens in the middle of a seventh of the mails.
IN_TURN = (
    "killed and restarted", "hanging", "answering garbage", "emptied", "of another dimension",
    "of another generation", "refusing the token",
)  # fmt: skip
MAILS = 500


class Watched:
    """Notes every vote that is not what exact search would have voted."""

    def __init__(self, index: GuardedIndex) -> None:
        self.exact, self.wrong, self.votes = ExactIndex(), 0, 0
        self._search, self._replace = index.search, index.replace
        index.search, index.replace = self.search, self.replace  # type: ignore[method-assign]

    def replace(self, examples: Sequence[Example], vectors: Vectors) -> None:
        self.exact.replace(examples, vectors)
        self._replace(examples, vectors)

    def search(self, queries: Vectors, k: int) -> list[list[Neighbour]]:
        found = self._search(queries, k)
        for one, true in zip(found, self.exact.search(queries, k), strict=True):
            self.votes += 1
            self.wrong += [n.example for n in one] != [n.example for n in true]
        return found


@pytest.fixture
def settings(tmp_path: Path, sink: Sink, server: EndeeServer) -> Path:
    (tmp_path / "token").write_text(server.token)
    index = f'[index]\nkind = "endee"\nurl = "{server.url}"\ntoken_file = "token"\ntimeout = 0.5\nwrite_timeout = 1\n'
    return write_settings(tmp_path, "maildir:inbox", sink.port, more=f"{index}sync_seconds = 1\n")


@pytest.fixture
def server() -> Iterator[EndeeServer]:
    with EndeeServer(1) as running:
        yield running


async def through_all_troubles(app: App, index: GuardedIndex, server: EndeeServer, folder: Path) -> None:
    def tickets() -> int:
        return len(rows(folder, "select 1 from tickets"))

    serving = asyncio.create_task(app.run())
    assert await holds(lambda: index.trouble == "", 60), "the first load"
    sent = 0
    for number, trouble in enumerate(IN_TURN, 1):
        share = MAILS * number // len(IN_TURN)
        before = index.answered
        for n in range(sent, share):
            deliver(folder / "inbox", mail(n))
            if n == sent + 20:
                assert await holds(lambda: index.answered > before, 60), f"{trouble}: the server answers at first"  # noqa: B023
                TROUBLES[trouble](server)
        sent = share
        assert await holds(lambda: tickets() == sent, 90), f"{trouble}: every mail becomes a ticket"  # noqa: B023
        healed(server)
        assert await holds(lambda: index.trouble == "", 60), f"{trouble}: it recovers"
    assert await holds(lambda: not rows(folder, "select 1 from outbox where state <> 'sent'"), 60)
    app.stop()
    await serving


@pytest.mark.timeout(600)
def test_no_trouble_of_the_server_loses_a_mail_or_changes_a_vote(
    tmp_path: Path, settings: Path, sink: Sink, server: EndeeServer
) -> None:
    log.setup("info", "json")
    with daemon(settings) as (app, runner), structlog.testing.capture_logs() as logs:
        index = app.classifier._index
        assert isinstance(index, GuardedIndex)
        watched = Watched(index)
        runner.run(through_all_troubles(app, index, server, tmp_path))
    check_invariants(tmp_path, MAILS, sink.mails)
    assert watched.votes == MAILS
    assert watched.wrong == 0
    assert events(logs) == ["index.distrusted", "index.recovered"] * len(IN_TURN)


def test_once_asks_an_index_in_step_and_loads_a_new_one_after_the_mail(
    tmp_path: Path, settings: Path, sink: Sink, server: EndeeServer
) -> None:
    answered = []
    for n in range(2):
        deliver(tmp_path / "inbox", mail(n))
        with daemon(settings) as (app, runner):
            assert runner.run(app.once()) == 1
            index = app.classifier._index
            assert isinstance(index, GuardedIndex)
            answered.append(index.answered)
            assert index.trouble == ""
    assert answered == [0, 1]


def test_a_server_that_hangs_does_not_hold_up_the_end(tmp_path: Path, settings: Path, server: EndeeServer) -> None:
    settings.write_text(settings.read_text().replace("write_timeout = 1", "write_timeout = 60"))
    server.fault = lambda asked: "hang" if asked.path.endswith("insert") else None

    async def begin_and_stop(app: App) -> None:
        serving = asyncio.create_task(app.run())
        assert await holds(lambda: any(asked.path.endswith("insert") for asked in server.asked), 60)
        app.stop()
        await serving

    log.setup("info", "json")
    with daemon(settings) as (app, runner), structlog.testing.capture_logs() as logs:
        runner.run(begin_and_stop(app))
    assert logs[-1]["event"] == "daemon.stopped"
    assert len([a for a in server.asked if a.path.endswith("insert")]) == 1, "ended, not waited for and not repeated"
