"""Two brands in Maildirs, by command: what a person and a script see of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from helpdesk_daemon.adapters.maildir import deliver
from tests.acceptance.command import document, lines, out, run
from tests.harness.brands import NORTH, SOUTH, write_brands
from tests.harness.mails import mail


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where one mail of each brand became a ticket, and mail left into Maildirs."""
    folder = tmp_path_factory.mktemp("brands")
    settings = write_brands(folder, ("maildir:north-box", "maildir:south-box"), (9, 9))
    settings.write_text(settings.read_text().replace("smtp://127.0.0.1:9", "maildir:out"))
    for name, address in (("north", NORTH), ("south", SOUTH)):
        raw = mail(1, sender=f"ann@{name}.example.net").replace(b"support@helpdesk.example", address.encode())
        deliver(folder / f"{name}-box", raw)
        (folder / f"{name}.eml").write_bytes(raw)
    out(run(folder, "once"))
    return folder


def test_tickets_of_one_mailbox(home: Path) -> None:
    (found,) = document(run(home, "tickets", "list", "--mailbox", "south", "--json"))
    assert (found["mailbox"], found["requester_email"]) == ("south", "ann@south.example.net")
    assert "Mailbox" not in out(run(home, "tickets", "list", "--mailbox", "south"))
    table = out(run(home, "tickets", "list"))
    assert "Mailbox" in table
    assert "south" in table
    assert "south" in out(run(home, "tickets", "show", found["id"]))


def test_explain_by_the_mailbox_a_mail_comes_by_and_by_its_address(home: Path) -> None:
    (plain,) = lines(run(home, "explain", "--json", "south.eml"))
    (named,) = lines(run(home, "explain", "--json", "--mailbox", "south", "south.eml"))
    assert plain["address"] == named["address"]
    assert plain["address"].endswith("@team.south.example")
    assert any("mailbox south" in reason and SOUTH in reason for reason in plain["reasons"])
    (home / "blind.eml").write_bytes((home / "south.eml").read_bytes().replace(SOUTH.encode(), b"x@y.example"))
    (blind,) = lines(run(home, "explain", "--json", "--mailbox", "south", "blind.eml"))
    assert blind["address"].endswith("@team.south.example")


def test_a_mailbox_that_is_not_there_is_named_with_those_that_are(home: Path) -> None:
    done = run(home, "explain", "--mailbox", "west", "south.eml")
    assert done.returncode == 2
    assert b"Known: north, south" in done.stderr


def test_check_looks_at_every_mailbox_its_rules_and_its_way_out(home: Path) -> None:
    found = {step["check"]: step["found"] for step in document(run(home, "check", "--network", "--json"))["checks"]}
    for step in ("mailboxes", "rules"):
        assert "north: " in found[step], step
        assert "south: " in found[step], step
    assert "[smtp]: " in found["smtp"]
    assert "south: " in found["smtp"]


def test_check_goes_on_after_a_mailbox_that_fails(home: Path) -> None:
    text = (home / "settings.toml").read_text().replace("maildir:north-box", "imap://127.0.0.1:9")
    (home / "broken.toml").write_text(text)
    done = run(home, "--settings", "broken.toml", "check", "--network", "--json")
    assert done.returncode == 1
    (failed,) = [step for step in json.loads(done.stdout)["checks"] if not step["ok"]]
    assert "north: FAILED: 127.0.0.1" in failed["found"]
    assert "south: " in failed["found"].partition("north")[2]


def test_check_names_the_rules_that_forward_into_a_mailbox_of_ours(home: Path) -> None:
    rules = (home / "south.toml").read_text().replace("billing@team.south.example", NORTH)
    (home / "loop.toml").write_text(rules)
    (home / "looping.toml").write_text((home / "settings.toml").read_text().replace("south.toml", "loop.toml"))
    done = run(home, "--settings", "looping.toml", "check", "--json")
    assert done.returncode == 1
    (failed,) = [step["found"] for step in json.loads(done.stdout)["checks"] if not step["ok"]]
    assert re.search(r"loop\.toml:\d+: department\.Billing Team\.address", failed)
