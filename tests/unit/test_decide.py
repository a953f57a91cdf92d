"""Vote and rules together."""

from __future__ import annotations

from helpdesk_daemon.tickets.ticket import Priority
from helpdesk_daemon.triage.decide import decide
from helpdesk_daemon.triage.rules import Conditions, Department, Route, Routing, Rule, Setting
from helpdesk_daemon.triage.vote import Vote
from tests.unit.making import TECHNICAL, TRIAGE, message, neighbour

BILLING = Department("Billing Team", "billing@money.example")
NEAR = neighbour("Technical", 0.9)
MAIL = message()


def routing(*rules: Rule) -> Routing:
    return Routing(
        categories={
            "Technical": Route(TECHNICAL, Priority.HIGH, 4),
            "Billing": Route(BILLING, Priority.MEDIUM, 24),
        },
        triage=Route(TRIAGE, Priority.MEDIUM, 24),
        target_precision=0.9,
        min_confidence=0.4,
        rules=rules,
        departments={d.name: d for d in (TECHNICAL, BILLING, TRIAGE)},
        version="v1",
    )


def voted(category: str = "Technical", confidence: float = 0.9) -> Vote:
    return Vote(category, confidence, ((category, confidence),), (NEAR,))


def test_a_sure_vote_goes_to_its_department() -> None:
    found = decide(MAIL, voted(), routing(), model="m")
    assert (found.department, found.priority, found.sla_hours) == (TECHNICAL, Priority.HIGH, 4)
    assert (found.category, found.confidence, found.needs_review) == ("Technical", 0.9, False)
    assert (found.rule, found.neighbours, found.model, found.rules_version) == ("default", (NEAR,), "m", "v1")
    assert found.acknowledge
    assert not found.ignore


def test_at_the_threshold_nobody_needs_to_look() -> None:
    assert not decide(MAIL, voted(confidence=0.4), routing()).needs_review


def test_below_the_threshold_it_goes_to_triage_with_its_suggestion() -> None:
    found = decide(MAIL, voted(confidence=0.399), routing())
    assert (found.department, found.category, found.needs_review) == (TRIAGE, "Technical", True)
    assert "below" in found.review_reason


def test_without_a_vote_it_goes_to_triage_unclassified() -> None:
    found = decide(MAIL, None, routing())
    assert (found.department, found.category, found.confidence) == (TRIAGE, "", 0.0)
    assert found.needs_review
    assert "not classified" in found.review_reason


def test_without_examples_it_goes_to_triage() -> None:
    found = decide(MAIL, Vote("", 0.0, (), ()), routing())
    assert (found.department, found.needs_review) == (TRIAGE, True)


def test_a_category_without_a_route_goes_to_triage() -> None:
    found = decide(MAIL, voted("Weather"), routing())
    assert (found.department, found.category, found.needs_review) == (TRIAGE, "Weather", True)
    assert "Weather" in found.review_reason


def test_screening_may_send_it_to_triage() -> None:
    found = decide(MAIL, voted(), routing(), to_triage="DMARC fail")
    assert (found.department, found.review_reason) == (TRIAGE, "DMARC fail")


def test_what_screening_sends_to_triage_no_category_rule_takes_away() -> None:
    rule = Rule("bills", Conditions(), Setting(category="Billing"))
    found = decide(MAIL, voted(), routing(rule), to_triage="DMARC fail")
    assert (found.department, found.needs_review) == (TRIAGE, True)


def test_a_rule_sets_the_category_whatever_the_vote() -> None:
    rule = Rule("bills", Conditions(), Setting(category="Billing"))
    for vote in (voted(), voted(confidence=0.1), None):
        found = decide(MAIL, vote, routing(rule))
        assert (found.category, found.department, found.priority) == ("Billing", BILLING, Priority.MEDIUM)
        assert (found.needs_review, found.rule) == (False, "bills")


def test_rules_override_single_things() -> None:
    rules = (
        Rule("soon", Conditions(), Setting(sla_hours=0.5)),
        Rule(
            "urgent", Conditions(), Setting(priority=Priority.LOW, department=BILLING, acknowledge=False, tags=("t",))
        ),
    )
    found = decide(MAIL, voted(), routing(*rules))
    assert (found.category, found.department, found.priority, found.sla_hours) == (
        "Technical", BILLING, Priority.LOW, 0.5,
    )  # fmt: skip
    assert not found.acknowledge
    assert (found.rule, found.tags, found.set_by["department"]) == ("soon, urgent", ("t",), "urgent")


def test_a_rule_may_ask_for_a_person() -> None:
    found = decide(MAIL, voted(), routing(Rule("look", Conditions(), Setting(action="triage"))))
    assert (found.department, found.needs_review, found.review_reason) == (TRIAGE, True, "rule look")


def test_a_rule_may_ignore() -> None:
    assert decide(MAIL, voted(), routing(Rule("no", Conditions(), Setting(action="ignore")))).ignore


def test_a_rule_may_match_the_confidence() -> None:
    rule = Rule("doubt", Conditions(confidence_below=0.5), Setting(department=BILLING))
    assert decide(MAIL, voted(confidence=0.45), routing(rule)).department == BILLING
    assert decide(MAIL, voted(confidence=0.55), routing(rule)).department == TECHNICAL
