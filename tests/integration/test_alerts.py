"""From trouble at a real server to the alert in the operator's mailbox, and to the note that it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.adapters.store.engine import open_engine
from helpdesk_daemon.adapters.store.mail.holding import release_breaker
from helpdesk_daemon.app import App, running
from helpdesk_daemon.assembly import Parts
from helpdesk_daemon.errors import HelpdeskError
from helpdesk_daemon.settings import load_settings
from tests.contract.rows import Hands
from tests.harness.dovecot import PASSWORD, Dovecot, free_port
from tests.harness.fakes import HashEmbedder
from tests.harness.hook import Hook
from tests.harness.mails import mail
from tests.harness.sink import Sink
from tests.harness.world import ROOT, rows, write_settings
from tests.integration.test_failures import holds

OPERATOR = "operator@helpdesk.example"


@contextmanager
def daemon(settings: Path, clock: Hands) -> Iterator[tuple[App, asyncio.Runner]]:
    with running(load_settings(settings), Parts(embedder=HashEmbedder(), clock=clock)) as wired:
        yield wired


def once(settings: Path, clock: Hands) -> None:
    with daemon(settings, clock) as (app, runner), suppress(HelpdeskError):
        runner.run(app.once())


def alerts(sink: Sink) -> list[str]:
    return [" ".join(str(m.message["Subject"]).split()) for m in sink.mails if m.recipient == OPERATOR]


def test_a_wrong_password_is_told_once_at_the_first_start_and_its_mending_once(
    tmp_path: Path, server: Dovecot, sink: Sink
) -> None:
    settings, clock = write_settings(tmp_path, server.url, sink.port), Hands(datetime.now(UTC))
    (tmp_path / "secret").write_text("wrong")
    for _ in range(3):
        once(settings, clock)
        clock.turn(minutes=10)
    assert alerts(sink) == ["Alert: Mailbox support refuses us"]
    (tmp_path / "secret").write_text(PASSWORD)
    for _ in range(3):
        once(settings, clock)
        clock.turn(minutes=6)
    assert alerts(sink) == ["Alert: Mailbox support refuses us", "Over: Mailbox support refuses us"]


def test_a_flood_brings_one_alert_and_its_end_one_note(tmp_path: Path, sink: Sink) -> None:
    # Only the breaker is looked at, as the clock is turned faster than mailboxes are polled.
    limits = "[limits]\ntotal_burst = 10\ntotal_hourly = 1\n[alerts]\nlook_seconds = 3600\nsilent_minutes = 0\n"
    limits += "waiting_minutes = 0\nstuck_minutes = 0\nwebhook_url = "
    with Hook() as hook:
        settings = write_settings(tmp_path, "maildir:inbox", sink.port, limits=f'{limits}"{hook.url}"\n')
        clock = Hands(datetime.now(UTC))

        async def play(app: App) -> None:
            serving = asyncio.create_task(app.run())
            for number in range(30):
                deliver(tmp_path / "inbox", mail(number))
            assert await holds(lambda: len(rows(tmp_path, "select 1 from tickets")) == 30)
            for _ in range(5):
                clock.turn(minutes=1)
                app.watch.wake()
                assert await holds(lambda: len(hook.posts) == 1 and len(alerts(sink)) == 1)
            assert release_breaker(open_engine(tmp_path / "data" / "helpdesk.db"), clock)
            app.delivers[0].wake()
            for _ in range(2):
                app.watch.wake()
                assert await holds(lambda: bool(rows(tmp_path, "select 1 from incidents where gone_at is not null")))
                clock.turn(minutes=6)
            assert await holds(lambda: len(alerts(sink)) == 2 and len(hook.posts) == 2)
            app.stop()
            await serving

        with daemon(settings, clock) as (app, runner):
            runner.run(asyncio.wait_for(play(app), 120))
        assert alerts(sink) == ["Alert: Outgoing mail is held", "Over: Outgoing mail is held"]
        assert [post["event"] for post in hook.posts] == ["opened", "recovered"]
        assert len(sink.mails) == 42, "30 forwards and 10 acknowledgements left after the release"


def test_a_department_that_refuses_mail_is_told(tmp_path: Path, sink: Sink) -> None:
    deliver(tmp_path / "inbox", mail(1))
    rules = (ROOT / "rules" / "routing.toml").read_text().replace("target_precision = 0.80", "min_confidence = 0.0")
    triage = '[department."Sorting"]\naddress = "sorting@helpdesk.example"\n'
    rules = rules.replace('[triage]\ndepartment = "General Support"', '[triage]\ndepartment = "Sorting"') + triage
    (tmp_path / "routing.toml").write_text(rules)
    names = ("technical", "accounts", "billing", "sales", "engineering", "general")
    sink.refused = {f"{name}@helpdesk.example" for name in names}
    settings = write_settings(tmp_path, "maildir:inbox", sink.port, more='rules = "routing.toml"')
    clock = Hands(datetime.now(UTC))
    for _ in range(3):
        once(settings, clock)
        clock.turn(minutes=2)
    assert alerts(sink) == ["Alert: Mail to our own people was refused"]


def test_a_server_that_is_down_is_told_by_webhook_and_later_by_mail(tmp_path: Path) -> None:
    port, clock = free_port(), Hands(datetime.now(UTC))
    deliver(tmp_path / "inbox", mail(1))
    with Hook() as hook:
        settings = write_settings(
            tmp_path, "maildir:inbox", port, limits=f'[alerts]\nwebhook_url = "{hook.url}"\nstuck_minutes = 10'
        )
        for _ in range(4):
            once(settings, clock)
            clock.turn(minutes=6)
        assert [post["name"] for post in hook.posts] == ["outbox.stuck"]
        assert str(port) in hook.posts[0]["problem"], "it says which server"
        with Sink(port=port) as sink:
            for _ in range(3):
                once(settings, clock)
                clock.turn(minutes=6)
            assert sorted(alerts(sink)) == ["Alert: Outgoing mail does not leave", "Over: Outgoing mail does not leave"]
        assert [post["event"] for post in hook.posts] == ["opened", "recovered"]


def test_a_refused_alert_causes_no_other(tmp_path: Path, sink: Sink) -> None:
    sink.refused = {OPERATOR}
    settings, clock = write_settings(tmp_path, f"imap://127.0.0.1:{free_port()}", sink.port), Hands(datetime.now(UTC))
    for _ in range(8):
        once(settings, clock)
        clock.turn(minutes=10)
    assert rows(tmp_path, "select name, mailed_at is not null as mailed from incidents") == [
        {"name": "mailbox.silent", "mailed": 1}
    ]
    assert rows(tmp_path, "select state from outbox") == [{"state": "failed"}]


def test_a_daemon_begun_after_a_long_pause_does_not_cry_wolf(tmp_path: Path, sink: Sink) -> None:
    clock = Hands(datetime.now(UTC))
    settings = write_settings(tmp_path, "maildir:inbox", sink.port)
    once(settings, clock)
    clock.turn(days=3)
    deliver(tmp_path / "inbox", mail(1))

    async def play(app: App) -> None:
        serving = asyncio.create_task(app.run())
        for _ in range(3):
            app.watch.wake()
            await asyncio.sleep(0)
        assert await holds(lambda: len(sink.mails) == 1)
        app.watch.wake()
        app.stop()
        await serving

    with daemon(settings, clock) as (app, runner):
        runner.run(asyncio.wait_for(play(app), 60))
    assert rows(tmp_path, "select name from incidents") == []
    assert timedelta(days=2) < clock.now() - datetime.now(UTC)
