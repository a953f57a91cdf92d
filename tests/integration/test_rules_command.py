"""`rules` as an operator types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.cli.main import cli
from helpdesk_daemon.errors import ConfigError
from tests.harness.mails import mail
from tests.harness.sink import Sink
from tests.harness.world import rows
from tests.integration.conftest import once
from tests.integration.test_rules_live import SHIPPED, settings_with_rules

PRINTERS = '\n[[rule]]\nname = "printers"\nwhen = { sender = "*" }\nset = { department = "Engineering" }\n'
LATER = '\n[[rule]]\nname = "later"\nwhen = { sender = "x@*" }\nset = { department = "Sales Team" }\n'


@pytest.fixture
def settings(tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "160")
    found = settings_with_rules(tmp_path, sink.port, SHIPPED)
    for number in range(3):
        deliver(tmp_path / "inbox", mail(number))
    once(found)
    return found


def typed(settings: Path, *words: str, code: int = 0) -> Result:
    done = CliRunner().invoke(cli, ["--settings", str(settings), "rules", *words], standalone_mode=False)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    found = done.return_value if isinstance(done.return_value, int) else done.exit_code
    assert found == code, done.output
    return done


def told(settings: Path, *words: str, code: int = 0) -> Any:
    return json.loads(typed(settings, *words, "--json", code=code).output)


def test_check_tells_what_is_odd_with_its_line(settings: Path) -> None:
    path = settings.parent / "new.toml"
    path.write_text(SHIPPED + PRINTERS + LATER)
    found = told(settings, "check", str(path), code=1)
    kinds = {f["kind"]: f for f in found}
    assert set(kinds) == {"unreachable", "never hit"}
    line = (SHIPPED + PRINTERS).count("\n") + 2
    assert (kinds["unreachable"]["line"], kinds["unreachable"]["quote"]) == (line, "[[rule]]")
    assert kinds["never hit"]["note"]
    said = typed(settings, "check", str(path), code=1).output
    assert f"FAIL {path}:{line}: unreachable: rule.3: rule 'later' never sets anything" in said
    assert "note " in said


def test_check_of_the_rules_in_use_passes_with_notes(settings: Path) -> None:
    assert "none of the 3 mails of the last 30 days" in typed(settings, "check").output
    (settings.parent / "routing.toml").write_text("[triage")
    said = typed(settings, "check", code=1).output
    assert "routing.toml:1: error: is not valid TOML" in said


def test_diff_tells_where_mail_would_go(settings: Path) -> None:
    path = settings.parent / "new.toml"
    path.write_text(SHIPPED + PRINTERS)
    found = told(settings, "diff", str(path), code=1)
    assert (found["tried"], found["gone"], len(found["differences"])) == (3, 0, 3)
    assert found["moves"] == [
        {"from": "General Support (to be sorted)", "to": "Engineering (to be sorted)", "count": 3}
    ]
    assert {d["rule"] for d in found["differences"]} == {"printers"}
    said = typed(settings, "diff", str(path), code=1).output
    assert "3 of 3 mails of the last 30 days would have been handled otherwise." in said
    assert "Engineering" in said
    assert rows(settings.parent, "select count(*) as n from decisions where department = 'Engineering'") == [{"n": 0}]


def test_diff_of_the_same_rules_finds_nothing(settings: Path) -> None:
    assert "0 of 3 mails" in typed(settings, "diff", str(settings.parent / "routing.toml")).output


def test_diff_helps_to_mend_a_file_in_use(settings: Path) -> None:
    """Compared with what is in use: the last good rules."""
    path = settings.parent / "new.toml"
    path.write_text(SHIPPED + PRINTERS)
    (settings.parent / "routing.toml").write_text("[triage")
    assert len(told(settings, "diff", str(path), code=1)["differences"]) == 3


def test_diff_of_what_cannot_be_used_is_refused(settings: Path) -> None:
    (settings.parent / "new.toml").write_text("x = 1\n" + SHIPPED)
    done = CliRunner().invoke(cli, ["--settings", str(settings), "rules", "diff", str(settings.parent / "new.toml")],
                              standalone_mode=False)  # fmt: skip
    assert isinstance(done.exception, ConfigError)
    assert "new.toml:1: x: unknown key" in str(done.exception)


def test_test_tells_what_came_otherwise(settings: Path) -> None:
    assert [case["ok"] for case in told(settings, "test")] == [True, True]
    path = settings.parent / "new.toml"
    path.write_text(SHIPPED.replace('"outage is urgent"', '"outage"').replace("sla_hours = 1, ", "sla_hours = 2, ", 1))
    said = typed(settings, "test", str(path), code=1).output
    assert "FAIL an outage is urgent whoever answers it" in said
    assert "sla_hours: expected 1.0, found 2.0 (by outage)" in said


def test_hits_show_silent_rules_too(settings: Path) -> None:
    (settings.parent / "routing.toml").write_text(SHIPPED + PRINTERS)
    deliver(settings.parent / "inbox", mail(7))
    once(settings)
    found = {hit["rule"]: hit for hit in told(settings, "hits")}
    assert (found["printers"]["count"], found["printers"]["things"]) == (1, {"department": 1})
    assert (found["outage is urgent"]["count"], found["outage is urgent"]["last"]) == (0, None)
    assert "department 1" in typed(settings, "hits").output


def test_old_rules_can_be_read_again(settings: Path) -> None:
    (settings.parent / "routing.toml").write_text(SHIPPED + PRINTERS)
    once(settings)
    latest, first = told(settings, "versions")
    assert (latest["decisions"], first["decisions"]) == (0, 3)
    assert typed(settings, "show", first["version"][:8]).output == SHIPPED
    assert first["version"][:12] in typed(settings, "versions").output


def test_nobody_is_erased_whom_the_rules_still_name(settings: Path) -> None:
    """Each start keeps the text of the rules: the address would come back with it."""
    (settings.parent / "routing.toml").write_text(SHIPPED + '[[sender]]\naddress = "Eve@x.example"\nblocked = true\n')
    words = ["--settings", str(settings), "erase", "eve@x.example", "--dry-run"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 2
    assert "rules of this helpdesk name eve@x.example" in done.output
    (settings.parent / "routing.toml").write_text(SHIPPED)
    assert CliRunner().invoke(cli, words).exit_code == 0


def test_the_schema_is_json() -> None:
    done = CliRunner().invoke(cli, ["rules", "schema"])
    assert json.loads(done.output)["title"] == "RulesFile"
