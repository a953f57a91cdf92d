"""What an operator gets wrong is said in one line that names file, key and mend, before anything starts."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.command import BIN, REPOSITORY, environment, files_below, out, run
from tests.harness.dovecot import free_port

RULES = (REPOSITORY / "rules" / "routing.toml").read_text()
BASE = 'data_dir = "kept"\n'
OWN = ("settings.toml", "routing.toml")


def refused(folder: Path, *command: str, env: dict[str, str] | None = None) -> str:
    """The line with which a command is refused; nothing may have been made."""
    before = files_below(folder)
    done = run(folder, *(command or ("once",)), env=env)
    said = done.stderr.decode()
    assert done.returncode == 78, said
    assert done.stdout == b""
    assert len(said.splitlines()) == 1, said
    assert files_below(folder) == before, "nothing may be made"
    return said


def settings(folder: Path, words: str) -> None:
    (folder / "settings.toml").write_text(BASE + words)


def rules(folder: Path, words: str) -> None:
    settings(folder, 'rules = "routing.toml"\n')
    (folder / "routing.toml").write_text(words)


# --- settings ------------------------------------------------------------------------------------

WRONG_SETTINGS = {
    "unknown key at the top": ("operater = 'me@kestova.example'", "operater", "'operator'"),
    "unknown key in a table": ("[smtp]\nurll = 'smtp://127.0.0.1'", "smtp.urll", "'url'"),
    "unknown key in a mailbox": ("[[mailbox]]\nurl = 'maildir:in'\ntuoch = 'seen'", "mailbox.0.tuoch", "'touch'"),
    "unknown table": ("[smpt]\nurl = 'smtp://127.0.0.1'", "smpt", "'smtp'"),
    "a word for a number": (
        "[[mailbox]]\nurl = 'maildir:in'\npoll_seconds = 'soon'",
        "mailbox.0.poll_seconds",
        "number",
    ),
    "a number for a text": ("[identity]\nname = 7", "identity.name", "string"),
    "a text for a table": ("smtp = 'smtp://127.0.0.1'", "smtp", "dictionary"),
    "a text for a list": ("[identity]\nalso = 'sales@kestova.example'", "identity.also", "list"),
    "a number out of range": ("[smtp]\nconnections = 0", "smtp.connections", "1"),
    "a word not among the choices": ("[log]\nlevel = 'loud'", "log.level", "'debug'"),
    "no address": ("[identity]\naddress = 'support'", "identity.address", "support@example.com"),
    "an unknown scheme": ("[[mailbox]]\nurl = 'pop3://mail.kestova.example'", "mailbox.0.url", "imaps:"),
    "a url without a host": ("[smtp]\nurl = 'smtp://'", "smtp.url", "host"),
    "an impossible port": ("[smtp]\nurl = 'smtp://127.0.0.1:99999'", "smtp.url", ""),
    "an unknown touch": ("[[mailbox]]\nurl = 'maildir:in'\ntouch = 'move'", "mailbox.0.touch", "move FOLDER"),
    "an unknown start": ("[[mailbox]]\nurl = 'maildir:in'\nstart = 'yesterday'", "mailbox.0.start", "2026-11-22"),
    "a mailbox without a url": ("[[mailbox]]\nname = 'support'", "mailbox.0.url", "Add it"),
    "two mailboxes of one name": ("[[mailbox]]\nurl = 'maildir:a'\n[[mailbox]]\nurl = 'maildir:b'", "mailbox", "name"),
    "an operator who is us": ("operator = 'support@helpdesk.example'", "operator", "person's own address"),
    "an operator behind a plus": ("operator = 'support+ops@helpdesk.example'", "operator", "person's own address"),
    "an operator whose mailbox is read": (
        "operator = 'desk@kestova.example'\n[[mailbox]]\nurl = 'imaps://m.example'\nuser = 'desk@kestova.example'",
        "operator",
        "person's own address",
    ),
    "a webhook that is no URL": ("[alerts]\nwebhook_url = 'chat.kestova.example'", "alerts.webhook_url", "https://"),
    "a webhook without a host": ("[alerts]\nwebhook_url = 'https:///hook'", "alerts.webhook_url", "https://"),
    "a negative threshold": ("[alerts]\nsilent_minutes = -1", "alerts.silent_minutes", "0"),
    "a mailbox named as forms are": ("[[mailbox]]\nname = 'web'\nurl = 'maildir:in'", "mailbox", "another name"),
    "a base_url that is none": ("[web]\nbase_url = 'help.kestova.example'", "web.base_url", "https://"),
    "a proxy that is no address": ("[web]\nproxies = ['proxy']", "web.proxies", "127.0.0.1"),
    "no mailbox": ("mailbox = []", "mailbox", "[[mailbox]]"),
}


@pytest.mark.parametrize("name", WRONG_SETTINGS)
def test_wrong_settings_are_refused_with_file_key_and_mend(tmp_path: Path, name: str) -> None:
    words, key, mend = WRONG_SETTINGS[name]
    settings(tmp_path, words)
    said = refused(tmp_path)
    assert "settings.toml" in said
    assert key in said
    assert mend in said


@pytest.mark.parametrize(
    "command", [["run"], ["once"], ["check"], ["explain", "-"], ["tickets", "list"], ["audit", "verify"]]
)
def test_every_command_refuses_wrong_settings(tmp_path: Path, command: list[str]) -> None:
    settings(tmp_path, "operater = 'me@kestova.example'")
    assert "operater" in refused(tmp_path, *command)


def test_a_missing_settings_file_is_named(tmp_path: Path) -> None:
    said = refused(tmp_path, "--settings", "nowhere.toml", "once")
    assert "nowhere.toml" in said
    assert "does not exist" in said


def test_a_settings_file_named_by_the_environment_is_read(tmp_path: Path) -> None:
    assert "nowhere.toml" in refused(tmp_path, "once", env={"HELPDESK_SETTINGS": "nowhere.toml"})


def test_a_settings_file_that_is_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert "folder" in refused(tmp_path, "--settings", "folder", "once")


@pytest.mark.parametrize("words", ["data_dir = ", "[smtp\n", "a = 1\na = 2\n", "\x00"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, words: str) -> None:
    (tmp_path / "settings.toml").write_text(words)
    said = refused(tmp_path)
    assert "settings.toml" in said
    assert "TOML" in said


def test_a_file_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_bytes(b'[identity]\nname = "Gr\xfc\xdfe"\n')
    assert "settings.toml" in refused(tmp_path)


@pytest.mark.parametrize(
    ("key", "content", "word"),
    [
        ("webhook_url_file", None, "Write the URL into it"),
        ("webhook_url_file", b"chat.kestova.example", "holds no URL"),
        ("webhook_url_file", b"\xff\xfe", "not text"),
        ("webhook_secret_file", None, "Write the secret into it"),
    ],
)
def test_a_webhook_file_that_cannot_be_used_is_named(
    tmp_path: Path, key: str, content: bytes | None, word: str
) -> None:
    url = "" if key == "webhook_url_file" else 'webhook_url = "https://chat.kestova.example/x"\n'
    settings(tmp_path, f'[alerts]\n{url}{key} = "hook"\n')
    if content is not None:
        (tmp_path / "hook").write_bytes(content)
    done = run(tmp_path, "check")
    assert done.returncode == 1
    assert str(tmp_path / "hook") in done.stdout.decode()
    assert word in done.stdout.decode()


# --- the environment -----------------------------------------------------------------------------


def test_an_unknown_environment_variable_is_named(tmp_path: Path) -> None:
    settings(tmp_path, "")
    said = refused(tmp_path, env={"HELPDESK_SMPT__URL": "smtp://127.0.0.1"})
    assert "HELPDESK_SMPT__URL" in said
    assert "environment" in said.lower()


def test_an_unknown_key_within_a_known_table_of_the_environment_is_named(tmp_path: Path) -> None:
    settings(tmp_path, "")
    said = refused(tmp_path, env={"HELPDESK_SMTP__URLL": "smtp://127.0.0.1"})
    assert "HELPDESK_SMTP__URLL" in said.upper()
    assert "settings.toml" not in said, "that file is not at fault"


def test_a_wrong_value_in_the_environment_is_named(tmp_path: Path) -> None:
    settings(tmp_path, "")
    said = refused(tmp_path, env={"HELPDESK_SMTP__CONNECTIONS": "many"})
    assert "HELPDESK_SMTP__CONNECTIONS" in said.upper()
    assert "settings.toml" not in said, "that file is not at fault"


def test_a_table_in_the_environment_that_is_no_json_is_named(tmp_path: Path) -> None:
    settings(tmp_path, "")
    said = refused(tmp_path, env={"HELPDESK_MAILBOX": "imaps://mail.kestova.example"})
    assert "mailbox" in said.lower()
    assert "JSON" in said


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    settings(tmp_path, "rules = 'nowhere.toml'\n")
    (tmp_path / "routing.toml").write_text(RULES)
    assert "6 categories" in out(run(tmp_path, "check", env={"HELPDESK_RULES": "routing.toml"}))


# --- secrets -------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [
    "[[mailbox]]\nurl = 'imaps://support:correct-horse@mail.kestova.example'",
    "[smtp]\nurl = 'smtps://support:correct-horse@mail.kestova.example'",
], ids=["mailbox", "smtp"])  # fmt: skip
def test_a_password_in_a_url_is_refused_and_not_repeated(tmp_path: Path, words: str) -> None:
    settings(tmp_path, words)
    said = refused(tmp_path)
    assert ".url" in said
    assert "password_file" in said
    assert "correct-horse" not in said


def test_a_missing_password_file_of_a_mailbox_is_named(tmp_path: Path) -> None:
    port = free_port()
    settings(
        tmp_path, f"[[mailbox]]\nurl = 'imap://127.0.0.1:{port}'\nuser = 'support'\npassword_file = 'secrets/imap'\n"
    )
    assert "secrets/imap" in refused(tmp_path)


def test_a_missing_password_file_of_smtp_is_named(tmp_path: Path) -> None:
    port = free_port()
    settings(tmp_path, f"[smtp]\nurl = 'smtp://127.0.0.1:{port}'\nuser = 'support'\npassword_file = 'secrets/smtp'\n")
    assert "secrets/smtp" in refused(tmp_path)


def test_a_missing_password_variable_is_named(tmp_path: Path) -> None:
    port = free_port()
    settings(
        tmp_path, f"[[mailbox]]\nurl = 'imap://127.0.0.1:{port}'\nuser = 'support'\npassword_env = 'NO_SUCH_WORD'\n"
    )
    assert "NO_SUCH_WORD" in refused(tmp_path)


@pytest.mark.parametrize("table", ["[[mailbox]]\nurl = 'imaps://127.0.0.1:{port}'\n", "[smtp]\nurl = 'smtps://127.0.0.1:{port}'\n"],
                         ids=["mailbox", "smtp"])  # fmt: skip
def test_a_missing_ca_file_is_named(tmp_path: Path, table: str) -> None:
    settings(tmp_path, table.format(port=free_port()) + "user = 'support'\nca_file = 'ca/nowhere.pem'\n")
    assert "ca/nowhere.pem" in refused(tmp_path)


# --- rules ---------------------------------------------------------------------------------------

WRONG_RULES = {
    "a category nobody defined": (
        "[[rule]]\nname = 'x'\nwhen = { domain = 'a.example' }\nset = { category = 'Bills' }",
        "rule.2.set.category",
        "Billing",
    ),
    "a category nobody defined, in a condition": (
        "[[rule]]\nname = 'x'\nwhen = { category = 'Bills' }\nset = { priority = 'High' }",
        "rule.2.when.category",
        "Billing",
    ),
    "a department nobody defined": (
        "[[rule]]\nname = 'x'\nwhen = { domain = 'a.example' }\nset = { department = 'Bills' }",
        "rule.2.set.department",
        "Billing Team",
    ),
    "an unknown key": (
        "[[rule]]\nname = 'x'\nwhen = { domian = 'a.example' }\nset = { priority = 'High' }",
        "rule.2.when.domian",
        "'domain'",
    ),
    "an unknown key in set": (
        "[[rule]]\nname = 'x'\nwhen = { domain = 'a.example' }\nset = { prioritty = 'High' }",
        "set.prioritty",
        "'priority'",
    ),
    "a pattern that is none": (
        "[[rule]]\nname = 'x'\nwhen = { subject = '(open' }\nset = { priority = 'High' }",
        "rule.2.when.subject",
        "(open",
    ),
    "a pattern for a header that is none": (
        "[[rule]]\nname = 'x'\nwhen = { header = { X-Kind = '[a' } }\nset = { priority = 'High' }",
        "rule.2.when.header.X-Kind",
        "[a",
    ),
    "a rule for everything": (
        "[[rule]]\nname = 'x'\nwhen = {}\nset = { priority = 'High' }",
        "rule.2.when",
        "Say when",
    ),
    "an unknown priority": (
        "[[rule]]\nname = 'x'\nwhen = { domain = 'a.example' }\nset = { priority = 'Urgent' }",
        "set.priority",
        "'High'",
    ),
    "no name": ("[[rule]]\nwhen = { domain = 'a.example' }\nset = { priority = 'High' }", "name", "Add it"),
    "a category for a department nobody defined": (
        "[category.Legal]\ndepartment = 'Lawyers'\npriority = 'Low'\nsla_hours = 9",
        "category.Legal.department",
        "Billing Team",
    ),
    "a promise of no time": (
        "[category.Legal]\ndepartment = 'Engineering'\npriority = 'Low'\nsla_hours = 0",
        "category.Legal.sla_hours",
        "0",
    ),
    "a department without an address": ("[department.Legal]\nagents = []", "department.Legal.address", "Add it"),
    "a department that is a mailbox we poll": (
        "[department.Legal]\naddress = 'Support@helpdesk.example'",
        "department.Legal.address",
        "mailbox",
    ),
}


@pytest.mark.parametrize("name", WRONG_RULES)
def test_wrong_rules_are_refused_with_file_key_and_mend(tmp_path: Path, name: str) -> None:
    words, key, mend = WRONG_RULES[name]
    rules(tmp_path, f"{RULES}\n{words}\n")
    said = refused(tmp_path)
    assert "routing.toml" in said
    assert key in said
    assert mend in said


def test_a_department_at_a_further_address_of_ours_is_refused(tmp_path: Path) -> None:
    settings(tmp_path, 'rules = "routing.toml"\n[identity]\nalso = ["billing@helpdesk.example"]\n')
    (tmp_path / "routing.toml").write_text(RULES)
    assert "Billing Team" in refused(tmp_path)


def test_a_department_at_a_plus_address_of_ours_is_refused(tmp_path: Path) -> None:
    """With plus-addressing on, support+anything@ is the mailbox we poll."""
    rules(tmp_path, f"{RULES}\n[department.Legal]\naddress = 'support+legal@helpdesk.example'\n")
    assert "department.Legal.address" in refused(tmp_path)


def test_missing_rules_are_named(tmp_path: Path) -> None:
    settings(tmp_path, 'rules = "rules/nowhere.toml"\n')
    said = refused(tmp_path)
    assert "rules/nowhere.toml" in said
    assert "does not exist" in said


def test_rules_without_a_triage_route_are_refused(tmp_path: Path) -> None:
    rules(tmp_path, RULES.replace("[triage]", "[category.Triage]").replace("min_confidence", "# min_confidence"))
    said = refused(tmp_path)
    assert "routing.toml: triage: is missing" in said


def test_the_shipped_rules_are_sound(tmp_path: Path) -> None:
    rules(tmp_path, RULES)
    assert "6 categories" in out(run(tmp_path, "check"))


def test_check_reports_wrong_rules_as_a_finding(tmp_path: Path) -> None:
    rules(tmp_path, RULES + "\n[department.Legal]\nagents = []\n")
    done = run(tmp_path, "check")
    assert done.returncode == 1
    assert b"department.Legal.address" in done.stdout
    assert files_below(tmp_path, OWN) == []


# --- the place -----------------------------------------------------------------------------------


def test_a_data_folder_that_cannot_be_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")
    settings(tmp_path, "")
    done = run(tmp_path, "once")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert b"kept" in done.stderr


def test_a_database_that_is_none_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "helpdesk.db").write_bytes(b"this is no database at all, " * 200)
    settings(tmp_path, "")
    for words in (["once"], ["tickets", "list"], ["audit", "verify"]):
        done = run(tmp_path, *words)
        assert done.returncode == 1, words
        assert len(done.stderr.splitlines()) == 1, done.stderr.decode()
        assert b"Traceback" not in done.stderr


@contextmanager
def daemon(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`run` in a folder, until it holds the stages."""
    with subprocess.Popen(
        [str(BIN), "run"], cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            lock = folder / "kept" / "stages.lock"
            for _ in range(600):
                if lock.exists() and lock.read_text() == str(process.pid):
                    break
                assert process.poll() is None, process.communicate()[1].decode()
                time.sleep(0.05)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=120)
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                process.communicate()


def test_a_second_process_on_the_same_data_folder_is_refused(tmp_path: Path) -> None:
    settings(tmp_path, "")
    with daemon(tmp_path) as first:
        for second in ("once", "run"):
            done = run(tmp_path, second)
            said = done.stderr.decode()
            assert done.returncode == 1, said
            assert len(said.splitlines()) == 1, said
            assert str(first.pid) in said
            assert first.poll() is None
            assert done.stdout == b""
        assert run(tmp_path, "tickets", "list").returncode == 0, "looking is allowed"
    assert first.returncode == 0


def test_a_killed_daemon_does_not_lock_the_next_one_out(tmp_path: Path) -> None:
    settings(tmp_path, "")
    with daemon(tmp_path) as first:
        first.kill()
        first.wait(10)
    assert "0 new mails" in out(run(tmp_path, "once"))
