"""Routing rules: every matcher, and first match wins for each thing set."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.tickets.ticket import Priority
from helpdesk_daemon.triage.rules import Conditions, Department, Rule, Setting, apply, holds
from tests.unit.making import TECHNICAL, TRIAGE, message, multipart

MAIL = replace(
    parse(multipart([("Content-Type: application/pdf; name=Invoice-7.PDF", b"x")])),
    text="The server is on fire",
)


def pattern(words: str) -> tuple[re.Pattern[str], ...]:
    return (re.compile(words, re.IGNORECASE),)


@pytest.mark.parametrize(
    "when",
    [
        Conditions(),
        Conditions(sender=("ada@customer.example",)),
        Conditions(sender=("ADA@*",)),
        Conditions(sender=("bob@*", "*@customer.example")),
        Conditions(domain=("customer.example",)),
        Conditions(domain=("*.example",)),
        Conditions(recipient=("support@*",)),
        Conditions(subject=pattern("black")),
        Conditions(body=pattern(r"\bfire\b")),
        Conditions(header={"message-id": pattern("customer")}),
        Conditions(category=("Billing", "Technical")),
        Conditions(confidence_below=0.6),
        Conditions(confidence_at_least=0.5),
        Conditions(attachment=("*.pdf",)),
        Conditions(subject=pattern("screen"), category=("Technical",), confidence_below=0.9),
    ],
)
def test_a_condition_that_holds(when: Conditions) -> None:
    assert holds(when, MAIL, "Technical", 0.5)


@pytest.mark.parametrize(
    "when",
    [
        Conditions(sender=("bob@*",)),
        Conditions(sender=("ada",)),
        Conditions(domain=("example",)),
        Conditions(recipient=("sales@*",)),
        Conditions(subject=pattern("white")),
        Conditions(body=pattern("water")),
        Conditions(header={"X-None": pattern("")}),
        Conditions(header={"Subject": pattern("black"), "X-None": pattern("")}),
        Conditions(category=("technical",)),
        Conditions(confidence_below=0.5),
        Conditions(confidence_at_least=0.51),
        Conditions(attachment=("*.doc",)),
        Conditions(subject=pattern("screen"), body=pattern("water")),
    ],
)
def test_a_condition_that_does_not_hold(when: Conditions) -> None:
    assert not holds(when, MAIL, "Technical", 0.5)


def test_a_domain_glob_takes_no_lookalike() -> None:
    assert not holds(Conditions(domain=("customer.example",)), message(sender="a@notcustomer.example"), "", 0)


def test_every_value_of_a_header_counts() -> None:
    mail = message(extra="X-Tag: one\nX-Tag: two")
    assert holds(Conditions(header={"x-tag": pattern("^two$")}), mail, "", 0)


def test_the_first_rule_wins_for_each_thing() -> None:
    rules = (
        Rule("one", Conditions(), Setting(priority=Priority.HIGH, tags=("a",))),
        Rule("two", Conditions(), Setting(priority=Priority.LOW, sla_hours=1, tags=("b", "a"))),
        Rule("no", Conditions(category=("Other",)), Setting(action="ignore")),
        Rule("three", Conditions(), Setting(sla_hours=9, department=TECHNICAL, acknowledge=False)),
    )
    found = apply(rules, MAIL, "Technical", 0.5)
    assert found.then == Setting(
        priority=Priority.HIGH, sla_hours=1, department=TECHNICAL, acknowledge=False, tags=("a", "b")
    )
    assert found.set_by == {
        "priority": "one",
        "tag a": "one",
        "sla_hours": "two",
        "tag b": "two",
        "department": "three",
        "acknowledge": "three",
    }


def test_a_zero_and_a_no_are_settings_too() -> None:
    rules = (
        Rule("one", Conditions(), Setting(sla_hours=0, acknowledge=False)),
        Rule("two", Conditions(), Setting(sla_hours=9, acknowledge=True)),
    )
    assert apply(rules, MAIL, "", 0).then == Setting(sla_hours=0, acknowledge=False)


def test_a_later_rule_sees_the_category_an_earlier_one_set() -> None:
    rename = Rule("rename", Conditions(), Setting(category="Billing"))
    urgent = Rule("urgent", Conditions(category=("Billing",)), Setting(priority=Priority.HIGH))
    assert apply((rename, urgent), MAIL, "Technical", 0.5).then.priority == Priority.HIGH
    assert apply((urgent, rename), MAIL, "Technical", 0.5).then.priority is None


def test_no_rule_sets_nothing() -> None:
    found = apply((), MAIL, "Technical", 0.5)
    assert (found.then, found.set_by) == (Setting(), {})


SETTINGS: dict[str, Setting] = {
    "category": Setting(category="Billing"),
    "department": Setting(department=TRIAGE),
    "priority": Setting(priority=Priority.LOW),
    "sla_hours": Setting(sla_hours=2),
    "action": Setting(action="triage"),
    "acknowledge": Setting(acknowledge=False),
}
CONDITIONS = st.sampled_from(
    [
        Conditions(),
        Conditions(subject=pattern("black")),
        Conditions(subject=pattern("white")),
        Conditions(sender=("a*",)),
    ]
)


@given(st.lists(CONDITIONS, min_size=6, max_size=6), st.permutations(list(SETTINGS)))
def test_the_order_of_rules_that_set_different_things_makes_no_difference(
    when: list[Conditions], order: list[str]
) -> None:
    rules = {name: Rule(name, c, SETTINGS[name]) for c, name in zip(when, SETTINGS, strict=True)}
    one = apply(tuple(rules.values()), MAIL, "Technical", 0.5)
    two = apply(tuple(rules[name] for name in order), MAIL, "Technical", 0.5)
    assert (one.then, dict(one.set_by)) == (two.then, dict(two.set_by))


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("desk@x.example", True),
        ("ann@x.example", True),
        ("bob@y.example", True),
        ("bob@sub.y.example", False),
        ("bob@noty.example", False),
        ("joann@x.example", False),
        ("", False),
    ],
)
def test_who_may_answer_for_a_department(email: str, expected: bool) -> None:
    department = Department("D", "Desk@x.example", ("Ann@x.example", "@Y.example"))
    assert department.has_agent(email) is expected
