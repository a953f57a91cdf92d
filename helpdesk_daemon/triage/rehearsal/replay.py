"""Old mails through other rules: what would have gone elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime

from helpdesk_daemon.tickets.ticket import Priority
from helpdesk_daemon.triage.decide import Basis, Decision, route
from helpdesk_daemon.triage.rules import Readable, Routing


class GoneError(Exception):
    """What rules ask for is no longer kept of a mail."""


@dataclass(frozen=True, slots=True)
class Placement:
    """What became of a mail, as far as rules decide it.

    Attributes:
        ignored: no ticket opened, and nothing else counts.
        department: its name.
        address: where its mail goes, empty when that is not known any more.
        category: the category, empty when there is none.
        priority: see `Priority`.
        sla_hours: hours promised to the first answer.
        needs_review: a person has to sort it.
        tags: words on the ticket.
        acknowledge: whether the customer is answered; None where rules have no say in it.
    """

    ignored: bool
    department: str = ""
    address: str = ""
    category: str = ""
    priority: Priority | None = None
    sla_hours: float = 0.0
    needs_review: bool = False
    tags: tuple[str, ...] = ()
    acknowledge: bool | None = None

    def unlike(self, other: Placement) -> tuple[str, ...]:
        """Names of what differs."""
        if self.ignored or other.ignored:
            return () if self.ignored and other.ignored else ("ignored",)
        unsaid = [("address", ""), ("acknowledge", None)]
        return tuple(
            f.name
            for f in fields(self)
            if (mine := getattr(self, f.name)) != (theirs := getattr(other, f.name))
            and (f.name, mine) not in unsaid
            and (f.name, theirs) not in unsaid
        )


IGNORED = Placement(True)


@dataclass(frozen=True, slots=True)
class Past:
    """A mail that was decided.

    Attributes:
        arrival: its number.
        ticket: tracking ID, empty when none opened.
        at: when it was decided.
        mail: what rules read of it; reading may raise `GoneError`.
        basis: what was known besides.
        was: what became of it.
        rule: names of the rules that decided.
    """

    arrival: int
    ticket: str
    at: datetime
    mail: Readable
    basis: Basis
    was: Placement
    rule: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A mail that would have gone elsewhere.

    Attributes:
        past: the mail.
        now: what would become of it.
        rule: names of the rules that would decide.
        what: names of what differs.
        already: the rules in use would do the same; only what happened then was otherwise.
    """

    past: Past
    now: Placement
    rule: str
    what: tuple[str, ...]
    already: bool


@dataclass(slots=True)
class Comparison:
    """What trying rules on old mails led to.

    Attributes:
        tried: how many mails.
        gone: how many of them could not be tried, as too little is kept of them.
        differences: in the order of the mails.
    """

    tried: int = 0
    gone: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def new(self) -> list[Difference]:
        """Those that the rules in use would not bring by themselves."""
        return [d for d in self.differences if not d.already]


def placed(decision: Decision) -> Placement:
    """A decision as a placement."""
    if decision.ignore:
        return IGNORED
    return Placement(
        False, decision.department.name, decision.department.address, decision.category, decision.priority,
        decision.sla_hours, decision.needs_review, decision.tags, decision.acknowledge,
    )  # fmt: skip


def replayed(mail: Readable, basis: Basis, routing: Routing) -> Decision:
    """What rules decide on a mail of which only the basis is known.

    Raises:
        GoneError: they ask for what is no longer kept.
    """
    return route(mail, basis, routing, basis.doubt(routing))


def compare(past: Iterable[Past], current: Routing, new: Routing) -> Comparison:
    """Try new rules on old mails.

    Args:
        past: the mails.
        current: the rules in use.
        new: those to be tried.
    """
    found = Comparison()
    for one in past:
        found.tried += 1
        try:
            decision = replayed(one.mail, one.basis, new)
            now = placed(decision)
            if what := one.was.unlike(now):
                already = not placed(replayed(one.mail, one.basis, current)).unlike(now)
                found.differences.append(Difference(one, now, decision.rule, what, already))
        except GoneError:
            found.gone += 1
    return found
