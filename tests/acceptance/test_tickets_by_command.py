"""`tickets correct|close|reopen|merge` and `keys rotate`, on what the demo left behind."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

import pytest

from helpdesk_daemon.adapters.keys import load_signer
from helpdesk_daemon.tickets.tracking import Party
from tests.acceptance.command import document, out, run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demo was run."""
    folder = tmp_path_factory.mktemp("by-command")
    out(run(folder, "demo", "--json"))
    return folder


@pytest.fixture(scope="module")
def words(home: Path) -> list[str]:
    """What names the demo's settings."""
    (settings,) = home.rglob("settings.toml")
    return ["--settings", str(settings)]


def tickets(home: Path, words: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document(run(home, *words, "tickets", "list", "--json"))
    return found


def of(home: Path, words: list[str], category: str) -> dict[str, Any]:
    """A sure ticket of some category that was not closed."""
    return next(
        t for t in tickets(home, words) if t["category"] == category and not t["needs_review"] and t["state"] == "open"
    )


def test_correct_moves_a_ticket_and_teaches(home: Path, words: list[str]) -> None:
    ticket = of(home, words, "Billing")
    done = document(run(home, *words, "tickets", "correct", ticket["id"].lower(), "technical", "--json"))
    assert (done["ticket"], done["category"], done["department"]) == (ticket["id"], "Technical", "Technical Support")
    assert done["forwarded_to"] == [done["address"]]
    shown = document(run(home, *words, "tickets", "show", ticket["id"], "--json"))
    assert [(d["actor"], d["category"]) for d in shown["decisions"]] == [
        ("daemon", "Billing"), (getpass.getuser(), "Technical"),
    ]  # fmt: skip
    assert (shown["outgoing"][-1]["recipient"], shown["outgoing"][-1]["state"]) == (done["address"], "pending")
    log = document(run(home, *words, "audit", "tail", "--ticket", ticket["id"], "--json"))
    assert {line["event"] for line in log if line["actor"] == getpass.getuser()} == {
        "ticket.corrected", "example.corrected",
    }  # fmt: skip
    assert run(home, *words, "audit", "verify").returncode == 0


def test_the_daemon_sends_what_a_correction_left(home: Path, words: list[str]) -> None:
    ticket = of(home, words, "Account")
    said = out(run(home, *words, "tickets", "correct", ticket["id"], "Bug"))
    assert f"{ticket['id']} is Bug now: Engineering, High" in said
    assert "engineering@" in said
    out(run(home, *words, "once", env={"HELPDESK_SMTP__URL": f"maildir:{home}/sent"}))  # the demo's server is gone
    shown = document(run(home, *words, "tickets", "show", ticket["id"], "--json"))
    assert shown["outgoing"][-1]["state"] == "sent"
    assert shown["forward_id"] == shown["outgoing"][-1]["message_id"]
    (mail,) = [p for p in (home / "sent" / shown["address"] / "new").iterdir() if ticket["id"] in p.read_text()]
    assert f"{getpass.getuser()} moved this ticket from Account Services to Engineering." in mail.read_text()


def test_close_and_reopen(home: Path, words: list[str]) -> None:
    ticket = of(home, words, "Product")
    assert f"{ticket['id']} is closed." in out(run(home, *words, "tickets", "close", ticket["id"]))
    again = run(home, *words, "tickets", "close", ticket["id"])
    assert (again.returncode, f"{ticket['id']} is closed already" in again.stderr.decode()) == (1, True)
    opened = document(run(home, *words, "tickets", "reopen", ticket["id"], "--json"))
    assert (opened["state"], opened["forwarded_to"]) == ("open", [])
    assert run(home, *words, "tickets", "reopen", ticket["id"]).returncode == 1


def test_merge(home: Path, words: list[str]) -> None:
    first, second = [t for t in tickets(home, words) if t["state"] == "open"][:2]
    done = document(run(home, *words, "tickets", "merge", first["id"], second["id"], "--json"))
    assert (done["state"], done["merged_into"], done["forwarded_to"]) == ("closed", second["id"], [second["address"]])
    assert f"into {second['id']}" in out(run(home, *words, "tickets", "show", first["id"]))
    for order in (("close", first["id"]), ("reopen", first["id"]), ("merge", first["id"], second["id"])):
        refused = run(home, *words, "tickets", *order)
        assert (refused.returncode, f"was merged into {second['id']}" in refused.stderr.decode()) == (1, True), order
    itself = run(home, *words, "tickets", "merge", second["id"], second["id"])
    assert (itself.returncode, "into itself" in itself.stderr.decode()) == (1, True)


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (("close", "HD-00000000"), "there is no ticket HD-00000000"),
        (("close", "nonsense!"), "is no tracking ID"),
        (("correct", "HD-00000000", "Bug"), "there is no ticket"),
        (("correct", "HD-00000000", "Bugs"), "routing.toml has no category 'Bugs'; it has Technical"),
    ],
)
def test_what_cannot_be_done_is_said(home: Path, words: list[str], order: tuple[str, ...], said: str) -> None:
    done = run(home, *words, "tickets", *order)
    assert (done.returncode, said in done.stderr.decode()) == (1, True), done.stderr.decode()


def test_keys_rotate(home: Path, words: list[str]) -> None:
    (keys,) = home.rglob("signing.keys")
    folder = keys.parent.parent
    before = load_signer(folder)
    assert "holds 2 keys" in out(run(home, *words, "keys", "rotate"))
    after = load_signer(folder)
    token, identifier = (
        before.token("HD-7K3M9QX2", Party.AGENT),
        before.message_id("HD-7K3M9QX2", Party.AGENT, "x.example"),
    )
    assert after.read_token(token) == after.read_message_id(identifier) == ("HD-7K3M9QX2", Party.AGENT)
    assert after.token("HD-7K3M9QX2", Party.AGENT) != token
    assert before.read_token(after.token("HD-7K3M9QX2", Party.AGENT)) is None
    assert after.loop_value("x") == before.loop_value("x")
    assert keys.stat().st_mode & 0o777 == 0o600
    # A daemon that runs since before the rotation must know what commands sign.
    ticket = of(home, words, "General")
    out(run(home, *words, "tickets", "correct", ticket["id"], "Bug"))
    shown = document(run(home, *words, "tickets", "show", ticket["id"], "--json"))
    assert before.read_message_id(shown["forward_id"]) == (ticket["id"], Party.AGENT)
    log = document(run(home, *words, "audit", "tail", "--event", "keys.*", "--json"))
    assert [line["actor"] for line in log] == [getpass.getuser()]
