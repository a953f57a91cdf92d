"""Old mails through other rules: the same decision as when the mail comes, and what counts as a difference."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpdesk_daemon.tickets.ticket import Priority
from helpdesk_daemon.triage.decide import Basis, decide, doubt_of, earned_by
from helpdesk_daemon.triage.rehearsal.cases import RoutingCase, Written
from helpdesk_daemon.triage.rehearsal.findings import Kind
from helpdesk_daemon.triage.rehearsal.replay import IGNORED, GoneError, Past, Placement, compare, placed, replayed
from helpdesk_daemon.triage.rehearsal.trials import trials
from helpdesk_daemon.triage.rehearsal.usage import findings_of, oddities, usage_of
from helpdesk_daemon.triage.rules import Conditions, Department, Route, Routing, Rule, Setting
from helpdesk_daemon.triage.threshold import FEWEST, curve_of
from helpdesk_daemon.triage.vote import Standing, Vote
from tests.unit.making import CUSTOMER, TECHNICAL, TRIAGE, message

BILLING = Department("Billing Team", "billing@money.example")
MAIL = message()
AT = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def routing(*rules: Rule, target: float = 0.8, least: float | None = None) -> Routing:
    return Routing(
        {"Technical": Route(TECHNICAL, Priority.HIGH, 4), "Billing": Route(BILLING, Priority.MEDIUM, 24)},
        Route(TRIAGE, Priority.MEDIUM, 24), target, least, rules,
        {d.name: d for d in (TECHNICAL, BILLING, TRIAGE)}, "v1",
    )  # fmt: skip


@st.composite
def votes(draw: st.DrawFn) -> Vote:
    count = draw(st.sampled_from([0, FEWEST - 1, FEWEST, 60]))
    seed = np.random.default_rng(draw(st.integers(0, 10_000)))
    confidences = np.round(seed.random(count), draw(st.sampled_from([1, 2, 6])))
    right = seed.random(count) < confidences + draw(st.sampled_from([0.0, 0.3]))
    standing = Standing("j", curve_of(confidences, right), draw(st.sampled_from([-1.0, 0.2])), draw(st.booleans()))
    confidence = draw(st.one_of(st.sampled_from([*confidences.tolist(), 0.5]), st.floats(0, 1)))
    return Vote(
        draw(st.sampled_from(["Technical", "Billing", "Weather", ""])), confidence, (), (),
        scope=draw(st.sampled_from([0.1, 0.9])), support=draw(st.sampled_from([3, 50])),
        standing=draw(st.sampled_from([None, standing, standing, standing])), same=draw(st.booleans()),
        foreign=draw(st.sampled_from(["", "", "fi"])),
    )  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(votes(), st.sampled_from([0.05, 0.5, 0.7, 0.8, 0.9, 0.99]))
def test_what_a_vote_earned_says_for_every_target_whether_there_is_doubt(vote: Vote, target: float) -> None:
    assert (doubt_of(vote, target) == "") is (earned_by(vote) > target)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.none(), votes()), st.sampled_from([0.5, 0.8, 0.95]), st.sampled_from([None, 0.4]),
    st.sampled_from(["", "DMARC fail"]), st.booleans(), st.booleans(),
)  # fmt: skip
def test_a_replayed_decision_is_the_one_that_was_made(
    vote: Vote | None, target: float, least: float | None, to_triage: str, automatic: bool, renamed: bool
) -> None:
    rule = Rule("r", Conditions(category=("Technical",)), Setting(category="Billing", tags=("t",)))
    rules = routing(*([rule] if renamed else []), target=target, least=least)
    made = decide(MAIL, vote, rules, to_triage, "m", automatic)
    assert made.basis is not None
    again = replayed(MAIL, made.basis, rules)
    assert placed(again) == placed(made)
    assert (again.rule, again.set_by, bool(again.review_reason)) == (made.rule, made.set_by, bool(made.review_reason))


@pytest.mark.parametrize(
    ("basis", "least", "doubt"),
    [
        (Basis("Technical", 0.9, 0.8), None, True),
        (Basis("Technical", 0.1, 0.801), None, False),
        (Basis("Technical", 0.4, 0.0), 0.4, False),
        (Basis("Technical", 0.399, 1.0), 0.4, True),
        (Basis("Weather", 1.0, 1.0), None, True),
        (Basis("", 0.0, 0.0), 0.0, True),
        (Basis("Technical", 1.0, 1.0, "DMARC fail"), None, True),
    ],
)
def test_when_there_is_doubt(basis: Basis, least: float | None, doubt: bool) -> None:
    assert bool(basis.doubt(routing(target=0.8, least=least))) is doubt


def past(was: Placement | None = None, mail: Written | None = None, basis: Basis | None = None) -> Past:
    basis = basis or Basis("Technical", 0.9, 0.95, mailbox="support")
    found = mail or MAIL
    return Past(1, "HD-1", AT, found, basis, was or placed(replayed(found, basis, routing())), "default")


HERE = Placement(False, "A", "a@x.example", "C", Priority.HIGH, 4, False, ("t",), True)


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        (HERE, HERE, ()),
        (HERE, replace(HERE, department="B"), ("department",)),
        (HERE, replace(HERE, priority=Priority.LOW, sla_hours=8.0, tags=()), ("priority", "sla_hours", "tags")),
        (HERE, replace(HERE, needs_review=True, category=""), ("category", "needs_review")),
        (HERE, replace(HERE, address="b@x.example"), ("address",)),
        (HERE, replace(HERE, address=""), ()),
        (HERE, replace(HERE, acknowledge=False), ("acknowledge",)),
        (HERE, replace(HERE, acknowledge=None), ()),
        (HERE, IGNORED, ("ignored",)),
        (IGNORED, IGNORED, ()),
        (replace(IGNORED, department="A"), IGNORED, ()),
    ],
)
def test_what_differs(one: Placement, other: Placement, what: tuple[str, ...]) -> None:
    assert one.unlike(other) == what
    assert other.unlike(one) == what


TO_BILLING = Rule("bills", Conditions(sender=(CUSTOMER,)), Setting(department=BILLING), "rule.1")


def test_a_difference_names_the_rule_and_what_it_does() -> None:
    found = compare([past()], routing(), routing(TO_BILLING))
    (difference,) = found.new
    assert (found.tried, found.gone, difference.rule, difference.what) == (1, 0, "bills", ("department", "address"))
    assert difference.now.department == "Billing Team"


def test_what_older_rules_decided_otherwise_is_set_apart() -> None:
    found = compare([past()], routing(TO_BILLING), routing(TO_BILLING))
    assert [d.already for d in found.differences] == [True]
    assert found.new == []


class Gone:
    """A mail of which nothing is kept but the vote."""

    def __getattr__(self, name: str) -> object:
        raise GoneError


def test_a_mail_of_which_too_little_is_kept_is_counted() -> None:
    gone = Past(1, "HD-1", AT, Gone(), Basis("Technical", 0.9, 0.95), HERE, "default")  # type: ignore[arg-type]
    found = compare([gone], routing(), routing(TO_BILLING))
    assert (found.tried, found.gone, found.differences) == (1, 1, [])
    assert usage_of(routing(TO_BILLING), [gone]).gone == 1


def test_an_automatic_mail_stays_of_low_priority() -> None:
    urgent = Rule("r", Conditions(), Setting(priority=Priority.HIGH))
    assert replayed(MAIL, Basis("Technical", 0.9, 0.95, automatic=True), routing(urgent)).priority == Priority.LOW


# --- usage and oddities --------------------------------------------------------------------------


def test_rules_that_never_hold_and_those_that_meet_are_told() -> None:
    never = Rule("never", Conditions(sender=("x@y.example",)), Setting(sla_hours=1), "rule.2")
    other = Rule("other", Conditions(category=("Technical",)), Setting(department=TRIAGE), "rule.3")
    same = Rule("same", Conditions(category=("Technical",)), Setting(department=BILLING), "rule.4")
    rules = routing(TO_BILLING, never, other, same)
    found = findings_of(rules, usage_of(rules, [past(), past()]), 30)
    assert [(f.kind, f.key) for f in found] == [(Kind.NEVER, "rule.2"), (Kind.OVERLAP, "rule.3")]
    assert "'bills' and 'other' both set department on 2 mails" in found[1].problem
    assert findings_of(rules, usage_of(rules, []), 30) == [], "without mail nothing can be said"


def test_oddities() -> None:
    twice = replace(TO_BILLING, key="rule.2")
    own = Rule("own", Conditions(sender=("Support@x.example",)), Setting(sla_hours=1), "rule.3")
    rules = routing(TO_BILLING, twice, own)
    idle = Department("Idle", "i@x.example", ("support@x.example",))
    rules = replace(rules, departments={**rules.departments, "Idle": idle})
    found = {(f.kind, f.key) for f in oddities(rules, frozenset({"support@x.example"}))}
    assert found == {
        (Kind.NAME, "rule.2"), (Kind.UNUSED, "department.Idle"), (Kind.OURS, "department.Idle.agents"),
        (Kind.OURS, "rule.3"),
    }  # fmt: skip


# --- cases ---------------------------------------------------------------------------------------


def test_a_case_tells_what_came_otherwise() -> None:
    written = Written(MAIL.sender, subject="x", language="de")
    rule = Rule("german", Conditions(language=("de",)), Setting(department=BILLING))
    good = RoutingCase("good", written, "Technical", 1.0, {"department": BILLING, "rule": "german", "action": "ticket"})
    bad = RoutingCase("bad", written, "Technical", 0.3, {"department": TECHNICAL, "action": "ticket", "tags": ()})
    first, second = trials(replace(routing(rule), cases=(good, bad)))
    assert (first.wrong, first.rule) == ({}, "german")
    assert second.wrong == {"department": (TECHNICAL, BILLING), "action": ("ticket", "triage")}
