"""`init` as a person uses it on a terminal, and as a script does, against Dovecot and a submission server."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pexpect
import pytest

from helpdesk_daemon.adapters.keys import load_signer
from helpdesk_daemon.adapters.probe import make_probe
from tests.acceptance.command import at_terminal, document, files_below, out, run
from tests.harness.dovecot import PASSWORD, USER, Dovecot
from tests.harness.mails import mail
from tests.harness.relay import ADDRESS, Relay
from tests.harness.world import child

WRITTEN = ["rules", "rules/routing.schema.json", "rules/routing.toml", "secrets", "secrets/imap", "settings.toml"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Dovecot]:
    with Dovecot(tmp_path / "dovecot") as dovecot:
        dovecot.append(mail(number) for number in range(1, 4))
        yield dovecot


@pytest.fixture
def relay(server: Dovecot) -> Iterator[Relay]:
    with Relay(server) as accepting:
        yield accepting


class Terminal:
    """A person at `init`; every question must come, in order."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.process = at_terminal(folder, "init", *words, size=(60, 120))

    def say(self, question: str, answer: str = "") -> None:
        self.process.expect_exact(question)
        self.process.expect(r": $")
        self.process.sendline(answer)

    def hear(self, words: str) -> None:
        self.process.expect_exact(words)

    def end(self) -> int:
        self.process.expect(pexpect.EOF)
        self.process.close()
        return int(self.process.exitstatus)


def once(desk: Path) -> None:
    """One turn of the daemon on the written settings, without the model."""
    assert child(desk / "settings.toml", "once").wait(60) == 0


def to_password(person: Terminal, server: Dovecot, password: str = PASSWORD) -> None:
    person.say("Address they write to", ADDRESS)
    person.say("Name they see", "Example Support")
    person.say("Mail server", f"imap://127.0.0.1:{server.port}")
    person.say("User name there", USER)
    person.say("Password", password)


def settings_of(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "settings.toml").read_text())


def unattended(folder: Path, server: Dovecot, relay: Relay, *more: str) -> subprocess.CompletedProcess[bytes]:
    secret = folder / "given"
    secret.write_text(PASSWORD + "\n")
    return run(
        folder, "init", "desk", "--yes", "--address", ADDRESS, "--user", USER, "--password-file", secret,
        "--mailbox", f"imap://127.0.0.1:{server.port}/INBOX", "--smtp", f"smtp://127.0.0.1:{relay.port}", *more,
    )  # fmt: skip


def test_a_person_sets_it_up_and_the_first_mail_becomes_a_ticket(tmp_path: Path, server: Dovecot, relay: Relay) -> None:
    relay.refused = {"billing@helpdesk.example"}
    person = Terminal(tmp_path, "desk")
    to_password(person, server, "wrong")
    person.hear("User name or password are refused")
    person.say("Correct the answers")
    for question in ("Mail server", "User name there"):
        person.say(question)
    person.say("Password", PASSWORD)
    person.hear("announced at once (IDLE)")
    person.hear("It holds 3 mails: 3 of the last day")
    person.say("Which become tickets")
    person.say("Server for outgoing mail", f"smtp://127.0.0.1:{relay.port}")
    person.say("User name there")
    person.hear("takes mail up to 26 MB")
    person.say("hears of trouble", ADDRESS)
    person.hear("mail to it would come round again")
    person.say("hears of trouble", "ops@helpdesk.example")
    person.hear("the server takes no mail for billing@helpdesk.example: 550")
    person.say("Take these addresses?", "n")
    for name, answer in (
        ("Technical Support", ""), ("Account Services", ""), ("Billing Team", "money@helpdesk.example"),
        ("Sales Team", ""), ("Engineering", ""), ("General Support", ""),
    ):  # fmt: skip
        person.say(f"  {name} [", answer)
    person.say("Take these addresses?")
    person.say("Send one test mail")
    person.hear("the mail is deleted again")
    person.hear("desk/settings.toml run")
    assert person.end() == 0

    desk = tmp_path / "desk"
    assert files_below(desk) == [*WRITTEN, "var", "var/keys", "var/keys/signing.keys"]
    assert {oct(p.stat().st_mode & 0o777) for p in (desk / "secrets/imap", desk / "var/keys/signing.keys")} == {"0o600"}
    assert PASSWORD not in (desk / "settings.toml").read_text()
    settings = settings_of(desk)
    assert settings["identity"]["plus_addressing"] is True
    assert settings["mailbox"][0]["start"] == "now"
    routing = tomllib.loads((desk / "rules/routing.toml").read_text())
    assert routing["department"]["Billing Team"] == {
        "address": "money@helpdesk.example",
        "agents": ["@helpdesk.example"],
    }
    client = server.client()
    client.select_folder("INBOX")
    assert len(client.search("ALL")) == 3, "the test mail is gone"
    client.logout()

    relay.mails.clear()
    once(desk)
    server.append([mail(7)])
    once(desk)
    assert len(document(run(desk, "tickets", "list", "--json"))) == 1
    assert len(relay.mails) == 2, "a forward and an acknowledgement"
    assert "auto-replied" in {str(sent.message["Auto-Submitted"]) for sent in relay.mails}
    assert document(run(desk, "audit", "reconcile", "--json"))["ok"] is True


@pytest.mark.parametrize("way", ["interrupt", "end of input"])
def test_who_stops_leaves_nothing_behind(tmp_path: Path, server: Dovecot, way: str) -> None:
    before = files_below(tmp_path, ["dovecot"])
    person = Terminal(tmp_path, "desk")
    to_password(person, server)
    person.hear("Which become tickets")
    if way == "interrupt":
        person.process.sendintr()
    else:
        person.process.sendeof()
    assert person.end() == 130
    assert files_below(tmp_path, ["dovecot"]) == before


def test_a_script_sets_it_up_without_questions(tmp_path: Path, server: Dovecot, relay: Relay) -> None:
    said = out(
        unattended(tmp_path, server, relay, "--start", "2026-11-20", "--department", "Engineering=dev@x.example")
    )
    assert "the mail is deleted again" in said
    settings = settings_of(tmp_path / "desk")
    assert str(settings["mailbox"][0]["start"]) == "2026-11-20"
    assert settings["operator"] == "postmaster@helpdesk.example"
    assert settings["smtp"] | {"connections": 4} == {
        "url": f"smtp://127.0.0.1:{relay.port}", "user": USER, "password_file": "secrets/imap", "connections": 4,
    }  # fmt: skip
    again = unattended(tmp_path, server, relay)
    assert again.returncode == 2
    assert b"add --overwrite" in again.stderr
    assert str(settings_of(tmp_path / "desk")["mailbox"][0]["start"]) == "2026-11-20"
    key = (tmp_path / "desk/var/keys/signing.keys").read_text()
    out(unattended(tmp_path, server, relay, "--overwrite"))
    assert settings_of(tmp_path / "desk")["mailbox"][0]["start"] == "now"
    assert "2026-11-20" in (tmp_path / "desk/settings.toml.old").read_text()
    assert not (tmp_path / "desk/secrets/imap.old").exists()
    assert (tmp_path / "desk/var/keys/signing.keys").read_text() == key, "a key that is there is kept"


@pytest.mark.parametrize("bounces", [False, True])
def test_a_server_without_plus_addresses_is_found_out(tmp_path: Path, server: Dovecot, bounces: bool) -> None:
    with Relay(server, plus=False, null_sender=False, bounces=bounces) as relay:
        said = out(unattended(tmp_path, server, relay))
        assert "it refuses the null sender" in said
        assert ("it bounced" if bounces else "550 5.1.1 no such mailbox") in said
        settings = settings_of(tmp_path / "desk")
        assert settings["identity"]["plus_addressing"] is False
        assert settings["smtp"]["null_sender"] is False
        client = server.client()
        client.select_folder("INBOX")
        assert len(client.search("ALL")) == 3, "the bounce of our own test is gone, too"
        client.logout()


def test_check_probes_and_tells_the_setting_that_differs(tmp_path: Path, server: Dovecot) -> None:
    with Relay(server, plus=False) as relay:
        out(unattended(tmp_path, server, relay, "--plus"))
        done = run(tmp_path / "desk", "check", "--probe")
        assert done.returncode == 1
        assert "Set [identity] plus_addressing = false" in done.stdout.decode()
    with Relay(server) as relay:
        out(unattended(tmp_path, server, relay, "--plus", "--overwrite"))
        assert "it works, a test mail took" in out(run(tmp_path / "desk", "check", "--probe"))


def test_the_daemon_ignores_a_test_mail(tmp_path: Path, server: Dovecot, relay: Relay) -> None:
    out(unattended(tmp_path, server, relay))
    desk = tmp_path / "desk"
    once(desk)
    relay.mails.clear()
    signer = load_signer(desk / "var")
    server.append([make_probe(ADDRESS, signer.loop_value(ADDRESS), datetime.now(UTC)).mime])
    once(desk)
    (row,) = document(run(desk, "arrivals", "list", "--json"))
    assert (row["state"], row["reason"]) == ("ignored", "our own mail came back: it carries our loop header")
    assert relay.mails == []


def test_a_folder_without_servers(tmp_path: Path) -> None:
    said = out(run(tmp_path, "init", "--yes", "--address", "help@shop.test", "--mailbox", "maildir:in",
                   "--smtp", "maildir:out", "--operator", "-"))  # fmt: skip
    assert "none of it leaves this machine" in said
    assert files_below(tmp_path) == ["rules", "rules/routing.schema.json", "rules/routing.toml", "settings.toml"]
    settings = settings_of(tmp_path)
    assert "operator" not in settings
    assert settings["mailbox"][0]["url"] == "maildir:in"
    assert settings["identity"] | {"also": []} == {
        "name": "Shop Support", "address": "help@shop.test", "also": [], "plus_addressing": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--yes"], "--address: Write an address such as support@example.com"),
        (["--yes", "--address", "help@shop.test", "--mailbox", "ftp://x", "--no-test"], "--mailbox: Begin it with"),
        (["--yes", "--address", "help@shop.test", "--mailbox", "maildir:in", "--smtp", "maildir:out",
          "--operator", "help@shop.test"], "mail to it would come round again"),
        (["--yes", "--address", "help@shop.test", "--mailbox", "maildir:in", "--smtp", "maildir:out",
          "--department", "Biling Team=b@shop.test"], "there is no Biling Team"),
        (["--yes", "--address", "help@shop.test", "--mailbox", "maildir:in", "--start", "2999-01-01"], "still to come"),
        (["--yes", "--address", "shop@gmail.com", "--mailbox", "maildir:in", "--smtp", "maildir:out"],
         "name an address for each"),
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_is_refused_by_its_flag(tmp_path: Path, words: list[str], said: str) -> None:
    done = run(tmp_path, "init", "desk", *words)
    assert done.returncode == 2
    assert said in done.stderr.decode()
    assert files_below(tmp_path) == []


def test_a_server_that_fails_ends_a_script(tmp_path: Path, server: Dovecot, relay: Relay) -> None:
    done = unattended(tmp_path, server, relay, "--mailbox", "imap://127.0.0.1:1/INBOX")
    assert done.returncode == 1
    assert "nothing listens on that port" in done.stderr.decode()
    assert not (tmp_path / "desk").exists()


def test_a_folder_that_cannot_be_written_is_told_and_left(tmp_path: Path) -> None:
    (tmp_path / "desk").write_text("a file")
    done = run(tmp_path, "init", "desk", "--yes", "--address", "help@shop.test", "--mailbox", "maildir:in")
    assert done.returncode == 2
    assert (tmp_path / "desk").read_text() == "a file"
