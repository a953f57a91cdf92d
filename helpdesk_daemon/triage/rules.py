"""Operators' routing rules as values, and the walk over them. First match wins for each thing set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Protocol

from helpdesk_daemon.mail.message import Address, Headers
from helpdesk_daemon.tickets.calendar import Calendar
from helpdesk_daemon.tickets.ticket import Priority
from helpdesk_daemon.triage.rehearsal.cases import RoutingCase

# How much rules look at: patterns are the operator's, the text a stranger's.
TEXT_CHARS = 20_000  # of a body, of one value of a header
VALUES = 1_000  # of one header, of recipients, of attachments


class Pattern(Protocol):
    """A compiled pattern whose time is linear in the text."""

    @property
    def pattern(self) -> str:
        """As the operator wrote it."""

    def search(self, text: str, /) -> object | None:
        """A match anywhere in a text, or None."""


class Named(Protocol):
    """A file."""

    @property
    def name(self) -> str:
        """Its name."""


class Readable(Protocol):
    """What rules read of a mail: a `Message`, or one that was decided long ago."""

    @property
    def sender(self) -> Address:
        """Who wrote."""

    @property
    def recipients(self) -> tuple[str, ...]:
        """Every address it was sent to."""

    @property
    def subject(self) -> str:
        """Decoded, one line."""

    @property
    def text(self) -> str:
        """The whole body."""

    @property
    def headers(self) -> Headers:
        """Every header field."""

    @property
    def attachments(self) -> Sequence[Named]:
        """Its files."""

    @property
    def language(self) -> str:
        """ISO 639-1 code, empty when unknown."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is said of promises besides the hours to the first answer; None and empty for what is not said.

    Attributes:
        calendar: in which the hours count.
        resolution_hours: promised until the ticket is closed.
        escalation: who hears of a promise that was missed.
    """

    calendar: Calendar | None = None
    resolution_hours: float | None = None
    escalation: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Department:
    """Who answers.

    Attributes:
        name: as shown to agents.
        address: its mailbox.
        agents: addresses, or `@domain` for everyone there, that may answer for it.
        terms: how it keeps its promises.
    """

    name: str
    address: str
    agents: tuple[str, ...] = ()
    terms: Terms = Terms()

    def has_agent(self, email: str) -> bool:
        """Whether an address may answer for this department; its own mailbox always may."""
        allowed = (self.address, *self.agents)
        return any(email == a.lower() or (a.startswith("@") and email.endswith(a.lower())) for a in allowed)


@dataclass(frozen=True, slots=True)
class Route:
    """Where mail of one category goes.

    Attributes:
        department: who gets it.
        priority: see `Priority`.
        sla_hours: hours promised to the first answer.
        terms: what it says of promises otherwise, instead of its department.
    """

    department: Department
    priority: Priority
    sla_hours: float
    terms: Terms = Terms()


@dataclass(frozen=True, slots=True)
class Setting:
    """What a rule sets; None and empty leave a thing to later rules and the category.

    Attributes:
        category: replaces the voted category.
        department: replaces the category's department.
        priority: replaces the category's priority.
        sla_hours: replaces the category's promise.
        tags: words kept on the ticket.
        action: `ticket`, `triage` (a person sorts it) or `ignore`.
        acknowledge: False keeps the customer's acknowledgement back.
    """

    category: str | None = None
    department: Department | None = None
    priority: Priority | None = None
    sla_hours: float | None = None
    tags: tuple[str, ...] = ()
    action: str | None = None
    acknowledge: bool | None = None


@dataclass(frozen=True, slots=True)
class Conditions:
    """What must hold for a rule: every condition given, any alternative within one.

    Attributes:
        sender: globs on the sender's address.
        domain: globs on the sender's domain.
        recipient: globs on any address the mail was sent to.
        subject: patterns found in the subject.
        body: patterns found in the body.
        header: header name to patterns found in one of its values.
        category: the category so far.
        confidence_below: confidence of the vote under this, 0 to 1.
        confidence_at_least: confidence of the vote at or over this, 0 to 1.
        attachment: globs on an attachment's file name.
        language: ISO 639-1 codes.
    """

    sender: tuple[str, ...] = ()
    domain: tuple[str, ...] = ()
    recipient: tuple[str, ...] = ()
    subject: tuple[Pattern, ...] = ()
    body: tuple[Pattern, ...] = ()
    header: Mapping[str, tuple[Pattern, ...]] = field(default_factory=dict)
    category: tuple[str, ...] = ()
    confidence_below: float | None = None
    confidence_at_least: float | None = None
    attachment: tuple[str, ...] = ()
    language: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One `[[rule]]` of routing.toml, or what a `[[sender]]` stands for; `key` is where it is written."""

    name: str
    when: Conditions
    then: Setting
    key: str = ""


@dataclass(frozen=True, slots=True)
class Routing:
    """All of routing.toml, checked.

    Attributes:
        categories: category to its route.
        triage: where mail goes that nobody should guess about.
        target_precision: share of the mail sorted without a person that should be sorted right, 0 to 1.
        min_confidence: below this a person sorts the mail, whatever the target; None leaves it to the target.
        rules: in the order of the file.
        departments: by name.
        version: digest of the file, kept with every decision.
        priorities: what a ticket is promised when a person gives it another priority, where that is said.
        cases: expected routes, to be tried on demand.
        text: of the file.
    """

    categories: Mapping[str, Route]
    triage: Route
    target_precision: float
    min_confidence: float | None
    rules: tuple[Rule, ...]
    departments: Mapping[str, Department]
    version: str
    priorities: Mapping[Priority, float] = field(default_factory=dict)
    cases: tuple[RoutingCase, ...] = ()
    text: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Applied:
    """What the rules set together, which rule set what, and all that held."""

    then: Setting
    set_by: Mapping[str, str]
    held: tuple[Rule, ...] = ()


def _globs(patterns: tuple[str, ...], values: Iterable[str]) -> bool:
    return any(fnmatchcase(value.lower(), pattern.lower()) for value in values for pattern in patterns)


def _found(patterns: tuple[Pattern, ...], values: Iterable[str]) -> bool:
    return any(pattern.search(value[:TEXT_CHARS]) for value in values for pattern in patterns)


def holds(when: Conditions, mail: Readable, category: str, confidence: float) -> bool:
    """Whether every condition given holds for a mail. What costs least is asked first.

    Args:
        when: the conditions.
        mail: the mail.
        category: its category so far.
        confidence: of the vote, 0 to 1.
    """
    return (
        (not when.category or category in when.category)
        and (when.confidence_below is None or confidence < when.confidence_below)
        and (when.confidence_at_least is None or confidence >= when.confidence_at_least)
        and (not when.language or mail.language in when.language)
        and (not when.sender or _globs(when.sender, [mail.sender.email]))
        and (not when.domain or _globs(when.domain, [mail.sender.domain]))
        and (not when.subject or _found(when.subject, [mail.subject]))
        and (not when.attachment or _globs(when.attachment, [a.name for a in mail.attachments[:VALUES]]))
        and (not when.recipient or _globs(when.recipient, mail.recipients[:VALUES]))
        and all(_found(p, mail.headers.get_all(name)[:VALUES]) for name, p in when.header.items())
        and (not when.body or _found(when.body, [mail.text]))
    )


THINGS = ("category", "department", "priority", "sla_hours", "action", "acknowledge")


def apply(rules: tuple[Rule, ...], mail: Readable, category: str, confidence: float) -> Applied:
    """Walk the rules in order; for each thing, the first rule that sets it wins.

    A rule further down sees the category an earlier one set.
    """
    values: dict[str, object] = {}
    set_by: dict[str, str] = {}
    tags: list[str] = []
    held: list[Rule] = []
    for rule in rules:
        if not holds(rule.when, mail, category, confidence):
            continue
        held.append(rule)
        for thing in THINGS:
            value = getattr(rule.then, thing)
            if value is not None and thing not in values:
                values[thing], set_by[thing] = value, rule.name
        for tag in rule.then.tags:
            if tag not in tags:
                tags.append(tag)
                set_by[f"tag {tag}"] = rule.name
        category = str(values.get("category", category))
    return Applied(Setting(tags=tuple(tags), **values), set_by, tuple(held))  # type: ignore[arg-type]
