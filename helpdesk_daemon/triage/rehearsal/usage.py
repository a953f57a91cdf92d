"""What rules do with mails that came: which never hold, and which get into each other's way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from helpdesk_daemon.triage.rehearsal.findings import Finding, Kind
from helpdesk_daemon.triage.rehearsal.replay import GoneError, Past
from helpdesk_daemon.triage.rules import THINGS, Routing, Rule, apply


@dataclass(slots=True)
class Usage:
    """What was counted.

    Attributes:
        tried: how many mails.
        gone: how many of them could not be tried.
        held: how often each rule held, by its key.
        overlaps: how often two rules both set a thing, each to something else: winner, loser, thing.
    """

    tried: int = 0
    gone: int = 0
    held: Counter[str] = field(default_factory=Counter)
    overlaps: Counter[tuple[str, str, str]] = field(default_factory=Counter)


def usage_of(routing: Routing, past: Iterable[Past]) -> Usage:
    """Let rules walk over mails that came."""
    found = Usage()
    for one in past:
        found.tried += 1
        try:
            held = apply(routing.rules, one.mail, one.basis.category, one.basis.confidence).held
        except GoneError:
            found.gone += 1
            continue
        found.held.update(rule.key for rule in held)
        found.overlaps.update(_overlaps(held))
    return found


def _overlaps(held: tuple[Rule, ...]) -> Iterable[tuple[str, str, str]]:
    for thing in THINGS:
        setting = [rule for rule in held if getattr(rule.then, thing) is not None]
        for rule in setting[1:]:
            if getattr(rule.then, thing) != getattr(setting[0].then, thing):
                yield setting[0].key, rule.key, thing


def findings_of(routing: Routing, usage: Usage, days: int) -> list[Finding]:
    """What is odd about how rules were used."""
    known = {rule.key: rule for rule in routing.rules}
    tried = usage.tried - usage.gone
    found = []
    for key, rule in known.items():
        if tried and not usage.held[key]:
            problem = f"rule {rule.name!r} holds for none of the {tried:,} mails of the last {days} days"
            found.append(Finding(Kind.NEVER, key, problem, "Delete it if nothing like that will come"))
    for (first, later, thing), count in sorted(usage.overlaps.items()):
        problem = (
            f"{known[first].name!r} and {known[later].name!r} both set {thing} on {count:,} "
            f"mail{'s' if count != 1 else ''} of the last {days} days: {known[first].name!r} comes first and wins"
        )
        found.append(Finding(Kind.OVERLAP, later, problem, "Change their order if that is not what you want"))
    return found


def oddities(routing: Routing, ours: frozenset[str] = frozenset()) -> list[Finding]:
    """What is odd about rules as they are written.

    Args:
        routing: the rules.
        ours: addresses that customers write to.
    """
    return [*_same_names(routing), *_unused(routing), *_own(routing, ours)]


def _same_names(routing: Routing) -> Iterable[Finding]:
    seen: dict[str, Rule] = {}
    for rule in routing.rules:
        if seen.setdefault(rule.name, rule) is not rule:
            mend = "Name each rule differently: decisions tell them apart by their names"
            yield Finding(Kind.NAME, rule.key, f"another rule is named {rule.name!r}", mend)


def _unused(routing: Routing) -> Iterable[Finding]:
    routes = [route.department.name for route in (*routing.categories.values(), routing.triage)]
    used = {*routes, *(rule.then.department.name for rule in routing.rules if rule.then.department)}
    for name in routing.departments:
        if name not in used:
            problem = f"no category and no rule sends anything to {name}"
            yield Finding(Kind.UNUSED, f"department.{name}", problem, "Name it in a category or rule, or delete it")


def _own(routing: Routing, ours: frozenset[str]) -> Iterable[Finding]:
    for name, department in routing.departments.items():
        for agent in ours.intersection(department.agents):
            problem, mend = f"{agent} is our own address, where customers write", "Name people's own addresses"
            yield Finding(Kind.OURS, f"department.{name}.agents", problem, mend)
    for rule in routing.rules:
        for sender in ours.intersection(address.lower() for address in rule.when.sender):
            problem = f"{sender} is our own address: of mail from it, rules only see website forms"
            yield Finding(Kind.OURS, rule.key, problem, "Leave it out, unless such a form is meant")
