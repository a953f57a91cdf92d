"""The parts of `init` by themselves: files, providers, words for failures."""

from __future__ import annotations

import os
import re
import tomllib
from datetime import date
from pathlib import Path

import pytest

from helpdesk_daemon.adapters.providers import PROVIDERS, first_answering, provider_named, provider_of
from helpdesk_daemon.adapters.rules.file import load_routing
from helpdesk_daemon.cli.setup.connecting import mailbox_url, smtp_url, start
from helpdesk_daemon.cli.setup.files import Answers, routing_text, settings_text, shipped_departments, write_all
from helpdesk_daemon.cli.setup.talk import meaning
from helpdesk_daemon.errors import HelpdeskError
from helpdesk_daemon.settings import load_settings
from helpdesk_daemon.wiring.places import shipped
from tests.harness.dovecot import free_port
from tests.harness.sink import Sink

SETTINGS = shipped("settings.toml").read_text()
ROUTING = shipped("rules/routing.toml").read_text()
FULL = Answers(
    address="support@shop.test", name='The "Shöp" \\ # Support', mailbox="imaps://imap.shop.test/INBOX/Sub%20folder",
    mailbox_user="user'1", mailbox_password="one", start="2026-11-20", smtp="smtp://smtp.shop.test", smtp_user="user 2",
    smtp_password="two", null_sender=False, operator="ops@shop.test", plus_addressing=False,
)  # fmt: skip
COMMENT = re.compile(r"#.*$", re.MULTILINE)


def written(folder: Path, answers: Answers) -> Path:
    path = folder / "settings.toml"
    path.write_text(settings_text(SETTINGS, answers))
    return path


def test_what_was_answered_is_what_the_daemon_reads(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, FULL))
    assert (settings.identity.name, settings.identity.address) == (FULL.name, FULL.address)
    assert settings.identity.plus_addressing is False
    assert settings.operator == FULL.operator
    assert settings.rules == tmp_path / "rules/routing.toml"
    (box,) = settings.mailbox
    assert (box.url, box.user, box.password_file) == (FULL.mailbox, FULL.mailbox_user, tmp_path / "secrets/imap")
    assert str(box.start) == "2026-11-20 00:00:00+00:00"
    assert (settings.smtp.url, settings.smtp.user) == (FULL.smtp, FULL.smtp_user)
    assert settings.smtp.password_file == tmp_path / "secrets/smtp"
    assert settings.smtp.null_sender is False


def test_the_shipped_comments_are_all_there(tmp_path: Path) -> None:
    text = written(tmp_path, FULL).read_text()
    body = re.sub(r"\A(?:#.*\n)+", "", SETTINGS)
    wanted = [c for c in COMMENT.findall(body) if not re.match(r"# (user|password_file|operator|rules) = ", c)]
    assert [c for c in wanted if c not in text] == []
    assert routing_text(ROUTING, FULL) == ROUTING, "nothing answered, nothing changed"


def test_without_users_there_are_no_secrets(tmp_path: Path) -> None:
    answers = Answers(address="a@shop.test", name="A", mailbox="maildir:in", smtp="smtp://localhost")
    tables = tomllib.loads(written(tmp_path, answers).read_text())
    assert "password_file" not in tables["mailbox"][0]
    assert not {"password_file", "user", "null_sender"} & set(tables["smtp"])
    assert "operator" not in tables
    assert answers.smtp_secret == ""


def test_departments_get_their_addresses(tmp_path: Path) -> None:
    answers = Answers(departments=dict.fromkeys(shipped_departments(ROUTING), "team@shop.test"), agents=["@shop.test"])
    path = tmp_path / "routing.toml"
    path.write_text(routing_text(ROUTING, answers))
    routing = load_routing(path, frozenset())
    assert {(d.address, tuple(d.agents)) for d in routing.departments.values()} == {("team@shop.test", ("@shop.test",))}


def test_files_come_all_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"rules/a": "1", "secrets/b": "2", "settings.toml": "3"}
    replace, calls = os.replace, []

    def interrupted(*paths: Path) -> None:
        calls.append(paths)
        if len(calls) == 3:
            raise KeyboardInterrupt
        replace(*paths)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_all(tmp_path / "desk", files)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    old = os.umask(0)
    try:
        write_all(tmp_path / "desk", files)
    finally:
        os.umask(old)
    modes = {str(p.relative_to(tmp_path)): oct(p.stat().st_mode & 0o777) for p in tmp_path.rglob("*")}
    assert modes == {
        "desk": "0o755", "desk/rules": "0o755", "desk/rules/a": "0o644", "desk/secrets": "0o700",
        "desk/secrets/b": "0o600", "desk/settings.toml": "0o644",
    }  # fmt: skip


def test_what_was_there_is_kept_beside_but_no_secret(tmp_path: Path) -> None:
    write_all(tmp_path, {"secrets/b": "old", "settings.toml": "old"})
    write_all(tmp_path, {"secrets/b": "new", "settings.toml": "new"})
    found = {str(p.relative_to(tmp_path)): p.read_text() for p in tmp_path.rglob("*") if p.is_file()}
    assert found == {"secrets/b": "new", "settings.toml": "new", "settings.toml.old": "old"}


def test_every_provider_has_usable_urls_and_its_own_domains() -> None:
    domains = [domain for p in PROVIDERS for domain in p.domains]
    assert len(set(domains)) == len(domains)
    for provider in PROVIDERS:
        assert mailbox_url(provider.imap) == provider.imap
        assert smtp_url(provider.smtp) == provider.smtp
        assert mailbox_url(provider.name.upper()) == provider.imap
    assert provider_named("Outlook") is provider_of("hotmail.com")
    assert provider_of("shop.test") is None


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("mail.shop.test", "imaps://mail.shop.test"),
        ("mail.shop.test:1993", "imaps://mail.shop.test:1993"),
        ("mail.shop.test/Support", "imaps://mail.shop.test/Support"),
        ("imap://127.0.0.1:143", "imap://127.0.0.1:143"),
        ("maildir:var/in", "maildir:var/in"),
        ("gmail", "imaps://imap.gmail.com"),
    ],
)
def test_a_server_may_be_typed_as_people_do(typed: str, kept: str) -> None:
    assert mailbox_url(typed) == kept


@pytest.mark.parametrize("typed", ["", "ftp://x", "imaps://me:secret@host", "maildir:", "imaps://"])
def test_what_is_no_server_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r"[A-Z]"):
        mailbox_url(typed)


def test_a_start_is_a_word_or_a_day_that_was() -> None:
    assert [start(word) for word in ("now", "all", "2026-01-02")] == ["now", "all", "2026-01-02"]
    for word in ("yesterday", f"{date.today().year + 1}-01-01", ""):
        with pytest.raises(ValueError, match=r"Write now|still to come"):
            start(word)


def test_the_first_server_that_answers_as_it_should_is_taken() -> None:
    with Sink() as one, Sink() as two:
        nobody = f"smtp://127.0.0.1:{free_port()}"
        no_tls, right, later = (
            f"smtps://127.0.0.1:{one.port}",
            f"smtp://127.0.0.1:{one.port}",
            f"smtp://127.0.0.1:{two.port}",
        )
        assert first_answering([nobody, no_tls, right, later]) == right
        assert first_answering([nobody, no_tls]) == ""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("x: gaierror: [Errno -2] Name or service not known", "no host of that name"),
        ("x: ConnectionRefusedError: [Errno 111] Connection refused", "nothing listens"),
        ("x: SSLCertVerificationError: certificate verify failed: self-signed", "--ca-file"),
        ("x: SSLError: [SSL: WRONG_VERSION_NUMBER] wrong version number", "No TLS there"),
        ("x: TimeoutError: timed out", "does not answer in time"),
        ("x: The SMTP AUTH extension is not supported by this server. Try (or STARTTLS).", "no sign-in"),
        ("x refused the sign-in of me: b'no'", "are refused"),
        ("x: something new", ""),
    ],
)
def test_failures_have_words(error: str, words: str) -> None:
    assert words in meaning(HelpdeskError(error))
    assert bool(words) == bool(meaning(HelpdeskError(error)))
