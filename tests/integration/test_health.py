"""Metrics, health and the pulse, on a daemon at work."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event

from helpdesk_daemon import metrics
from helpdesk_daemon.adapters.health import AT_ONCE, Health
from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.adapters.store.engine import open_engine
from helpdesk_daemon.adapters.store.schema.columns import iso
from helpdesk_daemon.adapters.store.telling.incidents import Incidents
from helpdesk_daemon.adapters.store.views.gauges import GAUGES, measured
from helpdesk_daemon.adapters.systemd import notifier, watchdog_seconds
from helpdesk_daemon.app import running
from helpdesk_daemon.assembly import Parts
from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.ports import Incident
from helpdesk_daemon.settings import load_settings
from helpdesk_daemon.stages.pulse import Pulse
from tests.contract.rows import BOX, FOLDER, Database, ignored
from tests.harness.dovecot import free_port
from tests.harness.fakes import HashEmbedder
from tests.harness.mails import mail
from tests.harness.sink import Sink
from tests.harness.world import write_settings
from tests.integration.test_failures import holds

Samples = dict[tuple[str, ...], float]


async def ask(port: int, request: str) -> tuple[int, dict[str, str], str]:
    """Status, header fields and body of an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    await writer.drain()
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    first, *lines = head.split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body


async def get(port: int, path: str) -> tuple[int, str]:
    status, _, body = await ask(port, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")
    return status, body


def samples(text: str) -> dict[str, Samples]:
    """By name of the sample, the figure by the values of its labels."""
    found: dict[str, Samples] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


class Served:
    """A health server on a database, on a loop of its own."""

    def __init__(self, folder: Path) -> None:
        self.db, self.stuck, self.port = Database(folder / "helpdesk.db"), list[str](), free_port()
        self.runner = asyncio.Runner()
        reading = open_engine(folder / "helpdesk.db", readonly=True)
        self.health = Health(reading, self.db.clock, lambda: self.stuck)
        self.runner.run(self.health.listen("127.0.0.1", self.port))

    def get(self, path: str) -> tuple[int, str]:
        return self.runner.run(get(self.port, path))

    def ask(self, request: str) -> tuple[int, dict[str, str], str]:
        return self.runner.run(ask(self.port, request))

    def healthz(self) -> tuple[int, dict[str, Any]]:
        status, body = self.get("/healthz")
        return status, json.loads(body)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    yield made
    made.runner.run(made.health.close())
    made.runner.close()
    made.db.engine.dispose()


def test_gauges_say_how_the_database_stands(served: Served) -> None:
    served.db.arrivals.note_poll(BOX, FOLDER)
    succeeded = served.db.clock.at.timestamp()
    served.db.open_ticket(1)
    (number,) = served.db.arrive(1, 2)
    served.db.decisions.commit([ignored(number, breaker="a storm")])
    served.db.arrive(3, 3)
    served.db.write("update outbox set state = 'failed' where kind = 'forward'")
    served.db.clock.turn(hours=5)
    served.db.arrivals.note_poll(BOX, FOLDER, "cut")
    found = samples(served.get("/metrics")[1])
    assert found["helpdesk_arrivals_waiting"] == {("pending",): 3, ("claimed",): 0}
    assert found["helpdesk_oldest_pending_seconds"] == {(): 5 * 3600}
    assert found["helpdesk_oldest_due_seconds"] == {(): 5 * 3600}
    assert {k: v for k, v in found["helpdesk_outbox"].items() if v} == {("pending",): 1, ("failed",): 1}
    assert found["helpdesk_mailbox_last_success_timestamp_seconds"] == {(BOX,): pytest.approx(succeeded, abs=1)}
    assert found["helpdesk_mailbox_failing"] == {(BOX,): 1}
    assert found["helpdesk_breaker_open"] == {(): 1}
    assert found["helpdesk_tickets"] == {("new",): 1, ("open",): 0, ("waiting",): 0}
    assert found["helpdesk_tickets_overdue"] == {(): 0}
    served.db.clock.turn(days=9)
    assert samples(served.get("/metrics")[1])["helpdesk_tickets_overdue"] == {(): 1}


def test_health_is_503_while_a_person_is_needed_and_names_no_address(served: Served) -> None:
    served.db.arrivals.note_poll(BOX, FOLDER)
    status, found = served.healthz()
    assert (status, found["status"], found["mailboxes"][BOX]["failing"]) == (200, "ok", False)
    since = served.db.clock.at
    open_ = Incident(0, "department.bouncing", "billing@helpdesk.example", "t", "p", "m", since, opened_at=since)
    Incidents(served.db.engine, served.db.clock).settle([open_], [], [], [])
    status, body = served.get("/healthz")
    assert status == 503
    assert json.loads(body)["incidents"] == [{"name": "department.bouncing", "opened_at": iso(since)}]
    assert "@" not in body
    assert served.get("/livez") == (200, "ok\n"), "a restart mends nothing here"


def test_a_lane_that_hangs_wants_a_restart(served: Served) -> None:
    served.stuck.append("db")
    assert served.get("/livez") == (503, "Hangs: db\n")
    assert served.healthz()[1]["hanging"] == ["db"]


def test_a_database_that_is_gone_is_said(served: Served, tmp_path: Path) -> None:
    served.db.engine.dispose()
    for file in tmp_path.glob("helpdesk.db*"):
        file.unlink()
    status, body = served.get("/healthz")
    assert (status, "database" in body) == (503, True)
    assert served.get("/metrics")[0] == 503


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET / HTTP/1.1\r\n\r\n", 404),
        ("GET /../etc/passwd HTTP/1.1\r\n\r\n", 404),
        ("POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405),
        ("rubbish\r\n\r\n", 400),
        ("GET /livez HTTP/1.1\r\nX: " + "x" * 100_000 + "\r\n\r\n", 400),
        ("GET /livez HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        ("GET /livez HTTP/1.1\r\nHost: localhost:80\r\n\r\n", 200),
        ("GET /livez HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200),
        ("GET /livez?now HTTP/1.0\r\n\r\n", 200),
    ],
)
def test_what_is_asked_wrongly_gets_an_answer(served: Served, request_: str, status: int) -> None:
    assert served.ask(request_)[0] == status


def test_head_has_no_body_but_its_length(served: Served) -> None:
    _, fields, body = served.ask("HEAD /livez HTTP/1.1\r\n\r\n")
    assert (fields["Content-Length"], body) == ("3", "")


def test_clients_that_say_nothing_keep_no_other_out_for_ever(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helpdesk_daemon.adapters.health.PATIENCE", 0.2)

    async def crowd() -> tuple[int, str]:
        silent = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(AT_ONCE)]
        for reader, writer in silent:
            assert await reader.read() == b"", "turned out after a while"
            writer.close()
        return await get(served.port, "/livez")

    assert served.runner.run(crowd()) == (200, "ok\n")


def test_a_taken_port_is_a_mistake_in_the_settings(served: Served) -> None:
    other = Health(served.db.engine, served.db.clock, list)
    with pytest.raises(ConfigError, match=r"health\.port.*Name a free port"):
        served.runner.run(other.listen("127.0.0.1", served.port))
    served.runner.run(other.close())


def test_labels_are_bounded_whatever_comes() -> None:
    values = {metrics.label("of a test", f"value {n}") for n in range(10 * metrics.MOST)}
    assert len(values) == metrics.MOST + 1
    assert metrics.OTHER in values
    assert metrics.label("of a test", "value 1") == "value 1"


def test_a_scrape_reads_by_index_alone(tmp_path: Path) -> None:
    """What is sent, decided, closed and over is never walked through."""
    db, asked = Database(tmp_path / "helpdesk.db"), list[str]()

    @event.listens_for(db.engine, "before_cursor_execute")
    def _explain(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if statement.startswith("SELECT"):
            asked.extend(row[3] for row in cursor.execute("explain query plan " + statement, parameters))

    measured(db.engine, db.clock.now())
    assert len(asked) > len(GAUGES)
    walked = {plan for plan in asked if plan.startswith("SCAN") and "incidents_unfinished" not in plan}
    walked -= {"SCAN crowds USING INDEX crowds_open"}  # only those that are open
    assert walked <= {"SCAN mailboxes", "SCAN breakers"}, asked  # a row a mailbox, and one for each time it opened
    db.engine.dispose()


class Manager:
    """A service manager's socket."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.heard: list[str] = []

    def hear(self) -> list[str]:
        while True:
            try:
                self.heard.append(self.socket.recv(1_000).decode())
            except BlockingIOError:
                return self.heard


def test_a_daemon_at_work_counts_tells_the_manager_and_answers(tmp_path: Path, sink: Sink) -> None:
    port, manager = free_port(), Manager(tmp_path / "notify")
    settings = write_settings(tmp_path, "maildir:inbox", sink.port, more=f"[health]\nport = {port}")
    for number in range(5):
        deliver(tmp_path / "inbox", mail(number))
    before = samples(metrics_text())
    parts = Parts(embedder=HashEmbedder(), notify=notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")}))

    async def work() -> tuple[str, tuple[int, str]]:
        serving = asyncio.create_task(app.run())
        async with asyncio.timeout(60):
            assert await holds(lambda: sum("X-Helpdesk-Ticket" in sent.message for sent in sink.mails) == 5)
            found = (await get(port, "/metrics"))[1], await get(port, "/healthz")
            app.stop()
            await serving
        return found

    with running(load_settings(settings), parts) as (app, runner):
        text, (status, _) = runner.run(work())
    found = samples(text)
    grown = {
        name: {labels: value - before.get(name, {}).get(labels, 0) for labels, value in found[name].items()}
        for name in ("helpdesk_arrived_total", "helpdesk_messages_total", "helpdesk_decisions_total")
    }
    assert status == 200
    assert grown["helpdesk_arrived_total"][("support",)] == 5
    assert grown["helpdesk_messages_total"][("support", "ticket")] == 5
    assert sum(grown["helpdesk_decisions_total"].values()) == 5
    steps = {labels[0] for labels in found["helpdesk_stage_seconds_count"]}
    assert steps == {"poll", "parse", "model", "plan", "commit", "send"}
    assert found["process_resident_memory_bytes"][()] > 1e6
    heard = manager.hear()
    manager.socket.close()
    assert heard[0] == "READY=1"
    assert heard[-1] == "STOPPING=1"
    assert "WATCHDOG=1" in heard


def metrics_text() -> str:
    return generate_latest(metrics.registry).decode()


def test_a_hung_lane_stops_the_pulse_and_one_that_goes_on_starts_it_again() -> None:
    async def play() -> None:
        lane, beats, go_on, begun = Lane("db"), list[int](), threading.Event(), threading.Event()

        def hang() -> None:
            begun.set()
            go_on.wait(30)

        strict, patient = Pulse([(lane, 0.0)], lambda: beats.append(1)), Pulse([(lane, 90.0)], lambda: None)
        strict.look()
        assert len(beats) == 1
        hanging = asyncio.create_task(lane(hang))
        assert await holds(begun.is_set)
        strict.look()
        strict.look()
        assert len(beats) == 1
        assert strict.stuck() == ["db"]
        assert patient.stuck() == [], "a call may take its time"
        go_on.set()
        await hanging
        strict.look()
        assert len(beats) == 2
        lane.close()

    asyncio.run(play())


def test_the_watchdog_is_that_of_this_process() -> None:
    assert watchdog_seconds({"WATCHDOG_USEC": "120000000"}) == pytest.approx(120)
    assert watchdog_seconds({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": str(os.getpid())}) == pytest.approx(120)
    assert watchdog_seconds({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": "1"}) is None
    assert watchdog_seconds({"WATCHDOG_USEC": "rubbish"}) is None
    assert watchdog_seconds({}) is None


def test_no_manager_is_no_trouble(tmp_path: Path) -> None:
    notifier({})("READY=1")
    notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})("READY=1")
    abstract = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    abstract.bind("\0helpdesk-test-notify")
    notifier({"NOTIFY_SOCKET": "@helpdesk-test-notify"})("READY=1")
    assert abstract.recv(100) == b"READY=1"
    abstract.close()
