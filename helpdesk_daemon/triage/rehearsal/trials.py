"""Tries the cases that are written beside the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from helpdesk_daemon.triage.decide import Basis, Decision
from helpdesk_daemon.triage.rehearsal.cases import RoutingCase
from helpdesk_daemon.triage.rehearsal.replay import replayed
from helpdesk_daemon.triage.rules import Routing


@dataclass(frozen=True, slots=True)
class Trial:
    """How a case went.

    Attributes:
        case: the case.
        rule: names of the rules that decided.
        wrong: what came otherwise, by name: expected, and found.
    """

    case: RoutingCase
    rule: str
    wrong: Mapping[str, tuple[object, object]]


def trials(routing: Routing) -> list[Trial]:
    """Try every case; nothing is sent or kept, and no model is asked."""
    return [_tried(case, routing) for case in routing.cases]


def _tried(case: RoutingCase, routing: Routing) -> Trial:
    # What confidence the wanted precision takes only examples tell: here it is taken to be the same number.
    basis = Basis(case.category, case.confidence, case.confidence, language=case.mail.language)
    decision = replayed(case.mail, basis, routing)
    found = _seen(decision)
    wrong = {name: (value, found[name]) for name, value in case.expected.items() if found[name] != value}
    return Trial(case, decision.rule, wrong)


def _seen(decision: Decision) -> Mapping[str, object]:
    action = "ignore" if decision.ignore else "triage" if decision.needs_review else "ticket"
    return {
        "category": decision.category, "department": decision.department, "priority": decision.priority,
        "sla_hours": decision.sla_hours, "tags": decision.tags, "action": action,
        "acknowledge": decision.acknowledge, "rule": decision.rule,
    }  # fmt: skip
