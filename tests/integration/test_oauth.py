"""The daemon between Dovecot and an SMTP server that both want access tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from helpdesk_daemon import log
from helpdesk_daemon.app import App
from helpdesk_daemon.errors import SignInError
from tests.contract.cut import Wire
from tests.harness.dovecot import Dovecot
from tests.harness.mails import mail
from tests.harness.token_server import FIRST, TokenServer
from tests.harness.token_sink import TokenSink
from tests.harness.token_world import write_token_settings
from tests.harness.world import check_invariants, log_events, rows
from tests.integration.conftest import daemon, once
from tests.integration.test_failures import holds, until


@pytest.fixture(params=["on use"])
def tokens(request: pytest.FixtureRequest) -> Iterator[TokenServer]:
    with TokenServer(rotation=request.param) as server:
        yield server


@pytest.fixture
def imap(tmp_path: Path, tokens: TokenServer) -> Iterator[Dovecot]:
    with Dovecot(tmp_path / "dovecot", token_server=tokens.url) as dovecot:
        dovecot.append([])
        yield dovecot


@pytest.fixture
def sink(tokens: TokenServer) -> Iterator[TokenSink]:
    with TokenSink(tokens) as server:
        yield server


def test_one_token_serves_mailbox_and_smtp(tmp_path: Path, tokens: TokenServer, imap: Dovecot, sink: TokenSink) -> None:
    imap.append([mail(n) for n in range(1, 11)])
    settings = write_token_settings(tmp_path, imap.url, sink.port, tokens)
    assert once(settings) == 10
    check_invariants(tmp_path, 10, sink.mails)
    assert len(tokens.asked) == 1
    assert once(settings) == 0
    assert [form["refresh_token"] for form in tokens.asked] == [FIRST, "refresh-1"]
    assert tokens.refresh == {"refresh-2"}, "each was retired by the use of what it gave"


def test_tokens_that_end_in_mid_session_lose_and_double_nothing(
    tmp_path: Path, tokens: TokenServer, imap: Dovecot, sink: TokenSink
) -> None:
    with Wire(imap.port) as wire:
        settings = write_token_settings(tmp_path, imap.url.replace(str(imap.port), str(wire.port)), sink.port, tokens)
        imap.append([mail(n) for n in range(1, 6)])

        async def work(app: App) -> None:
            for last in (10, 15):
                assert await holds(lambda last=last: len(sink.mails) == 2 * last - 10)  # type: ignore[misc]
                tokens.withdraw()
                wire.say(b"* BYE Session invalidated - AccessTokenExpired\r\n")
                imap.append([mail(n) for n in range(last - 4, last + 1)])
            assert await holds(lambda: len(sink.mails) == 30)

        with daemon(settings) as (app, runner):
            runner.run(serving(app, work))
    check_invariants(tmp_path, 15, sink.mails)
    assert len(tokens.asked) == 3, "one token each time, for mailbox and SMTP together"


async def serving(app: App, work: object) -> None:
    """Serve while some work is done."""
    import asyncio

    running = asyncio.create_task(app.run())
    try:
        await work(app)  # type: ignore[operator]
    finally:
        app.stop()
        await running


def test_withdrawn_consent_is_one_sign_in_failure_and_asked_about_once(
    tmp_path: Path, tokens: TokenServer, imap: Dovecot, sink: TokenSink, capfd: pytest.CaptureFixture[str]
) -> None:
    log.setup("info", "json")
    imap.append([mail(n) for n in range(1, 4)])
    settings = write_token_settings(tmp_path, imap.url, sink.port, tokens)
    once(settings)
    tokens.withdraw()
    tokens.refresh.clear()
    asked = len(tokens.asked)
    imap.append([mail(4)])
    capfd.readouterr()
    with daemon(settings) as (app, runner):
        runner.run(until(app, lambda: bool(app.ingests[0].failing)))
        assert "helpdesk-daemon sign-in support" in app.ingests[0].failing
    failed = [e for e in log_events(capfd.readouterr().err.encode()) if e["event"] == "mailbox.failed"]
    assert len(failed) == 1
    assert failed[0]["next_try_in"] > 200, "a refusal is not tried in a hurry"
    assert len(tokens.asked) == asked + 1
    assert "invalid_grant" in rows(tmp_path, "select last_error from mailboxes")[0]["last_error"]
    tokens.refresh.add("consented again")
    (tmp_path / "refresh-token").write_text("consented again")
    assert once(settings) == 1
    check_invariants(tmp_path, 4, sink.mails)


def test_smtp_that_refuses_holds_the_mail_back(
    tmp_path: Path, tokens: TokenServer, imap: Dovecot, sink: TokenSink
) -> None:
    imap.append([mail(1), mail(2)])
    settings = write_token_settings(tmp_path, imap.url, sink.port, tokens)
    sink.refuse = "535 5.7.139 SmtpClientAuthentication is disabled for the Mailbox"
    with daemon(settings) as (app, runner):
        runner.run(until(app, lambda: bool(app.delivers[0].failing)))
        assert "535 5.7.139" in app.delivers[0].failing
    assert rows(tmp_path, "select max(attempts) as n from outbox") == [{"n": 0}], "counted against no mail"
    with pytest.raises(SignInError):
        once(settings)
    sink.refuse = ""
    once(settings)
    check_invariants(tmp_path, 2, sink.mails)
