"""Rules without effect: what is proven, what is not claimed, and that no claim is ever wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpdesk_daemon.adapters.rules.patterns import compile_pattern
from helpdesk_daemon.mail.message import Address, Attachment, Headers
from helpdesk_daemon.tickets.ticket import Priority
from helpdesk_daemon.triage.rehearsal.cases import Written
from helpdesk_daemon.triage.rehearsal.findings import Kind
from helpdesk_daemon.triage.rehearsal.shadows import implies, shadows
from helpdesk_daemon.triage.rules import Conditions, Pattern, Rule, Setting, apply

HIGH, LOW = Setting(priority=Priority.HIGH), Setting(priority=Priority.LOW)
IGNORE = Setting(action="ignore")


def words(*patterns: str) -> tuple[Pattern, ...]:
    return tuple(compile_pattern(p) for p in patterns)


def rules(*pairs: tuple[Conditions, Setting]) -> tuple[Rule, ...]:
    return tuple(Rule(f"r{n}", when, then, f"rule.{n}") for n, (when, then) in enumerate(pairs, 1))


ALL_OF_A = Conditions(domain=("*.a.example", "a.example"))
IMPLIED = [
    (Conditions(sender=("x@a.example",)), Conditions(sender=("*@A.example",))),
    (Conditions(sender=("*.x@a.example",)), Conditions(sender=("*x@a*",))),
    (Conditions(sender=("x@a.example", "*@b.a.example")), ALL_OF_A),
    (Conditions(domain=("b.a.example",)), ALL_OF_A),
    (Conditions(sender=("x@a.example",), subject=words("b")), Conditions(sender=("x@a.example",))),
    (Conditions(subject=words("server is down")), Conditions(subject=words("Down", "up"))),
    (Conditions(subject=words(r"\bdown\b")), Conditions(subject=words(r"\bdown\b"))),
    (Conditions(header={"X-A": words("big b")}), Conditions(header={"x-a": words("big")})),
    (Conditions(category=("A",)), Conditions(category=("B", "A"))),
    (Conditions(confidence_below=0.3), Conditions(confidence_below=0.4)),
    (Conditions(confidence_at_least=0.5), Conditions(confidence_at_least=0.4)),
    (Conditions(attachment=("invoice*.pdf",)), Conditions(attachment=("*.pdf",))),
    (Conditions(language=("de",)), Conditions(language=("de", "fr"))),
    (Conditions(body=words("a"), recipient=("s@a.example",)), Conditions(recipient=("s@*",))),
]
NOT_IMPLIED = [
    (Conditions(sender=("*@a.example",)), Conditions(sender=("x@a.example",))),
    (Conditions(sender=("x@a.example", "*@b.example")), ALL_OF_A),
    (Conditions(sender=("*",)), ALL_OF_A),
    (Conditions(sender=("[xy]@a.example",)), Conditions(sender=("[x]*",))),
    (Conditions(sender=("*@a.example",)), Conditions(sender=("?@a.example",))),
    (Conditions(subject=words("down")), Conditions(subject=words("server is down"))),
    (Conditions(subject=words("a.b")), Conditions(subject=words("."))),
    (Conditions(subject=words("a")), Conditions(body=words("a"))),
    (Conditions(), Conditions(subject=words("a"))),
    (Conditions(header={"X-A": words("a")}), Conditions(header={"X-B": words("a")})),
    (Conditions(confidence_below=0.4), Conditions(confidence_below=0.3)),
    (Conditions(confidence_below=0.4), Conditions(confidence_at_least=0.3)),
    (Conditions(category=("A", "C")), Conditions(category=("B", "A"))),
]


@pytest.mark.parametrize(("narrow", "wide"), IMPLIED)
def test_what_is_proven(narrow: Conditions, wide: Conditions) -> None:
    assert implies(narrow, wide)
    found = shadows(rules((wide, HIGH), (narrow, LOW)))
    assert [(f.kind, f.key) for f in found] == [(Kind.UNREACHABLE, "rule.2")]
    assert "'r1' set it first" in found[0].problem
    assert shadows(rules((narrow, HIGH), (wide, LOW))) == [] or implies(wide, narrow)


@pytest.mark.parametrize(("narrow", "wide"), NOT_IMPLIED)
def test_what_is_not_claimed(narrow: Conditions, wide: Conditions) -> None:
    assert not implies(narrow, wide)
    assert shadows(rules((wide, HIGH), (narrow, LOW))) == []


A, B = Conditions(sender=("x@a.example",)), Conditions(sender=("*@a.example",))


def test_a_rule_that_sets_something_else_is_fine() -> None:
    assert shadows(rules((B, HIGH), (A, Setting(sla_hours=1)))) == []


def test_a_part_that_is_never_set_is_named() -> None:
    found = shadows(rules((B, HIGH), (A, replace(LOW, sla_hours=1, tags=("t",)))))
    assert [(f.kind, f.key) for f in found] == [(Kind.PARTLY, "rule.2")]
    assert "never sets priority:" in found[0].problem


def test_several_rules_may_cover_one_together() -> None:
    found = shadows(rules((B, HIGH), (B, Setting(tags=("t",))), (A, replace(LOW, tags=("t",)))))
    assert [f.key for f in found] == ["rule.3"]
    assert "'r1', 'r2'" in found[0].problem


def test_nothing_comes_after_what_ignores() -> None:
    found = shadows(rules((B, IGNORE), (A, Setting(sla_hours=1))))
    assert [(f.kind, f.key) for f in found] == [(Kind.UNREACHABLE, "rule.2")]
    assert "ignores" in found[0].problem


def test_what_ignores_may_be_overruled_before() -> None:
    keep = Setting(action="ticket")
    assert shadows(rules((A, keep), (B, IGNORE), (A, Setting(sla_hours=1)))) == []


def test_a_category_that_changes_between_proves_nothing() -> None:
    bills = Conditions(category=("Billing",))
    assert len(shadows(rules((bills, HIGH), (bills, LOW)))) == 1
    rename = (Conditions(subject=words("a")), Setting(category="Billing"))
    assert shadows(rules((bills, HIGH), rename, (bills, LOW))) == []


def test_a_confidence_that_cannot_be_is_told() -> None:
    never = Conditions(confidence_below=0.3, confidence_at_least=0.3)
    assert [f.kind for f in shadows(rules((never, HIGH)))] == [Kind.UNREACHABLE]


LETTERS = st.sampled_from("ab")
GLOBS = st.text(alphabet="ab*?@", min_size=1, max_size=5)
CONDITIONS = st.builds(
    Conditions,
    sender=st.lists(GLOBS, max_size=2).map(tuple),
    domain=st.lists(GLOBS, max_size=1).map(tuple),
    subject=st.lists(st.text(alphabet="abA.", min_size=1, max_size=2), max_size=2).map(lambda w: words(*w)),
    category=st.lists(LETTERS, max_size=1).map(tuple),
    confidence_below=st.sampled_from([None, 0.3, 0.6]),
    confidence_at_least=st.sampled_from([None, 0.3, 0.6]),
)
SETTINGS = st.builds(
    Setting,
    category=st.sampled_from([None, None, "a", "b"]),
    priority=st.sampled_from([None, Priority.HIGH, Priority.LOW]),
    sla_hours=st.sampled_from([None, 1.0]),
    tags=st.sampled_from([(), ("t",)]),
    action=st.sampled_from([None, None, "ticket", "ignore"]),
)
MAILS = st.builds(
    Written,
    sender=st.builds(Address, st.just(""), st.from_regex(r"[ab]{1,2}@[ab]{1,2}", fullmatch=True)),
    subject=st.text(alphabet="abA.", max_size=4),
    headers=st.just(Headers()),
    attachments=st.just(tuple[Attachment, ...]()),
)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(CONDITIONS, SETTINGS), min_size=2, max_size=4), st.lists(MAILS, min_size=4, max_size=8),
    LETTERS, st.sampled_from([0.1, 0.3, 0.5, 0.7]),
)  # fmt: skip
def test_no_claim_is_ever_wrong(
    pairs: list[tuple[Conditions, Setting]], mails: list[Written], category: str, confidence: float
) -> None:
    made = rules(*pairs)
    claims = [f for f in shadows(made) if f.kind == Kind.UNREACHABLE]
    for mail in mails:
        found = apply(made, mail, category, confidence)
        for claim in claims:
            number = int(claim.key.removeprefix("rule.")) - 1
            without = apply(made[:number] + made[number + 1 :], mail, category, confidence)
            assert found.then == without.then or found.then.action == without.then.action == "ignore"
