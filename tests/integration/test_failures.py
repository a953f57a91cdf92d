"""Servers that go away, hang up or hang; disks that fill; models that fail."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.app import App, running
from helpdesk_daemon.assembly import Parts
from helpdesk_daemon.errors import TransientError
from helpdesk_daemon.settings import load_settings
from tests.harness.dovecot import Dovecot, free_port
from tests.harness.fakes import HashEmbedder
from tests.harness.mails import mail
from tests.harness.proxy import Proxy
from tests.harness.sink import Sink
from tests.harness.world import ROOT, check_invariants, log_events, rows, write_settings
from tests.integration.conftest import daemon, once


async def holds(done: Callable[[], bool], seconds: float = 60) -> bool:
    """Wait until something holds; False when the time is up."""
    for _ in range(int(seconds * 20)):
        if done():
            return True
        await asyncio.sleep(0.05)
    return False


async def until(app: App, done: Callable[[], bool], seconds: float = 60) -> None:
    """Serve until something holds, then stop; fail when it never does."""
    serving = asyncio.create_task(app.run())
    held = await holds(lambda: serving.done() or done(), seconds) and done()
    app.stop()
    await serving
    assert held, "it did not come to that"


def test_smtp_down_for_a_while_loses_and_doubles_nothing(tmp_path: Path, server: Dovecot) -> None:
    port = free_port()
    settings = write_settings(tmp_path, server.url, port)
    server.append([mail(n) for n in range(1, 41)])
    with daemon(settings) as (app, runner):
        runner.run(
            until(app, lambda: bool(app.delivers[0].failing) and len(rows(tmp_path, "select 1 from tickets")) == 40)
        )
    assert rows(tmp_path, "select max(attempts) as n from outbox") == [{"n": 0}], "counted against no mail"
    with Sink(port=port) as sink:
        with daemon(settings) as (app, runner):
            runner.run(until(app, lambda: len(sink.mails) >= 80))
        check_invariants(tmp_path, 40, sink.mails)
        assert len(sink.mails) == 80


@pytest.mark.parametrize("moment", ["mail", "rcpt", "data", "half"])
def test_a_drop_before_the_final_dot_is_tried_again(tmp_path: Path, moment: str) -> None:
    deliver(tmp_path / "inbox", mail(1))
    with Sink(fault=lambda at, number: "drop" if at == moment and number <= 2 else None) as sink:
        settings = write_settings(tmp_path, "maildir:inbox", sink.port)
        with daemon(settings) as (app, runner):
            runner.run(until(app, lambda: hurry(tmp_path, app) and len(sink.mails) == 2))
        check_invariants(tmp_path, 1, sink.mails)
        assert rows(tmp_path, "select state from outbox") == [{"state": "sent"}] * 2


@pytest.mark.parametrize("moment", ["dot", "after-dot"])
def test_a_drop_after_the_final_dot_repeats_the_forward_but_not_the_acknowledgement(
    tmp_path: Path, moment: str
) -> None:
    deliver(tmp_path / "inbox", mail(1))
    with Sink(fault=lambda at, number: "drop" if at == moment and number <= 2 else None) as sink:
        settings = write_settings(tmp_path, "maildir:inbox", sink.port)
        with daemon(settings) as (app, runner):
            expected = {"forward": "sent", "acknowledgement": "ambiguous"}
            runner.run(until(app, lambda: hurry(tmp_path, app) and _states(tmp_path) == expected))
        forwards = [m for m in sink.mails if m.message["X-Helpdesk-Ticket"]]
        assert len(forwards) == (2 if moment == "after-dot" else 1)
        assert len({str(m.message["Message-ID"]) for m in forwards}) == 1
        acknowledged = [m for m in sink.mails if m.message["Auto-Submitted"] == "auto-replied"]
        assert len(acknowledged) == (1 if moment == "after-dot" else 0)


def hurry(folder: Path, app: App) -> bool:
    """Make deferred mail due now, so that no test waits for the back-off."""
    if not (folder / "data" / "helpdesk.db").exists():
        return True
    connection = sqlite3.connect(folder / "data" / "helpdesk.db", timeout=10)
    with connection:
        connection.execute("update outbox set next_attempt_at = created_at where state = 'deferred'")
    connection.close()
    app.delivers[0].wake()
    return True


def _states(folder: Path) -> dict[str, str]:
    return {r["kind"]: r["state"] for r in rows(folder, "select kind, state from outbox")}


def test_a_refused_forward_goes_to_triage(tmp_path: Path, sink: Sink) -> None:
    deliver(tmp_path / "inbox", mail(1))
    rules = (ROOT / "rules" / "routing.toml").read_text().replace("target_precision = 0.80", "min_confidence = 0.0")
    triage = '[department."Sorting"]\naddress = "sorting@helpdesk.example"\n'
    rules = rules.replace('[triage]\ndepartment = "General Support"', '[triage]\ndepartment = "Sorting"') + triage
    (tmp_path / "routing.toml").write_text(rules)
    names = ("technical", "accounts", "billing", "sales", "engineering", "general")
    sink.refused = {f"{name}@helpdesk.example" for name in names}
    settings = write_settings(tmp_path, "maildir:inbox", sink.port, more='rules = "routing.toml"')
    once(settings)
    forwards = rows(tmp_path, "select recipient, state from outbox where kind = 'forward' order by id")
    assert [f["state"] for f in forwards] == ["failed", "sent"]
    assert forwards[1]["recipient"] == "sorting@helpdesk.example"
    assert len([m for m in sink.mails if m.message["X-Helpdesk-Ticket"]]) == 1


def test_imap_cut_in_the_middle_of_a_fetch(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    server.append([mail(n) for n in range(1, 61)])
    with Proxy(server.port) as proxy:
        proxy.cut_after = 60_000
        settings = write_settings(tmp_path, server.url.replace(str(server.port), str(proxy.port)), sink.port)
        with daemon(settings) as (app, runner):
            runner.run(until(app, lambda: len(sink.mails) >= 120))
        assert proxy.accepted >= 2
    check_invariants(tmp_path, 60, sink.mails)


def test_imap_half_open_is_noticed_within_the_time_out(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    server.append([mail(1)])
    with Proxy(server.port) as proxy:
        settings = write_settings(tmp_path, server.url.replace(str(server.port), str(proxy.port)), sink.port)

        async def play(app: App) -> None:
            serving = asyncio.create_task(app.run())
            await holds(lambda: len(sink.mails) == 2)
            proxy.frozen = True
            await holds(lambda: bool(app.ingests[0].failing))
            server.append([mail(2)])
            proxy.frozen = False
            await holds(lambda: len(sink.mails) == 4)
            assert not serving.done()
            app.stop()
            await serving

        with daemon(settings) as (app, runner):
            runner.run(asyncio.wait_for(play(app), 60))
    check_invariants(tmp_path, 2, sink.mails)


def test_a_wrong_password_is_said_and_not_hammered(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    settings = write_settings(tmp_path, server.url, sink.port)
    (tmp_path / "secret").write_text("wrong")
    with Proxy(server.port) as proxy:
        settings.write_text(settings.read_text().replace(str(server.port), str(proxy.port)))
        with daemon(settings) as (app, runner):

            async def play() -> None:
                serving = asyncio.create_task(app.run())
                await holds(lambda: bool(app.ingests[0].failing))
                await asyncio.sleep(2)
                app.stop()
                await serving

            runner.run(asyncio.wait_for(play(), 30))
            assert "refused the sign-in of support" in app.ingests[0].failing
        assert proxy.accepted == 1


def test_a_mailbox_that_fails_does_not_stop_another(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    deliver(tmp_path / "inbox", mail(1))
    settings = write_settings(tmp_path, f"imap://127.0.0.1:{free_port()}/INBOX", sink.port)
    with settings.open("a") as file:
        file.write('[[mailbox]]\nname = "second"\nurl = "maildir:inbox"\nstart = "all"\n')
    with daemon(settings) as (app, runner):
        runner.run(until(app, lambda: len(sink.mails) == 2 and bool(app.ingests[0].failing)))


def test_once_goes_on_with_the_other_mailboxes_and_then_says_what_failed(
    tmp_path: Path, server: Dovecot, sink: Sink
) -> None:
    deliver(tmp_path / "inbox", mail(1))
    settings = write_settings(tmp_path, f"imap://127.0.0.1:{free_port()}/INBOX", sink.port)
    with settings.open("a") as file:
        file.write('[[mailbox]]\nname = "second"\nurl = "maildir:inbox"\nstart = "all"\n')
    with pytest.raises(TransientError):
        once(settings)
    assert len(sink.mails) == 2


@pytest.mark.parametrize("limit", [300_000, 600_000, 1_000_000])
def test_a_full_disk_stops_cleanly_and_acknowledges_nothing_that_is_not_stored(
    tmp_path: Path, sink: Sink, limit: int
) -> None:
    for number in range(1, 121):
        deliver(tmp_path / "inbox", mail(number))
    settings = write_settings(tmp_path, "maildir:inbox", sink.port)
    command = [sys.executable, "-m", "helpdesk_daemon", "--settings", str(settings), "once"]
    full = subprocess.run(
        command, cwd=ROOT, capture_output=True, timeout=280,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert full.returncode == 1, full.stderr.decode()
    assert b"the database cannot be used" in full.stderr
    assert b"Traceback" not in full.stderr
    laid = rows(tmp_path, "select name from sqlite_master where name = 'tickets'")  # 300 kB is not even the tables
    known = {t["requester_email"] for t in rows(tmp_path, "select requester_email from tickets")} if laid else set()
    assert {m.recipient for m in sink.mails if m.message["Auto-Submitted"] == "auto-replied"} <= known
    for _ in range(2):
        after = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=280)
        assert after.returncode == 0, after.stderr.decode()
    check_invariants(tmp_path, 120, sink.mails)


def test_a_look_that_finds_nothing_needs_no_model(tmp_path: Path, sink: Sink) -> None:
    settings = write_settings(tmp_path, "maildir:inbox", sink.port)
    embedder = HashEmbedder()
    asked: list[int] = []
    embed = embedder.embed
    embedder.embed = lambda texts: asked.append(len(texts)) or embed(texts)  # type: ignore[method-assign,func-returns-value]
    with running(load_settings(settings), Parts(embedder=embedder)) as (app, runner):
        assert runner.run(app.once()) == 0
        assert asked == []
        deliver(tmp_path / "inbox", mail(1))
        assert runner.run(app.once()) == 1
    assert asked != []
    assert len(sink.mails) == 2


def test_without_the_model_mail_still_becomes_a_ticket_in_triage(tmp_path: Path, sink: Sink) -> None:
    deliver(tmp_path / "inbox", mail(1))
    model = "[model]\nwait_seconds = 0\nsecond_opinions = false\n"
    settings = write_settings(tmp_path, "maildir:inbox", sink.port, more=model)
    embedder = HashEmbedder()
    embedder.down = True
    with running(load_settings(settings), Parts(embedder=embedder)) as (app, runner):
        runner.run(app.once())
        (ticket,) = rows(tmp_path, "select department, needs_review, category from tickets")
        assert ticket == {"department": "General Support", "needs_review": 1, "category": ""}
        assert len(sink.mails) == 2
        embedder.down = False
        deliver(tmp_path / "inbox", mail(2))
        runner.run(app.once())
    assert rows(tmp_path, "select count(*) as n from decisions where neighbours != '[]'") == [{"n": 1}]


def test_sigterm_ends_within_seconds_and_says_so(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    settings = write_settings(tmp_path, server.url, sink.port)
    server.append([mail(n) for n in range(1, 31)])
    command = [sys.executable, "-m", "helpdesk_daemon", "--settings", str(settings), "run"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    until_sent = time.monotonic() + 60
    while len(sink.mails) < 5 and time.monotonic() < until_sent:
        time.sleep(0.02)
    process.terminate()
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0
    assert log_events(stderr)[-1]["event"] == "daemon.stopped"
    assert rows(tmp_path, "select 1 from outbox where state in ('sending', 'ambiguous')") == []
    assert rows(tmp_path, "select 1 from arrivals where state = 'claimed'") == []
    once(settings)
    check_invariants(tmp_path, 30, sink.mails)
