"""`[smtp] per_minute`: mail waits its turn and is shown to; an alert does not wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

from click.testing import CliRunner

from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.mail.outbox import outbox_row
from helpdesk_daemon.adapters.store.schema.mail import outbox
from helpdesk_daemon.app import App
from helpdesk_daemon.cli.main import cli
from helpdesk_daemon.outgoing.message import Kind
from tests.harness.mails import mail
from tests.harness.sink import Sink
from tests.harness.world import check_invariants, rows, write_settings
from tests.integration.conftest import daemon, once
from tests.integration.test_failures import holds


def paced(folder: Path, sink: Sink, per_minute: int) -> Path:
    settings = write_settings(folder, "maildir:inbox", sink.port)
    text = settings.read_text().replace("[smtp]\n", f"[smtp]\nper_minute = {per_minute}\n")
    settings.write_text(text)
    return settings


def put_in_an_alert(app: App) -> None:
    """As another part of the daemon would while mail waits."""
    now = app.clock.now()
    values = {"problem": "It burns.", "mend": "Pour water.", "identity": app.desks.first.composer.identity}
    alert = app.desks.first.composer.notice(Kind.ALERT, "alert", "Fire", app.desks.first.operator, values, now)
    with transaction(app.engine) as connection:
        connection.execute(outbox.insert().values(outbox_row(alert, None, now)))


def test_an_alert_passes_what_waits_its_turn(tmp_path: Path, sink: Sink) -> None:
    for number in range(1, 41):
        deliver(tmp_path / "inbox", mail(number))
    settings = paced(tmp_path, sink, per_minute=1)

    async def play(app: App) -> None:
        serving = asyncio.create_task(app.run())
        assert await holds(lambda: len(sink.mails) == 1 and len(rows(tmp_path, "select 1 from tickets")) == 40)
        put_in_an_alert(app)
        app.delivers[0].wake()
        assert await holds(lambda: len(sink.mails) > 1)
        app.stop()
        await serving

    with daemon(settings) as (app, runner):
        runner.run(asyncio.wait_for(play(app), 60))
    assert [str(m.message["Subject"]) for m in sink.mails[1:]] == ["Fire"]
    assert rows(tmp_path, "select state, count(*) as n from outbox group by state order by state") == [
        {"state": "pending", "n": 79}, {"state": "sent", "n": 2},
    ]  # fmt: skip
    assert "its turn" in CliRunner().invoke(cli, ["--settings", str(settings), "outbox", "list"]).output


def test_once_takes_its_time_and_sends_all(tmp_path: Path, sink: Sink) -> None:
    for number in range(1, 11):
        deliver(tmp_path / "inbox", mail(number))
    once(paced(tmp_path, sink, per_minute=120))  # a burst of 12, the rest at a pace
    check_invariants(tmp_path, 10, sink.mails)
    assert len(sink.mails) == 20
