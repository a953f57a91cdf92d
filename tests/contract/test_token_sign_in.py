"""IMAP (Dovecot) and SMTP (aiosmtpd) that want access tokens: signing in, expiry in mid-session, refusals."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from helpdesk_daemon.adapters.imap import ImapMailbox
from helpdesk_daemon.adapters.imap_session import Server
from helpdesk_daemon.adapters.oauth.client import Client
from helpdesk_daemon.adapters.oauth.tokens import Tokens, TokenSource
from helpdesk_daemon.adapters.sasl import Bearer
from helpdesk_daemon.adapters.smtp.transport import SmtpTransport
from helpdesk_daemon.errors import SignInError, TransientError, Unreachable
from helpdesk_daemon.ports import Transport
from tests.contract.cut import Wire
from tests.contract.scripted import Scripted
from tests.contract.sites import Reader
from tests.contract.test_tokens import Hands, client
from tests.contract.test_transport import THEM, US, relay, with_transport
from tests.harness.dovecot import USER, Dovecot
from tests.harness.mails import mail
from tests.harness.token_server import TokenServer
from tests.harness.token_sink import TokenSink

PATIENCE = 20.0
_numbers = count(1)


@pytest.fixture(scope="module")
def tokens() -> Iterator[TokenServer]:
    with TokenServer() as server:
        yield server


@pytest.fixture(scope="module", params=["xoauth2", "oauthbearer", "xoauth2 oauthbearer"])
def dovecot(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tokens: TokenServer
) -> Iterator[Dovecot]:
    folder = tmp_path_factory.mktemp("dovecot")
    with Dovecot(folder, token_server=tokens.url, mechanisms=request.param) as server:
        yield server


class Account:
    """A folder of an account that is read with tokens, and the clock its tokens age by."""

    def __init__(self, tokens: TokenServer, dovecot: Dovecot, folder: Path) -> None:
        self.tokens, self.dovecot, self.clock = tokens, dovecot, Hands()
        self.folder = f"Box{next(_numbers)}"
        dovecot.append([], self.folder)
        self.source = Tokens(folder, self.clock).source(client(tokens))
        tokens.asked.clear()
        self._boxes: list[ImapMailbox] = []

    def open(self, port: int = 0, **options: Any) -> ImapMailbox:
        plain: dict[str, Any] = {
            "host": "127.0.0.1", "port": port or self.dovecot.port, "security": "none", "user": USER,
            "password": lambda: "", "folder": self.folder, "timeout": 10.0, "tokens": self.source,
        }  # fmt: skip
        box = ImapMailbox("support", Server(**(plain | options)), self.clock, start="all")
        self._boxes.append(box)
        return box

    def close(self) -> None:
        for box in self._boxes:
            box.close()


@pytest.fixture
def account(tokens: TokenServer, dovecot: Dovecot, tmp_path: Path) -> Iterator[Account]:
    tokens.user = USER
    made = Account(tokens, dovecot, tmp_path)
    yield made
    made.close()


# --- IMAP ----------------------------------------------------------------------------------------


def test_a_mailbox_is_read_with_a_token(account: Account) -> None:
    account.dovecot.append([mail(1)], account.folder)
    assert Reader(account.open()).bodies() == [mail(1)]
    assert len(account.tokens.asked) == 1


def test_a_token_withdrawn_before_its_time_is_replaced_once(account: Account) -> None:
    account.source.token()
    account.tokens.withdraw()
    account.dovecot.append([mail(1)], account.folder)
    assert Reader(account.open()).bodies() == [mail(1)]
    assert len(account.tokens.asked) == 2


def test_a_fresh_token_that_is_refused_is_a_sign_in_error(account: Account) -> None:
    account.tokens.user = "somebody else"
    box = account.open()
    with pytest.raises(SignInError, match="helpdesk-daemon sign-in support") as caught:
        box.discover(None)
    assert "access-" not in str(caught.value)
    assert "status" in str(caught.value), "what the server said in its challenge"
    assert len(account.tokens.asked) == 2


def test_withdrawn_consent_is_a_sign_in_error(account: Account) -> None:
    good = set(account.tokens.refresh)
    account.tokens.refresh.clear()
    with pytest.raises(SignInError, match="invalid_grant"):
        account.open().discover(None)
    account.tokens.refresh |= good
    assert account.open().discover(None)[1] == []


def test_a_token_server_that_is_down_is_transient(account: Account) -> None:
    box = account.open()
    box.discover(None)
    account.clock.forward(3_600)
    account.source.__dict__["_client"] = Client("support", USER, "http://127.0.0.1:9/token", "helpdesk")
    with pytest.raises(TransientError, match="token server"):
        box.discover(None)


def test_a_session_is_replaced_before_its_token_ends(account: Account) -> None:
    with Wire(account.dovecot.port) as wire:
        reader = Reader(account.open(port=wire.port))
        account.dovecot.append([mail(1)], account.folder)
        assert reader.bodies() == [mail(1)]
        assert wire.connections == 1
        account.clock.forward(3_500)
        account.tokens.withdraw()
        account.dovecot.append([mail(2), mail(3)], account.folder)
        assert reader.bodies() == [mail(2), mail(3)]
        assert reader.bodies() == []
        assert wire.connections == 2
    assert len(account.tokens.asked) == 2


def test_a_session_that_ends_between_look_and_fetch_loses_nothing(account: Account) -> None:
    with Wire(account.dovecot.port) as wire:
        box = account.open(port=wire.port)
        account.dovecot.append([mail(1), mail(2)], account.folder)
        _, uids = box.discover(None)
        account.tokens.withdraw()
        wire.say(b"* BYE Session invalidated - AccessTokenExpired\r\n")
        with pytest.raises(TransientError):
            box.fetch(uids)
        assert Reader(box).bodies() == [mail(1), mail(2)]
    assert len(account.tokens.asked) == 2


def test_waiting_never_signs_in_anew(account: Account) -> None:
    """Mail that came since the last look would not be announced in the new session."""
    with Wire(account.dovecot.port) as wire:
        box = account.open(port=wire.port)
        box.discover(None)
        account.clock.forward(3_500)
        account.dovecot.append([mail(1)], account.folder)
        assert box.wait(PATIENCE)
        assert wire.connections == 1
        assert len(box.discover(None)[1]) == 1
        assert wire.connections == 2


def test_a_token_that_ends_while_idle_is_replaced_without_loss(account: Account) -> None:
    with Wire(account.dovecot.port) as wire:
        box = account.open(port=wire.port)
        reader = Reader(box)
        assert reader.bodies() == []
        ended: list[Exception] = []

        def wait() -> None:
            try:
                box.wait(PATIENCE)
            except TransientError as error:
                ended.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        account.tokens.withdraw()
        wire.say(b"* BYE Session invalidated - AccessTokenExpired\r\n")
        waiting.join(PATIENCE)
        assert len(ended) == 1
        account.dovecot.append([mail(1)], account.folder)
        assert reader.bodies() == [mail(1)]
        assert reader.bodies() == []
    assert len(account.tokens.asked) == 2


def test_a_server_that_hangs_up_in_the_exchange_is_transient(account: Account) -> None:
    with Wire(account.dovecot.port) as wire:
        wire.left = 400  # greeting and capabilities, and no more
        with pytest.raises(TransientError):
            account.open(port=wire.port).discover(None)
        assert account.open(port=wire.port).discover(None)[1] == []


def test_a_server_without_token_sign_in_says_so(tokens: TokenServer, tmp_path: Path) -> None:
    with Dovecot(tmp_path / "plain") as plain:
        made = Account(tokens, plain, tmp_path)
        with pytest.raises(SignInError, match="LOGIN, PLAIN"):
            made.open().discover(None)
        made.close()


def test_the_words_of_rfc_7628() -> None:
    bearer = Bearer("OAUTHBEARER", "a=b,c@example.com", "tok", "mail.example.com", 993)
    first = b"n,a=a=3Db=2Cc@example.com,\x01host=mail.example.com\x01port=993\x01auth=Bearer tok\x01\x01"
    assert bearer(b"") == first
    assert bearer(b'{"status":"invalid_token","scope":"a\\r\\nb"}') == b"\x01"
    assert bearer.said == "status invalid_token, scope ab"


@pytest.mark.parametrize("challenge", [b"", b"{", b"[1]", b"\xff", b"[" * 5_000, b'"x"', b"{}"])
def test_an_odd_challenge_is_answered_all_the_same(challenge: bytes) -> None:
    bearer = Bearer("XOAUTH2", "me", "tok", "mail.example.com", 993)
    assert bearer(b"") == b"user=me\x01auth=Bearer tok\x01\x01"
    assert bearer(challenge) == b""
    assert bearer.said == ""


# --- SMTP ----------------------------------------------------------------------------------------


@pytest.fixture
def source(tokens: TokenServer, tmp_path: Path) -> TokenSource:
    tokens.user = US
    tokens.asked.clear()
    return Tokens(tmp_path, Hands()).source(client(tokens, user=US, name="smtp"))


def sending(source: TokenSource, port: int) -> SmtpTransport:
    return SmtpTransport(relay(port, user=US, tokens=source))


async def one(transport: Transport) -> None:
    await transport.send(US, THEM, mail(1))


@pytest.mark.parametrize("mechanisms", [("XOAUTH2",), ("OAUTHBEARER",), ("XOAUTH2", "OAUTHBEARER")])
def test_mail_is_sent_with_a_token(tokens: TokenServer, source: TokenSource, mechanisms: tuple[str, ...]) -> None:
    with TokenSink(tokens, mechanisms) as sink:
        with_transport(one, lambda: sending(source, sink.port))
    assert [m.content for m in sink.mails] == [mail(1)]
    assert [mechanism for mechanism, _ in sink.tries] == [mechanisms[0]]


def test_a_refused_token_is_replaced_once_after_the_exchange_was_ended(
    tokens: TokenServer, source: TokenSource
) -> None:
    source.token()
    tokens.withdraw()
    with TokenSink(tokens) as sink:
        with_transport(one, lambda: sending(source, sink.port))
    assert len(sink.mails) == 1
    assert sink.closings == [b""]
    assert len({token for _, token in sink.tries}) == 2


def test_a_token_withdrawn_in_mid_session_costs_no_mail(tokens: TokenServer, source: TokenSource) -> None:
    async def work(transport: Transport) -> None:
        await transport.send(US, THEM, mail(1))
        tokens.withdraw()
        await transport.send(US, THEM, mail(2))
        await transport.send(US, THEM, mail(3))

    with TokenSink(tokens) as sink:
        with_transport(work, lambda: sending(source, sink.port))
    assert [m.content for m in sink.mails] == [mail(1), mail(2), mail(3)]
    assert len(tokens.asked) == 2


def test_a_connection_is_replaced_before_its_token_ends(tokens: TokenServer, tmp_path: Path) -> None:
    clock = Hands()
    tokens.user = US
    source = Tokens(tmp_path, clock).source(client(tokens, user=US))

    async def work(transport: Transport) -> None:
        await transport.send(US, THEM, mail(1))
        await transport.send(US, THEM, mail(2))
        clock.forward(3_500)
        await transport.send(US, THEM, mail(3))

    with TokenSink(tokens) as sink:
        with_transport(work, lambda: sending(source, sink.port))
    assert len(sink.mails) == 3
    assert len(sink.tries) == 2


def test_four_connections_at_once_cost_one_token(tokens: TokenServer, source: TokenSource) -> None:
    async def work(transport: Transport) -> None:
        await asyncio.gather(*(transport.send(US, THEM, mail(n)) for n in range(1, 9)))
        tokens.withdraw()
        await asyncio.gather(*(transport.send(US, THEM, mail(n)) for n in range(9, 17)))

    with TokenSink(tokens) as sink:
        with_transport(work, lambda: sending(source, sink.port))
    assert sorted(m.content for m in sink.mails) == sorted(mail(n) for n in range(1, 17))
    assert len(tokens.asked) == 2


def test_a_fresh_token_that_smtp_refuses_is_a_sign_in_error(tokens: TokenServer, source: TokenSource) -> None:
    tokens.user = "somebody else"
    with TokenSink(tokens) as sink, pytest.raises(SignInError, match="535") as caught:
        with_transport(one, lambda: sending(source, sink.port))
    assert "sign-in smtp" in str(caught.value)
    assert "status invalid_token" in str(caught.value)
    assert "access-" not in str(caught.value)
    assert len(sink.tries) == 2


def test_smtp_auth_that_is_switched_off_names_the_administrator(tokens: TokenServer, tmp_path: Path) -> None:
    tokens.user = US
    source = Tokens(tmp_path, Hands()).source(client(tokens, user=US, provider="microsoft"))
    with TokenSink(tokens) as sink:
        sink.refuse = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant."
        with pytest.raises(SignInError, match="administrator enables it"):
            with_transport(one, lambda: sending(source, sink.port))


def test_smtp_that_is_busy_is_unreachable(tokens: TokenServer, source: TokenSource) -> None:
    with TokenSink(tokens) as sink:
        sink.refuse = "454 4.7.0 Temporary authentication failure"
        with pytest.raises(Unreachable, match="454"):
            with_transport(one, lambda: sending(source, sink.port))
    assert len(sink.tries) == 1, "a token that was not refused is not replaced"


def test_smtp_without_token_sign_in_says_so(tokens: TokenServer, source: TokenSource) -> None:
    with Scripted(offers=("AUTH PLAIN LOGIN",)) as server, pytest.raises(SignInError, match="LOGIN, PLAIN"):
        with_transport(one, lambda: sending(source, server.port))
    assert [line for line in server.lines if line.startswith("AUTH")] == []
    assert len(tokens.asked) == 1


def test_a_server_that_lets_us_in_and_send_nothing_is_a_sign_in_error(source: TokenSource) -> None:
    answers = {"AUTH": "235 2.7.0 welcome", "MAIL": "530 5.7.57 not authenticated"}
    with (
        Scripted(lambda verb, line: answers.get(verb), ("AUTH XOAUTH2",)) as server,
        pytest.raises(SignInError, match=r"530 5\.7\.57"),
    ):
        with_transport(one, lambda: sending(source, server.port))


def test_a_token_server_that_is_down_counts_against_no_mail(tokens: TokenServer, tmp_path: Path) -> None:
    there = client(tokens, user=US, token_url="http://127.0.0.1:9/token")
    source = Tokens(tmp_path, Hands()).source(there)
    with TokenSink(tokens) as sink, pytest.raises(Unreachable, match="token server"):
        with_transport(one, lambda: sending(source, sink.port))
    assert sink.tries == []
