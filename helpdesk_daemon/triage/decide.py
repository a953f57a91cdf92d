"""Vote and rules together make the decision, with everything needed to explain it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.tickets.ticket import Priority
from helpdesk_daemon.triage.judge import FEWEST_IN_CATEGORY
from helpdesk_daemon.triage.rules import Department, Readable, Route, Routing, apply
from helpdesk_daemon.triage.vote import Neighbour, View, Vote


@dataclass(frozen=True, slots=True)
class Basis:
    """What was known of a mail before any rule looked at it; kept, so that other rules can be tried on it.

    Attributes:
        category: the voted one, empty when there was no vote.
        confidence: of the vote, 0 to 1.
        earned: the target precision up to which no person needs to look, 0 to 1; see `Curve.earned`.
        to_triage: why screening wants a person to sort it, empty for nothing.
        automatic: a machine wrote it, so nobody is in a hurry.
        language: ISO 639-1 code of the mail, empty when unknown.
        mailbox: name of the one at whose desk it was decided.
    """

    category: str = ""
    confidence: float = 0.0
    earned: float = 0.0
    to_triage: str = ""
    automatic: bool = False
    language: str = ""
    mailbox: str = ""

    def doubt(self, routing: Routing) -> str:
        """Why a person should sort the mail by these rules, empty when nobody needs to."""
        if self.to_triage:
            return self.to_triage
        if self.category not in routing.categories:
            return f"routing.toml has no category {self.category}" if self.category else "not classified"
        least = routing.min_confidence
        sure = self.earned > routing.target_precision if least is None else self.confidence >= least
        return "" if sure else "not sure enough"


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a mail goes, and why.

    Attributes:
        category: the category, also when it is only a suggestion; empty when there was no vote.
        confidence: that the voted category is right, 0 to 1.
        needs_review: a person should check the category.
        review_reason: why, empty when not.
        department: who gets it.
        priority: see `Priority`.
        sla_hours: hours promised.
        tags: words for the ticket.
        ignore: a rule says that no ticket opens.
        acknowledge: False when a rule keeps the acknowledgement back.
        rule: names of the rules that hit, `default` when none did.
        set_by: what was set to the rule that set it.
        neighbours: the examples that voted, nearest first.
        views: what each opinion said by itself.
        model: name of the embedding model and runtime.
        judge: version of the judge.
        rules_version: digest of routing.toml.
        basis: what was known before any rule looked; None where a person decided.
    """

    category: str
    confidence: float
    needs_review: bool
    review_reason: str
    department: Department
    priority: Priority
    sla_hours: float
    tags: tuple[str, ...] = ()
    ignore: bool = False
    acknowledge: bool = True
    rule: str = "default"
    set_by: Mapping[str, str] = field(default_factory=dict)
    neighbours: tuple[Neighbour, ...] = ()
    views: tuple[View, ...] = ()
    model: str = ""
    judge: str = ""
    rules_version: str = ""
    basis: Basis | None = None

    @property
    def because(self) -> tuple[Neighbour, ...]:
        """The neighbours again, those of the category first: the evidence for it."""
        return tuple(sorted(self.neighbours, key=lambda n: n.category != self.category))

    @property
    def dissent(self) -> tuple[View, ...]:
        """The opinions that favour another category."""
        return tuple(v for v in self.views if v.category != self.category)


def _doubt(voted: Vote | None, routing: Routing, to_triage: str) -> str:
    """Why a person should sort this mail, empty when nobody needs to."""
    if to_triage:
        return to_triage
    if voted is None:
        return "not classified: the model or the index was not available"
    if not voted.category:
        return "not classified: there are no examples"
    if voted.category not in routing.categories:
        return f"routing.toml has no category {voted.category}"
    least = routing.min_confidence
    if least is None:
        return doubt_of(voted, routing.target_precision)
    return f"confidence {voted.confidence:.2f} is below {least:.2f}" if voted.confidence < least else ""


def doubt_of(voted: Vote, target: float) -> str:
    """Why a vote is only a suggestion, empty when it is more.

    Args:
        voted: the vote.
        target: share that should be right of what is sorted without a person, 0 to 1.
    """
    standing = voted.standing
    if standing is None or not standing.signal:
        return "the examples do not show what their labels mean: guesses would be as good"
    if voted.same:
        return ""
    if voted.foreign:
        return f"written in {voted.foreign}, which neither the model nor the nearest examples are made for"
    if voted.scope < standing.scope_floor:
        return f"like no example: {voted.scope:.2f} alike, where {standing.scope_floor:.2f} is the least usual"
    if voted.support < FEWEST_IN_CATEGORY:
        return f"only {voted.support} examples of {voted.category}; with {FEWEST_IN_CATEGORY} it is trusted"
    threshold = standing.curve.threshold(target)
    if threshold is None:
        return f"the examples show no confidence from which on {target:.0%} are right"
    if voted.confidence < threshold:
        return f"confidence {voted.confidence:.2f} is below {threshold:.2f}, from which on {target:.0%} are right"
    return ""


def earned_by(voted: Vote) -> float:
    """The target precision up to which `doubt_of` has no doubt about a vote, 0 to 1."""
    if voted.standing is None or doubt_of(voted, 0.0):
        return 0.0
    return 1.0 if voted.same else voted.standing.curve.earned(voted.confidence)


def decide(
    message: Message, voted: Vote | None, routing: Routing, to_triage: str = "", model: str = "",
    automatic: bool = False,
) -> Decision:  # fmt: skip
    """Decide where a mail goes.

    Args:
        message: the mail.
        voted: the vote, None when the model was not available.
        routing: the operator's rules.
        to_triage: a reason found by screening to let a person sort it, empty for none.
        model: name of the model that voted.
        automatic: a machine wrote it.

    Returns:
        The decision; doubtful mail goes to the triage route.
    """
    basis = Basis("", 0.0, 0.0, to_triage, automatic, message.language)
    if voted and voted.category:
        basis = replace(basis, category=voted.category, confidence=voted.confidence, earned=earned_by(voted))
    return replace(
        route(message, basis, routing, _doubt(voted, routing, to_triage)),
        neighbours=voted.neighbours if voted else (),
        views=voted.views if voted else (),
        model=model,
        judge=voted.standing.version if voted and voted.standing else "",
    )


def route(mail: Readable, basis: Basis, routing: Routing, doubt: str) -> Decision:
    """Walk the rules and fill in what they leave open.

    Args:
        mail: the mail.
        basis: what is known besides.
        routing: the operator's rules.
        doubt: why a person should sort it, empty when nobody needs to.

    Returns:
        The decision without its evidence.
    """
    category = basis.category
    applied = apply(routing.rules, mail, category, basis.confidence)
    then = applied.then
    if then.category is not None and not basis.to_triage:
        category, doubt = then.category, ""
    if then.action == "triage":
        doubt = doubt or f"rule {applied.set_by['action']}"
    found: Route = routing.triage if doubt or category not in routing.categories else routing.categories[category]
    return Decision(
        category=category,
        confidence=basis.confidence,
        needs_review=bool(doubt),
        review_reason=doubt,
        department=then.department or found.department,
        priority=Priority.LOW if basis.automatic else then.priority or found.priority,
        sla_hours=then.sla_hours if then.sla_hours is not None else found.sla_hours,
        tags=then.tags,
        ignore=then.action == "ignore",
        acknowledge=then.acknowledge is not False,
        rule=", ".join(dict.fromkeys(applied.set_by.values())) or "default",
        set_by=applied.set_by,
        rules_version=routing.version,
        basis=basis,
    )
