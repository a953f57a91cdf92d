"""The daemon on Endee: 500 mails while the server has every trouble in turn."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import structlog

from helpdesk_daemon import log
from helpdesk_daemon.adapters.index.exact import ExactIndex
from helpdesk_daemon.adapters.index.guarded import GuardedIndex
from helpdesk_daemon.adapters.index.sync import BATCH
from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.adapters.model.embedder import MODEL_NAME
from helpdesk_daemon.adapters.store.engine import open_engine
from helpdesk_daemon.adapters.store.migrate import migrate
from helpdesk_daemon.app import App
from helpdesk_daemon.ports import Example
from helpdesk_daemon.triage.vote import Neighbour, Vectors
from tests.harness.endee import EndeeServer
from tests.harness.mails import mail
from tests.harness.sink import Sink
from tests.harness.world import ROOT, check_invariants, rows, write_settings
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

    def replace(self, examples: Sequence[Example], vectors: Vectors, centre: Vectors | None = None) -> None:
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
    index = f'[index]\nkind = "endee"\nurl = "{server.url}"\ntoken_file = "token"\ntimeout = 4\nwrite_timeout = 4\n'
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
        index = app.classifier.index
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
            index = app.classifier.index
            assert isinstance(index, GuardedIndex)
            answered.append(index.answered)
            assert index.trouble == ""
    assert answered == [0, 1]


def test_a_server_that_hangs_does_not_hold_up_the_end(tmp_path: Path, settings: Path, server: EndeeServer) -> None:
    settings.write_text(settings.read_text().replace("write_timeout = 4", "write_timeout = 60"))
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


LOADED = 50_000
SMALL = 16  # dimensions: the counts are what is looked at here


def put_examples(database: Path, first: int, count: int) -> None:
    """Labelled texts with their vectors, as a correction or an import leaves them."""
    vectors = np.random.default_rng(first).standard_normal((count, SMALL)).astype("<f4")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        connection.executemany(
            "insert into examples (text, category, source, ticket, actor, active, created_at, digest, model, vector)"
            " values (?, 'Technical', 'correction', '', '', 1, '2026-11-22T09:30:00.000Z', ?, ?, ?)",
            [(f"text {first + n}", f"{first + n}", MODEL_NAME, row.tobytes()) for n, row in enumerate(vectors)],
        )


def withdraw(database: Path, last: int) -> None:
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        connection.execute("update examples set active = 0 where id <= ?", (last,))


def loading(settings: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "helpdesk_daemon", "--settings", str(settings), "index", "sync"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def inserted(server: EndeeServer) -> int:
    return sum(asked.path.endswith("insert") for asked in server.asked)


@pytest.mark.timeout(300)
def test_fifty_thousand_examples_are_loaded_through_kills_and_corrections(
    tmp_path: Path, settings: Path, server: EndeeServer
) -> None:
    database = tmp_path / "data" / "helpdesk.db"
    database.parent.mkdir()
    migrate(open_engine(database))
    put_examples(database, 0, LOADED)
    settings.write_text(settings.read_text().replace("write_timeout = 4", "write_timeout = 60"))

    async def killed_after(batches: int) -> None:
        before = inserted(server)
        process = loading(settings)
        assert await holds(lambda: inserted(server) >= before + batches, 60)
        process.kill()
        process.communicate()

    asyncio.run(killed_after(30))
    put_examples(database, 100_000, 40)
    withdraw(database, 25)
    asyncio.run(killed_after(30))
    sent = inserted(server)
    process = loading(settings)

    async def corrected_meanwhile() -> None:
        assert await holds(lambda: inserted(server) >= sent + 5, 60)
        put_examples(database, 200_000, 60)

    asyncio.run(corrected_meanwhile())
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert server.count("helpdesk") == LOADED + 40 + 60 - 25
    assert inserted(server) <= (LOADED + 100) // BATCH + 1 + 2 + 2, "what was sent is not sent again"
    active = rows(tmp_path, "select id from examples where active order by id")
    entries = rows(tmp_path, "select example as id from index_entries where sent_at is not null order by example")
    assert entries == active
    assert {int(id_) for id_ in server.indexes["helpdesk"].objects} == {row["id"] for row in active}
    assert b"recall 1.000" in out.splitlines()[-1]
