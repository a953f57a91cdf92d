"""The daemon is killed while a refresh token is exchanged; what it signs in with survives."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from helpdesk_daemon.errors import SignInError
from tests.harness.dovecot import Dovecot
from tests.harness.mails import mail
from tests.harness.token_server import FIRST, TokenServer
from tests.harness.token_sink import TokenSink
from tests.harness.token_world import write_token_settings
from tests.harness.world import check_invariants, child
from tests.integration.conftest import once


@pytest.mark.parametrize(("point", "then"), [("oauth.received", FIRST), ("oauth.stored", "refresh-1")])
def test_a_kill_while_a_token_is_exchanged_loses_no_consent(tmp_path: Path, point: str, then: str) -> None:
    with (
        TokenServer(rotation="on use") as tokens,
        Dovecot(tmp_path / "dovecot", token_server=tokens.url) as imap,
        TokenSink(tokens) as sink,
    ):
        imap.append([mail(n) for n in range(1, 4)])
        settings = write_token_settings(tmp_path, imap.url, sink.port, tokens)
        assert child(settings, "once", point).wait(60) == -signal.SIGKILL
        assert sink.mails == []
        assert child(settings, "once").wait(60) == 0
        assert child(settings, "once").wait(60) == 0
        assert [form["refresh_token"] for form in tokens.asked][:2] == [FIRST, then]
        check_invariants(tmp_path, 3, sink.mails)
        (kept,) = (tmp_path / "data" / "tokens").glob("*.json")
        assert json.loads(kept.read_text())["refresh_token"] in tokens.refresh


def test_a_provider_that_takes_a_token_only_once_may_want_consent_again(tmp_path: Path) -> None:
    """It retires the old token as it answers: a kill before the new one is written loses both, and that is said."""
    with (
        TokenServer(rotation="at once") as tokens,
        Dovecot(tmp_path / "dovecot", token_server=tokens.url) as imap,
        TokenSink(tokens) as sink,
    ):
        imap.append([mail(1)])
        settings = write_token_settings(tmp_path, imap.url, sink.port, tokens)
        assert child(settings, "once", "oauth.received").wait(60) == -signal.SIGKILL
        with pytest.raises(SignInError, match="helpdesk-daemon sign-in support"):
            once(settings)
        tokens.refresh.add("consented again")
        (tmp_path / "refresh-token").write_text("consented again")
        assert once(settings) == 1
        check_invariants(tmp_path, 1, sink.mails)
