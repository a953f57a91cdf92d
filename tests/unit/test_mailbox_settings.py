"""What a mailbox has of its own, what it takes over, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpdesk_daemon.adapters.rules.file import load_routing
from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.settings import Settings, load_settings
from tests.harness.world import ROOT

TOP = """
rules = "rules.toml"
templates = "words"
[identity]
name = "North"
address = "care@north.example"
also = ["help@north.example"]
plus_addressing = false
language = "nl"
[smtp]
url = "smtps://mx.north.example"
user = "north"
password_env = "NORTH"
connections = 2
[screening]
authserv_id = "mx.north.example"
people = ["@partner.example"]
"""
BOXES = """
[[mailbox]]
name = "north"
url = "maildir:north"
[[mailbox]]
name = "south"
url = "maildir:south"
"""


def settings(folder: Path, more: str, top: str = TOP) -> Settings:
    (folder / "settings.toml").write_text(top + BOXES + more)
    return load_settings(folder / "settings.toml")


def test_what_is_missing_comes_from_the_top(tmp_path: Path) -> None:
    found = settings(tmp_path, "")
    south = found.mailbox[1]
    assert (south.identity, south.smtp, south.screening) == (found.identity, found.smtp, found.screening)
    assert (south.rules, south.templates) == (tmp_path / "rules.toml", tmp_path / "words")
    assert list(found.senders) == [""]


def test_an_own_address_takes_over_name_and_language_but_no_further_addresses(tmp_path: Path) -> None:
    found = settings(tmp_path, 'identity = { address = "care@south.example" }\nrules = "south.toml"\n')
    south = found.mailbox[1].identity
    assert (south.name, south.address, south.also, south.plus_addressing, south.language) == (
        "North", "care@south.example", [], False, "nl",
    )  # fmt: skip
    assert found.mailbox[0].identity == found.identity
    assert found.mailbox[1].rules == tmp_path / "south.toml"
    assert found.own_addresses == {"care@north.example", "help@north.example", "care@south.example"}


def test_own_screening_is_over_the_common_one(tmp_path: Path) -> None:
    found = settings(tmp_path, 'screening = { authserv_id = "mx.south.example" }\n')
    assert found.mailbox[1].screening.authserv_id == "mx.south.example"
    assert found.mailbox[1].screening.people == ["@partner.example"]
    assert found.mailbox[0].screening.authserv_id == "mx.north.example"


@pytest.mark.parametrize(
    ("own", "url", "user", "env"),
    [
        ('url = "smtps://mx.south.example"', "smtps://mx.south.example", "", ""),
        ('user = "south"\npassword_env = "SOUTH"', "smtps://mx.north.example", "south", "SOUTH"),
        ("timeout = 5", "smtps://mx.north.example", "north", "NORTH"),
    ],
)
def test_a_sign_in_is_taken_over_whole_or_not_at_all(tmp_path: Path, own: str, url: str, user: str, env: str) -> None:
    found = settings(tmp_path, f"[mailbox.smtp]\n{own}\n")
    south = found.senders["south"]
    assert (south.url, south.user, south.password_env, south.connections) == (url, user, env, 2)
    assert found.senders[""].user == "north"


def test_paths_of_a_mailbox_are_taken_from_the_files_folder(tmp_path: Path) -> None:
    found = settings(tmp_path, 'templates = "own"\n[mailbox.smtp]\nurl = "maildir:out"\npassword_file = "secret"\n')
    south = found.mailbox[1]
    assert south.templates == tmp_path / "own"
    assert south.smtp.endpoint.path == str(tmp_path / "out")
    assert south.smtp.password_file == tmp_path / "secret"


@pytest.mark.parametrize(
    ("more", "department"),
    [
        ('identity = { address = "care@south.example" }\n', "care@south.example"),
        ('identity = { address = "care@south.example", also = ["b@south.example"] }\n', "b+x@south.example"),
        (
            '[[mailbox]]\nname = "west"\nurl = "imaps://mx.west.example"\nuser = "Desk@West.example"\n',
            "desk@west.example",
        ),
        ("", "help@north.example"),
    ],
)
def test_a_department_at_a_mailbox_of_ours_is_refused(tmp_path: Path, more: str, department: str) -> None:
    found = settings(tmp_path, more)
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[triage]\ndepartment = "One"\npriority = "Low"\nsla_hours = 1\n[category]\n'
        f'[department.One]\naddress = "{department}"\n'
    )
    with pytest.raises(ConfigError, match="a mailbox we poll") as refused:
        load_routing(rules, found.polled)
    assert refused.value.key == "department.One.address"


def test_a_folder_that_is_not_the_inbox_makes_its_account_no_mailbox_of_ours(tmp_path: Path) -> None:
    found = settings(
        tmp_path, '[[mailbox]]\nname = "w"\nurl = "imaps://mx.west.example/Shared"\nuser = "jo@west.example"\n'
    )
    assert "jo@west.example" not in found.polled


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        ('identity = { adress = "a@b.example" }\n', "mailbox.1.identity.adress"),
        ('sent_copies = "some"\n', "mailbox.1.sent_copies"),
        ('[[mailbox]]\nurl = "imap://mx.west.example"\nsent_folder = "inbox"\n', "mailbox.2"),
        ('[mailbox.smtp]\nurl = "imap://x"\n', "mailbox.1.smtp.url"),
        ('[mailbox.smtp]\nca_file = "none.pem"\n', "mailbox.south.smtp.ca_file"),
    ],
)
def test_mistakes_are_named_with_their_key(tmp_path: Path, lines: str, key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        settings(tmp_path, lines)
    assert refused.value.key == key


def _example(text: str) -> str:
    """The two-brand example of a document."""
    return next(block for block in text.split("```")[1::2] if "[mailbox.smtp]" in block).removeprefix("toml\n")


def test_the_example_in_the_readme_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(_example((ROOT / "README.md").read_text()))
    found = load_settings(tmp_path / "settings.toml")
    assert found.own_addresses == {"care@north.example", "hilfe@south.example"}
    assert found.senders["south"].user == "hilfe@south.example"


def test_the_lines_in_the_shipped_settings_can_be_used(tmp_path: Path) -> None:
    lines = (ROOT / "settings.toml").read_text().splitlines()
    first = lines.index("# [[mailbox]]")
    last = next(n for n in range(first, len(lines)) if not lines[n].startswith("# "))
    lines[first:last] = [line.removeprefix("# ") for line in lines[first:last]]
    (tmp_path / "settings.toml").write_text("\n".join(lines))
    found = load_settings(tmp_path / "settings.toml")
    assert [box.name for box in found.mailbox] == ["support", "south"]
    assert list(found.senders) == ["", "south"]
