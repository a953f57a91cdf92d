"""Consent by command: a browser's redirect, a code typed elsewhere; and what is wrong in an oauth table."""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.oauth.consent import consent
from helpdesk_daemon.adapters.oauth.tokens import Tokens
from helpdesk_daemon.errors import ConfigError, SignInError, Unreachable
from helpdesk_daemon.settings import load_settings
from helpdesk_daemon.wiring.accounts import client_of, tokens_of
from tests.acceptance.command import BIN, environment, run
from tests.contract.test_tokens import Hands, client
from tests.harness.token_server import TokenServer
from tests.harness.token_world import write_token_settings


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with TokenServer(rotation="on use") as running:
        yield running


def settings(folder: Path, server: TokenServer, more: str = "", seed: str = "") -> Path:
    return write_token_settings(folder, "imap://127.0.0.1:1/INBOX", 1, server, seed, more)


def usable(folder: Path, server: TokenServer) -> bool:
    """Whether the daemon, started anew, can sign in."""
    found = load_settings(folder / "settings.toml")
    asked = client_of(found.mailbox[0])
    assert asked is not None
    return server.valid(server.user, tokens_of(found, SystemClock()).source(asked).token())


# --- a browser's redirect ------------------------------------------------------------------------


def consented(folder: Path, browser: Callable[[str], None]) -> subprocess.CompletedProcess[str]:
    """The command, with a browser that opens the address it prints."""
    command = subprocess.Popen(
        [str(BIN), "sign-in", "support"], cwd=folder, env=environment({"PYTHONUNBUFFERED": "1"}),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert command.stdout is not None
    lines = [command.stdout.readline() for _ in range(3)]
    try:
        browser(lines[1].strip())
    finally:
        out, err = command.communicate(timeout=30)
    return subprocess.CompletedProcess([], command.returncode, "".join(lines) + out, err)


def opened(url: str) -> None:
    with urllib.request.urlopen(url, timeout=10) as page:
        assert page.read() == b"This window can be closed."


def test_consent_in_a_browser_is_kept_and_used(tmp_path: Path, server: TokenServer) -> None:
    settings(tmp_path, server, f', authorize_url = "{server.url}/authorize"')
    done = consented(tmp_path, opened)
    assert done.returncode == 0, done.stderr
    assert "sign in as support" in done.stdout
    (kept,) = (tmp_path / "data" / "tokens").glob("*.json")
    assert str(kept) in done.stdout
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "refresh-1" not in done.stdout + done.stderr
    assert usable(tmp_path, server)


def test_a_stranger_at_the_redirects_door_changes_nothing(tmp_path: Path, server: TokenServer) -> None:
    def browser(url: str) -> None:
        port = url.partition("redirect_uri=http%3A%2F%2F127.0.0.1%3A")[2].partition("%2F")[0]
        for query in ("", "?code=mine", "?code=mine&state=guessed", "?error=no"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/{query}", timeout=10)
        opened(url)

    settings(tmp_path, server, f', authorize_url = "{server.url}/authorize"')
    assert consented(tmp_path, browser).returncode == 0
    assert usable(tmp_path, server)


def test_refused_consent_is_said(tmp_path: Path, server: TokenServer) -> None:
    server.denied = True
    settings(tmp_path, server, f', authorize_url = "{server.url}/authorize"')
    done = consented(tmp_path, opened)
    assert done.returncode == 1
    assert "nobody consented: access_denied" in done.stderr
    assert not list((tmp_path / "data").rglob("*.json"))


def test_consent_wins_over_the_operators_file_until_that_changes(tmp_path: Path, server: TokenServer) -> None:
    settings(tmp_path, server, f', authorize_url = "{server.url}/authorize"', seed="withdrawn")
    with pytest.raises(SignInError):
        usable(tmp_path, server)
    assert consented(tmp_path, opened).returncode == 0
    assert usable(tmp_path, server)
    (tmp_path / "refresh-token").write_text("newer")
    with pytest.raises(SignInError):
        usable(tmp_path, server)
    assert server.asked[-1]["refresh_token"] == "newer"


@pytest.mark.parametrize(
    ("name", "more", "mend"),
    [
        ("sales", "", "Those that do: support, smtp"),
        ("support", "", "Add device_url or authorize_url"),
        ("support", ', grant = "client_credentials"', "needs nobody's consent"),
    ],
)
def test_what_cannot_be_consented_to_is_said(
    tmp_path: Path, server: TokenServer, name: str, more: str, mend: str
) -> None:
    settings(tmp_path, server, more)
    done = run(tmp_path, "sign-in", name)
    assert done.returncode == 78
    assert mend in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1


def test_a_port_or_folder_that_cannot_be_used_is_said_before_anyone_consents(
    tmp_path: Path, server: TokenServer
) -> None:
    settings(tmp_path, server, f', authorize_url = "{server.url}/authorize"')
    done = run(tmp_path, "sign-in", "support", "--port", str(server.port))
    assert done.returncode == 78
    assert f"--port: {server.port}: cannot be used" in done.stderr.decode()
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "data").write_text("no folder")
    done = run(tmp_path, "sign-in", "support")
    assert done.returncode == 78
    assert "cannot be written" in done.stderr.decode()
    assert done.stdout == b""


# --- a code typed elsewhere ----------------------------------------------------------------------


class Person:
    """Somebody at the terminal, whose patience is counted rather than waited for."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.pauses: list[float] = []
        self.clock = Hands()

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.forward(seconds)


def asked(folder: Path, server: TokenServer) -> tuple[Person, Tokens]:
    """One who consents on another device, and where that leaves the tokens."""
    person, there = Person(), client(server, device_url=f"{server.url}/device", seed=lambda: "")
    tokens = Tokens(folder, person.clock)
    try:
        consent(there, tokens.kept(there), person.clock, person.lines.append, pause=person.pause)
    except (SignInError, Unreachable) as error:
        person.lines.append(str(error))
    return person, tokens


def test_a_code_typed_on_another_device_is_waited_for(tmp_path: Path, server: TokenServer) -> None:
    server.pending, server.slow = 2, True
    person, tokens = asked(tmp_path, server)
    assert person.lines == [f"Open {server.url}/enter in a browser, sign in as support and type the code WDJB-MJHT"]
    assert person.pauses == [3.0, 8.0, 8.0, 8.0], "slower once it was told to be"
    there = client(server, seed=lambda: "")
    assert server.valid("support", tokens.source(there).token())


def test_a_refusal_on_another_device_ends_the_wait(tmp_path: Path, server: TokenServer) -> None:
    server.denied = True
    person, _ = asked(tmp_path, server)
    assert "access_denied" in person.lines[-1]
    assert not list(tmp_path.rglob("*.json"))


def test_nobody_is_waited_for_for_ever(tmp_path: Path, server: TokenServer) -> None:
    server.pending = 1_000
    person, _ = asked(tmp_path, server)
    assert "nobody consented in time" in person.lines[-1]
    assert sum(person.pauses) <= 603


# --- the oauth table -----------------------------------------------------------------------------

GOOD = 'provider = "microsoft", client_id = "c"'
APP = 'provider = "microsoft", client_id = "c", grant = "client_credentials"'
WRONG = {
    "no table": ('auth = "xoauth2"', "mailbox.0", "oauth table"),
    "no auth": (f"oauth = {{ {GOOD} }}", "mailbox.0", 'auth = "xoauth2"'),
    "a password too": (f'auth = "xoauth2"\npassword_file = "p"\noauth = {{ {GOOD} }}', "mailbox.0", "password out"),
    "no client": ('auth = "xoauth2"\noauth = { provider = "google" }', "oauth.client_id", "Add it"),
    "no provider": ('auth = "xoauth2"\noauth = { client_id = "c" }', "mailbox.0.oauth", "token_url"),
    "two providers": (
        'auth = "xoauth2"\noauth = { provider = "google", token_url = "https://a.example", client_id = "c" }',
        "mailbox.0.oauth",
        "either",
    ),
    "an unknown provider": ('auth = "xoauth2"\noauth = { provider = "gogle", client_id = "c" }', "oauth", "'google'"),
    "an unknown key": (f'auth = "xoauth2"\noauth = {{ {GOOD}, tennant = "x" }}', "oauth.tennant", "'tenant'"),
    "a tenant that is a path": (f'auth = "xoauth2"\noauth = {{ {GOOD}, tenant = "a/b" }}', "oauth.tenant", "pattern"),
    "plain http": (
        'auth = "xoauth2"\noauth = { token_url = "http://id.example/token", client_id = "c" }',
        "oauth.token_url",
        "https://",
    ),
    "no url": ('auth = "xoauth2"\noauth = { token_url = "id.example", client_id = "c" }', "token_url", "https://"),
    "a secret in the url": (
        'auth = "xoauth2"\noauth = { token_url = "https://me:pass@id.example/t", client_id = "c" }',
        "token_url",
        "client_secret_file",
    ),
    "google alone": (
        'auth = "xoauth2"\noauth = { provider = "google", client_id = "c", grant = "client_credentials" }',
        "mailbox.0.oauth",
        "refresh_token",
    ),
    "microsoft alone, anywhere": (f'auth = "xoauth2"\noauth = {{ {APP} }}', "mailbox.0.oauth", "tenant"),
    "alone without a secret": (
        f'auth = "xoauth2"\noauth = {{ {APP}, tenant = "t" }}', "mailbox.0.oauth", "client_secret_file",
    ),
    "alone with consent": (
        f'auth = "xoauth2"\noauth = {{ {APP}, tenant = "t", client_secret_env = "E", refresh_token_file = "f" }}',
        "mailbox.0.oauth",
        "refresh_token_file",
    ),
    "two tables of one account": (
        f'auth = "xoauth2"\noauth = {{ {GOOD} }}\n'
        f'[smtp]\nurl = "smtp://127.0.0.1"\nuser = "me"\nauth = "xoauth2"\noauth = {{ {GOOD}, scope = "x" }}',
        "",
        "the same oauth table wherever me signs in",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_in_an_oauth_table_is_said(tmp_path: Path, name: str) -> None:
    words, key, mend = WRONG[name]
    path = tmp_path / "settings.toml"
    path.write_text(f'[[mailbox]]\nurl = "imap://127.0.0.1/INBOX"\nuser = "me"\n{words}\n')
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert caught.value.file == str(path)
    assert key in caught.value.key
    assert mend in str(caught.value)
    assert "pass@" not in str(caught.value)


def test_tokens_need_a_user_and_a_server(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    for url in ("imap://127.0.0.1/INBOX", "maildir:inbox"):
        path.write_text(f'[[mailbox]]\nurl = "{url}"\nauth = "xoauth2"\noauth = {{ {GOOD} }}\n')
        with pytest.raises(ConfigError, match="user"):
            load_settings(path)


def test_a_secret_file_that_is_gone_is_found_at_once(tmp_path: Path, server: TokenServer) -> None:
    settings(tmp_path, server)
    (tmp_path / "client-secret").unlink()
    done = run(tmp_path, "once")
    assert done.returncode == 78
    assert "client-secret: cannot be read" in done.stderr.decode()
    assert "Write the client secret into it" in done.stderr.decode()


def test_microsoft_and_google_are_known(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    tables = {
        "google": ('provider = "google", client_id = "c"', "https://oauth2.googleapis.com/token", "mail.google.com"),
        "microsoft": (GOOD, "https://login.microsoftonline.com/common/oauth2/v2.0/token", "SMTP.Send offline_access"),
        "alone": (
            f'{APP}, tenant = "contoso.example", client_secret_env = "E"',
            "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token",
            "https://outlook.office365.com/.default",
        ),
    }
    for words, url, scope in tables.values():
        path.write_text(f'[[mailbox]]\nurl = "imaps://me@mail.example"\nauth = "xoauth2"\noauth = {{ {words} }}\n')
        found = client_of(load_settings(path).mailbox[0])
        assert found is not None
        assert (found.token_url, found.user) == (url, "me")
        assert scope in found.scope
