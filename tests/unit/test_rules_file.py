"""routing.toml as people write it: senders, cases, complaints with their lines, and the schema for editors."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from helpdesk_daemon.adapters.rules.file import errors_of, load_routing, located, parse_routing
from helpdesk_daemon.adapters.rules.tables import schema
from helpdesk_daemon.adapters.rules.toml_lines import line_of
from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.tickets.ticket import Priority
from helpdesk_daemon.triage.rehearsal.findings import Finding, Kind
from helpdesk_daemon.triage.rehearsal.shadows import shadows
from helpdesk_daemon.triage.rehearsal.trials import trials
from helpdesk_daemon.triage.rehearsal.usage import oddities
from helpdesk_daemon.triage.rules import Conditions, Routing, Setting

RULES = Path(__file__).parents[2] / "rules"
SHIPPED = (RULES / "routing.toml").read_text()


def parsed(more: str) -> Routing:
    return parse_routing(f"{SHIPPED}\n{more}\n".encode(), "routing.toml")


def wrong(more: str) -> list[Finding]:
    return errors_of(f"{SHIPPED}\n{more}\n".encode(), "routing.toml")


def test_the_shipped_file_is_sound_and_its_cases_hold() -> None:
    routing = load_routing(RULES / "routing.toml")
    assert [*shadows(routing.rules), *oddities(routing)] == []
    tried = trials(routing)
    assert len(tried) >= 2
    assert [trial.case.name for trial in tried if trial.wrong] == []
    assert routing.version == hashlib.sha256(SHIPPED.encode()).hexdigest()
    assert routing.text == SHIPPED


def test_every_commented_example_can_be_used() -> None:
    lines = [line[2:] if line.startswith("# ") else line for line in SHIPPED.splitlines()]
    examples = [i for i, line in enumerate(lines) if line.startswith("[")]
    kept = [line for i, line in enumerate(lines) if any(i >= at for at in examples) and _is_toml(line)]
    routing = parse_routing("\n".join(kept).encode(), "routing.toml")
    assert {rule.key.partition(".")[0] for rule in routing.rules} == {"sender", "rule"}
    assert routing.min_confidence == 0.6


def _is_toml(line: str) -> bool:
    return line.startswith("[") or (" = " in line and line.split(" = ")[0].strip().replace("_", "").isalnum())


def test_the_shipped_schema_is_the_one_of_this_version() -> None:
    """It is mended with `helpdesk-daemon rules schema > rules/routing.schema.json`."""
    assert json.loads((RULES / "routing.schema.json").read_text()) == schema()


def test_the_schema_knows_what_people_write() -> None:
    rule = schema()["$defs"]["WhenTable"]["properties"]
    assert {"type": "string"} in rule["subject"]["anyOf"], "a word alone is as good as a list"
    assert "RE2" in rule["subject"]["description"]


SENDERS = {
    "vip": ("vip = true", Setting(priority=Priority.HIGH, tags=("vip",))),
    "vip with more": (
        'vip = true\npriority = "Low"\ntags = "gold"',
        Setting(priority=Priority.LOW, tags=("vip", "gold")),
    ),
    "blocked": ("blocked = true", Setting(action="ignore")),
    "overrides": ('category = "Billing"\nsla_hours = 2', Setting(category="Billing", sla_hours=2)),
}


@pytest.mark.parametrize("name", SENDERS)
def test_a_sender_is_a_rule_before_all_rules(name: str) -> None:
    words, expected = SENDERS[name]
    first = parsed(f'[[sender]]\naddress = ["@big.example", "Ann@x.example"]\n{words}').rules[0]
    assert first.when == Conditions(sender=("*@big.example", "Ann@x.example"))
    assert first.then == expected
    assert (first.name, first.key) == ("sender 1", "sender.1"), "no address: the name stands in logs and headers"


WRONG = {
    "a sender of whom nothing follows": ("[[sender]]\naddress = 'a@b.example'", "sender.1", "nothing follows", 1),
    "a blocked vip": ("[[sender]]\naddress = 'a@b.example'\nblocked = true\nvip = true", "sender.1.blocked", "else", 3),
    "a sender without address": ("[[sender]]\nvip = true", "sender.1.address", "missing", 1),
    "a look-ahead": (
        "[[rule]]\nname = 'x'\nset = { action = 'triage' }\n\n[rule.when]\nbody = '(?=a)'",
        "rule.2.when.body", "ahead", 6,
    ),
    "an unknown word": (
        "[[rule]]\nname = 'x'\nwhen = { sender = '*' }\nset = { action = 'delete' }", "rule.2.set.action", "delete", 4,
    ),
    "a language that is none": (
        "[[rule]]\nname = 'x'\nwhen = { language = 'German' }\nset = { action = 'triage' }", "rule.2.when.language.1",
        "German", 3,
    ),
    "a case that expects nothing": ("[[case]]\nname = 'x'\nmail = {}\nexpect = {}", "case.3.expect", "nothing", 4),
    "a case of an unknown category": (
        "[[case]]\nname = 'x'\nmail = { category = 'Cats' }\nexpect = { action = 'triage' }", "case.3.mail.category",
        "Cats", 3,
    ),
    "no TOML": ("[[rule]]\nname = x", "", "not valid TOML", 2),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_with_its_line(name: str) -> None:
    words, key, problem, line = WRONG[name]
    first = wrong(words)[0]
    assert (first.kind, first.key) == (Kind.ERROR, key)
    assert problem in first.problem
    assert first.line == len(SHIPPED.splitlines()) + 1 + line
    assert first.quote == words.splitlines()[line - 1].strip()
    assert first.mend
    with pytest.raises(ConfigError, match=f"routing.toml:{first.line}: "):
        parsed(words)


def test_all_wrong_values_are_told_at_once() -> None:
    found = wrong("[[rule]]\nnmae = 'x'\nwhen = { sendr = '*' }\nset = { action = 'stop' }")
    assert [f.key for f in found] == ["rule.2.name", "rule.2.when.sendr", "rule.2.set.action", "rule.2.nmae"]
    assert "'sender'" in found[1].mend


TEXT = """
top = 1
[a."b c"]
d = 2
[[rule]]
name = "one"
[[rule]]
name = "two"  # [x]
when = { sender = "a",
         body = "b" }
[rule.set]
priority = "High"
"""


@pytest.mark.parametrize(
    ("steps", "line"),
    [
        (("top",), 2), (("a", "b c", "d"), 4), (("a", "b c"), 3), (("rule", "1", "name"), 6),
        (("rule", "2", "name"), 8), (("rule", "2", "when", "sender"), 9), (("rule", "2", "when", "body"), 10),
        (("rule", "2", "set", "priority"), 12), (("rule", "2", "set", "none"), 11), (("rule", "3"), 0), (("z",), 0),
    ],
)  # fmt: skip
def test_the_line_of_a_key(steps: tuple[str, ...], line: int) -> None:
    assert line_of(TEXT, steps) == line


def test_findings_stand_in_the_order_of_the_file() -> None:
    found = located(
        [Finding(Kind.UNUSED, "rule.1", "b", ""), Finding(Kind.UNUSED, "triage", "a", "")], SHIPPED.encode()
    )
    assert [f.problem for f in found] == ["a", "b"]
    assert found[0].quote == "[triage]"
