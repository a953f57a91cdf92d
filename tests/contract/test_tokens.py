"""What a source of access tokens does against a token server that rotates, refuses, stalls and talks nonsense."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from helpdesk_daemon import log
from helpdesk_daemon.adapters.oauth import client as http
from helpdesk_daemon.adapters.oauth.client import Client
from helpdesk_daemon.adapters.oauth.kept import KeptToken
from helpdesk_daemon.adapters.oauth.tokens import JITTER, MARGIN, Tokens, TokenSource
from helpdesk_daemon.errors import ConfigError, SignInError, Unreachable
from tests.contract.tls import certificate_of, self_signed
from tests.harness.dovecot import free_port
from tests.harness.token_server import CLIENT, FIRST, SECRET, Scripted, TokenServer

PATIENCE = 20.0


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def now(self) -> datetime:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture(params=["never"])
def server(request: pytest.FixtureRequest) -> Iterator[TokenServer]:
    with TokenServer(rotation=request.param) as running:
        yield running


def client(server: TokenServer, **options: Any) -> Client:
    plain: dict[str, Any] = {
        "name": "support", "user": "support", "token_url": f"{server.url}/token", "client_id": CLIENT,
        "secret": lambda: SECRET, "seed": lambda: FIRST, "scope": "mail",
    }  # fmt: skip
    return Client(**(plain | options))


def source(server: TokenServer, folder: Path, clock: Hands, **options: Any) -> TokenSource:
    return Tokens(folder, clock).source(client(server, **options))


rotating = pytest.mark.parametrize("server", ["on use", "at once"], indirect=True)
strict = pytest.mark.parametrize("server", ["at once"], indirect=True)


# --- how long a token is used --------------------------------------------------------------------


def test_a_token_is_used_until_shortly_before_its_end(server: TokenServer, tmp_path: Path, clock: Hands) -> None:
    tokens = source(server, tmp_path, clock)
    first = tokens.token()
    clock.forward(3_600 - MARGIN - JITTER - 1)
    assert tokens.token() == first
    assert not tokens.outdated(first)
    clock.forward(JITTER + 1)
    assert tokens.outdated(first)
    assert tokens.token() != first
    assert len(server.asked) == 2
    assert server.asked[0]["scope"] == "mail"


def test_a_token_of_a_few_seconds_is_used_for_half_of_them(server: TokenServer, tmp_path: Path, clock: Hands) -> None:
    server.lifetime = 10
    tokens = source(server, tmp_path, clock)
    first = tokens.token()
    clock.forward(4.9)
    assert tokens.token() == first
    clock.forward(0.2)
    assert tokens.token() != first


@pytest.mark.parametrize("said", [b'"3600"', b"null", b"-5", b'"soon"', b"1e400", b"true", b"[]"])
def test_an_odd_lifetime_is_an_hour(server: TokenServer, tmp_path: Path, clock: Hands, said: bytes) -> None:
    server.instead.append(Scripted(200, b'{"access_token": "a", "expires_in": ' + said + b"}"))
    tokens = source(server, tmp_path, clock)
    assert tokens.token() == "a"
    clock.forward(3_600 - MARGIN - JITTER - 1)
    assert tokens.token() == "a"
    clock.forward(JITTER + 1)
    assert tokens.token() != "a"


def test_a_server_that_is_down_costs_nothing_while_the_token_lasts(
    server: TokenServer, tmp_path: Path, clock: Hands
) -> None:
    tokens = source(server, tmp_path, clock)
    first = tokens.token()
    server.instead += [Scripted(503), Scripted(503)]
    clock.forward(3_600 - 60)
    assert tokens.token() == first
    clock.forward(61)
    with pytest.raises(Unreachable, match="503"):
        tokens.token()
    assert tokens.token() != first


def test_a_token_that_a_mail_server_refused_is_not_given_again(
    server: TokenServer, tmp_path: Path, clock: Hands
) -> None:
    tokens = source(server, tmp_path, clock)
    first = tokens.token()
    server.instead.append(Scripted(503))
    with pytest.raises(Unreachable):
        tokens.token(refused=first)
    second = tokens.token(refused=first)
    assert second != first
    assert tokens.token(refused=first) == second, "another connection has seen to it already"
    assert len(server.asked) == 3


def at_once(work: Callable[[], str], number: int = 8) -> list[str | Exception]:
    """What many threads got that asked at the same time."""

    def one(_: int) -> str | Exception:
        barrier.wait(PATIENCE)
        try:
            return work()
        except (SignInError, Unreachable) as error:
            return error

    barrier = threading.Barrier(number)
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number), timeout=PATIENCE))


def test_of_many_who_ask_at_once_one_asks_the_server(server: TokenServer, tmp_path: Path, clock: Hands) -> None:
    tokens = source(server, tmp_path, clock)
    got = at_once(tokens.token)
    assert got == [got[0]] * 8
    assert len(server.asked) == 1
    first = str(got[0])
    assert len(set(at_once(lambda: tokens.token(refused=first)))) == 1
    assert len(server.asked) == 2


class CountingLock:
    """A lock that does something when it was let go for the n-th time: then all who ask wait for one answer."""

    def __init__(self, number: int, then: Callable[[], None]) -> None:
        self._lock, self._left, self._then = threading.Lock(), number, then

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._left -= 1
        left = self._left
        self._lock.release()
        if left == 0:
            self._then()


def test_of_many_who_are_refused_at_once_one_asked_the_server(
    server: TokenServer, tmp_path: Path, clock: Hands
) -> None:
    server.refresh.clear()
    server.gate.clear()
    tokens = source(server, tmp_path, clock)
    tokens.__dict__["_lock"] = CountingLock(8, server.gate.set)
    assert {type(error) for error in at_once(tokens.token)} == {SignInError}
    assert len(server.asked) == 1


def test_tables_of_one_account_share_a_source(server: TokenServer, tmp_path: Path, clock: Hands) -> None:
    tokens = Tokens(tmp_path, clock)
    assert tokens.source(client(server)) is tokens.source(client(server, name="smtp"))
    assert tokens.source(client(server)) is not tokens.source(client(server, user="sales"))
    alone = {"grant": "client_credentials"}
    assert tokens.source(client(server, **alone)) is tokens.source(client(server, user="sales", **alone))


def test_client_credentials_need_no_consent(server: TokenServer, tmp_path: Path, clock: Hands) -> None:
    tokens = source(server, tmp_path, clock, grant="client_credentials", seed=lambda: "")
    assert server.valid("support", tokens.token())
    assert [form["grant_type"] for form in server.asked] == ["client_credentials"]
    assert not (tmp_path / "tokens").exists()


# --- rotation ------------------------------------------------------------------------------------


@rotating
def test_a_rotated_token_is_on_the_disk_before_the_access_token_is_seen(
    server: TokenServer, tmp_path: Path, clock: Hands
) -> None:
    asked = client(server)
    moments: list[tuple[str, str]] = []
    kept = Tokens(tmp_path, clock).kept(asked)
    tokens = TokenSource(asked, kept, clock, lambda name: moments.append((name, kept.read()[0])))
    tokens.token()
    assert moments == [("oauth.received", FIRST), ("oauth.stored", "refresh-1")]
    assert kept.path.stat().st_mode & 0o777 == 0o600
    assert kept.path.parent.stat().st_mode & 0o777 == 0o700
    later = source(server, tmp_path, clock)
    assert server.valid("support", later.token())
    assert [form["refresh_token"] for form in server.asked] == [FIRST, "refresh-1"]


@strict
def test_the_operators_new_token_wins_and_an_old_one_does_not(
    server: TokenServer, tmp_path: Path, clock: Hands
) -> None:
    file = tmp_path / "seed"
    file.write_text(FIRST)
    seed = file.read_text
    source(server, tmp_path, clock, seed=seed).token()
    source(server, tmp_path, clock, seed=seed).token()
    server.refresh.add("from the operator")
    file.write_text("from the operator")
    source(server, tmp_path, clock, seed=seed).token()
    source(server, tmp_path, clock, seed=seed).token()
    used = [form["refresh_token"] for form in server.asked]
    assert used == [FIRST, "refresh-1", "from the operator", "refresh-3"]


@strict
def test_a_token_that_could_not_be_kept_is_kept_before_anything_is_asked(
    server: TokenServer, tmp_path: Path, clock: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, write = source(server, tmp_path, clock), KeptToken.write
    monkeypatch.setattr(KeptToken, "write", _full)
    for _ in range(2):
        with pytest.raises(Unreachable, match="No space left"):
            tokens.token()
    assert len(server.asked) == 1
    monkeypatch.setattr(KeptToken, "write", write)
    assert server.valid("support", tokens.token())
    assert [form["refresh_token"] for form in server.asked] == [FIRST, "refresh-1"]


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


@strict
def test_two_processes_take_turns(server: TokenServer, tmp_path: Path, clock: Hands) -> None:
    daemon, command = source(server, tmp_path, clock), source(server, tmp_path, clock)
    server.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(tokens.token) for tokens in (daemon, command)]
        while not server.asked:
            threading.Event().wait(0.01)
        server.gate.set()
        got = {each.result(PATIENCE) for each in both}
    assert len(got) == 2
    assert [form["refresh_token"] for form in server.asked] == [FIRST, "refresh-1"]


def test_a_damaged_file_says_what_to_do(server: TokenServer, tmp_path: Path, clock: Hands) -> None:
    kept = Tokens(tmp_path, clock).kept(client(server))
    kept.write("refresh-0", kept.origin())
    kept.path.write_text("{}")
    with pytest.raises(SignInError, match="Delete it") as caught:
        source(server, tmp_path, clock).token()
    assert str(kept.path) in str(caught.value)


def test_without_consent_the_command_is_named(server: TokenServer, tmp_path: Path, clock: Hands) -> None:
    with pytest.raises(SignInError, match="helpdesk-daemon sign-in support"):
        source(server, tmp_path, clock, seed=lambda: "").token()
    assert server.asked == []


def test_secrets_are_read_again_at_each_use(server: TokenServer, tmp_path: Path, clock: Hands) -> None:
    secrets = iter(["old", SECRET])
    tokens = source(server, tmp_path, clock, secret=lambda: next(secrets))
    with pytest.raises(SignInError, match="client_secret"):
        tokens.token()
    assert server.valid("support", tokens.token())


def test_a_secret_that_cannot_be_read_is_a_configuration_error(
    server: TokenServer, tmp_path: Path, clock: Hands
) -> None:
    def gone() -> str:
        raise ConfigError("secrets/client", "", "cannot be read", "Write it")

    with pytest.raises(ConfigError):
        source(server, tmp_path, clock, secret=gone).token()


# --- refusals ------------------------------------------------------------------------------------

REFUSALS = {
    "withdrawn": ("google", 400, "invalid_grant", "Token has been revoked", "Consent again"),
    "a client's secret too old": ("microsoft", 401, "invalid_client", "AADSTS7000222: expired", "expired: make a new"),
    "the secret's id": ("microsoft", 401, "invalid_client", "AADSTS7000215: Invalid", "its value, not its ID"),
    "wrong tenant": ("microsoft", 400, "invalid_request", "AADSTS90002: Tenant x not found", "tenant"),
    "second factor": ("microsoft", 400, "invalid_grant", "AADSTS50076: must use", "second factor"),
    "nobody consented": ("microsoft", 400, "invalid_grant", "AADSTS65001: not consented", "sign-in support"),
    "public client": ("microsoft", 401, "invalid_client", "AADSTS7000218: must contain", "public client flows"),
    "any other": ("", 400, "invalid_grant", "", "Consent again: helpdesk-daemon sign-in support"),
    "wrong client": ("", 401, "invalid_client", "", "client_id"),
    "wrong scope": ("", 400, "invalid_scope", "", "scope"),
    "no such page": ("", 404, "", "", "404"),
    "moved": ("", 302, "", "", "302"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_says_what_to_do(server: TokenServer, tmp_path: Path, clock: Hands, name: str) -> None:
    provider, status, code, words, mend = REFUSALS[name]
    body = f'{{"error": "{code}", "error_description": "{words} {FIRST} {SECRET}\\r\\nbcc: x"}}'
    server.instead.append(Scripted(status, body.encode(), {"Location": "http://127.0.0.1:1/"}))
    with pytest.raises(SignInError) as caught:
        source(server, tmp_path, clock, provider=provider).token()
    said = str(caught.value)
    assert mend in said
    assert FIRST not in said
    assert SECRET not in said
    assert said.isprintable()
    assert server.valid("support", source(server, tmp_path, clock).token()), "the next try is a new one"


LATER = {
    "out of order": (500, b""),
    "over its limits": (429, b'{"error": "rate_limit"}'),
    "its own word for it": (400, b'{"error": "temporarily_unavailable"}'),
    "too slow": (408, b""),
    "no JSON": (200, b"<html>"),
    "no object": (200, b"[1]"),
    "deep": (200, b"[" * 50_000),
    "no token": (200, b'{"token_type": "Bearer"}'),
    "no text": (200, b'{"access_token": 7}'),
    "a token with a line end": (200, b'{"access_token": "a\\r\\nA002 DELETE INBOX"}'),
    "a token with a control": (200, b'{"access_token": "a\\u0001auth=x"}'),
    "an empty token": (200, b'{"access_token": ""}'),
    "no text at all": (200, b"\xff\xfe\x00"),
    "endless": (200, b'{"access_token": "a", "more": "' + b"x" * http.MOST_BYTES + b'"}'),
}


@pytest.mark.parametrize("name", LATER)
def test_what_may_pass_is_tried_again(server: TokenServer, tmp_path: Path, clock: Hands, name: str) -> None:
    server.instead.append(Scripted(*LATER[name]))
    tokens = source(server, tmp_path, clock)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
        tokens.token()
    assert server.valid("support", tokens.token())


def test_a_server_that_wants_to_be_left_alone_is(server: TokenServer, tmp_path: Path, clock: Hands) -> None:
    server.instead.append(Scripted(429, b"", {"Retry-After": "120"}))
    tokens = source(server, tmp_path, clock)
    with pytest.raises(Unreachable) as caught:
        tokens.token()
    assert caught.value.retry_after == 120
    clock.forward(100)
    with pytest.raises(Unreachable) as caught:
        tokens.token()
    assert caught.value.retry_after == 20
    assert len(server.asked) == 1
    clock.forward(21)
    assert server.valid("support", tokens.token())


def test_nobody_listening_is_unreachable(server: TokenServer, tmp_path: Path, clock: Hands) -> None:
    with pytest.raises(Unreachable, match="ConnectError"):
        source(server, tmp_path, clock, token_url=f"http://127.0.0.1:{free_port()}/token").token()


def test_a_server_whose_certificate_nobody_vouches_for_gets_no_secret(tmp_path: Path, clock: Hands) -> None:
    both = self_signed(tmp_path)
    with TokenServer(certificate=both) as server:
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            source(server, tmp_path, clock).token()
        assert server.asked == []
        tokens = source(server, tmp_path, clock, ca_file=str(certificate_of(both)))
        assert server.valid("support", tokens.token())


def test_a_server_that_stalls_is_given_up(
    server: TokenServer, tmp_path: Path, clock: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "DEADLINE", 0.3)
    server.gate.clear()
    with pytest.raises(Unreachable):
        source(server, tmp_path, clock).token()
    server.gate.set()


def test_a_wrong_clock_is_named(server: TokenServer, tmp_path: Path, clock: Hands) -> None:
    server.skew = 1_800
    server.refresh.clear()
    with pytest.raises(SignInError, match="clock is 30 min off"):
        source(server, tmp_path, clock).token()


def test_no_secret_is_shown_or_logged(
    server: TokenServer, tmp_path: Path, clock: Hands, capsys: pytest.CaptureFixture[str]
) -> None:
    log.setup("info", "json")  # whatever a test before this one wanted
    server.rotation = "on use"
    tokens = source(server, tmp_path, clock)
    seen = tokens.token() + tokens.token(refused="access-1")
    shown = repr((client(server), tokens.__dict__["_access"])) + "".join(capsys.readouterr())
    assert "token.rotated" in shown
    for secret in (FIRST, SECRET, "refresh-1", "refresh-2", "access-1", "access-2"):
        assert secret not in shown
    assert seen == "access-1access-2"
