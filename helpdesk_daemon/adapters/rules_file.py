"""Read routing.toml, the one file operators edit to say where mail goes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from helpdesk_daemon.adapters.calendars import CalendarTable, read_calendar
from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.tickets.calendar import ALWAYS
from helpdesk_daemon.tickets.ticket import Priority
from helpdesk_daemon.tomlfile import check, load_toml
from helpdesk_daemon.triage.rules import Conditions, Department, Route, Routing, Rule, Setting, Terms


class Strict(BaseModel):
    """Refuses unknown keys: a typo in a rule must not be a rule that never hits."""

    model_config = ConfigDict(extra="forbid")


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Words = Annotated[list[str], BeforeValidator(_as_list)]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]
Level = Literal["High", "Medium", "Low"]
MOST_WEEKS = 104  # a promise that takes longer was meant otherwise
Hours = Annotated[float, Field(gt=0, le=24 * 366)]
Share = Annotated[float, Field(ge=0, le=1)]


class TermsTable(Strict):
    """What departments, categories and triage may say of promises."""

    calendar: str = ""
    resolution_hours: Hours | None = None
    escalation: Annotated[list[Email], BeforeValidator(_as_list)] = []


class DepartmentTable(TermsTable):
    """`[department.NAME]`."""

    address: Email
    agents: Words = []


class CategoryTable(TermsTable):
    """`[category.NAME]`."""

    department: str
    priority: Level
    sla_hours: Hours


class PriorityTable(Strict):
    """`[priority.NAME]`: what `#priority NAME` promises."""

    sla_hours: Hours


class TriageTable(TermsTable):
    """`[triage]`."""

    department: str
    priority: Level
    sla_hours: Hours
    target_precision: Annotated[float, Field(gt=0, lt=1)] = 0.8
    min_confidence: Share | None = None


class WhenTable(Strict):
    """`when` of a `[[rule]]`."""

    sender: Words = []
    domain: Words = []
    recipient: Words = []
    subject: Words = []
    body: Words = []
    header: dict[str, Words] = {}
    category: Words = []
    confidence_below: Share | None = None
    confidence_at_least: Share | None = None
    attachment: Words = []


class SetTable(Strict):
    """`set` of a `[[rule]]`."""

    category: str | None = None
    department: str | None = None
    priority: Level | None = None
    sla_hours: Hours | None = None
    tags: Words = []
    action: Literal["ticket", "triage", "ignore"] | None = None
    acknowledge: bool | None = None


class RuleTable(Strict):
    """One `[[rule]]`."""

    name: str
    when: WhenTable
    set: SetTable


class RulesFile(Strict):
    """All of routing.toml."""

    triage: TriageTable
    category: dict[str, CategoryTable]
    department: dict[str, DepartmentTable]
    calendar: dict[str, CalendarTable] = {}
    priority: dict[Level, PriorityTable] = {}
    rule: list[RuleTable] = []


class _Reader:
    """Turns checked tables into values, resolving names."""

    def __init__(self, path: Path, file: RulesFile) -> None:
        self.path, self.file = str(path), file
        self.calendars = {n: read_calendar(self.path, n, table, date.today()) for n, table in file.calendar.items()}
        self.departments = {
            name: Department(
                name, table.address.lower(), tuple(a.lower() for a in table.agents),
                self.terms(table, f"department.{name}"),
            )
            for name, table in file.department.items()
        }  # fmt: skip

    def department(self, name: str, key: str) -> Department:
        if name not in self.departments:
            known = ", ".join(self.departments) or "none yet"
            raise ConfigError(
                self.path,
                key,
                f"unknown department {name!r}",
                f'Known: {known}; or add [department."{name}"]',
            )
        return self.departments[name]

    def category(self, name: str, key: str) -> str:
        if name not in self.file.category:
            raise ConfigError(self.path, key, f"unknown category {name!r}", f"Known: {', '.join(self.file.category)}")
        return name

    def patterns(self, words: list[str], key: str) -> tuple[re.Pattern[str], ...]:
        found = []
        for word in words:
            try:
                found.append(re.compile(word, re.IGNORECASE))
            except re.error as error:
                mend = "Escape special characters with a backslash"
                raise ConfigError(self.path, key, f"{word!r} is not a pattern: {error}", mend) from error
        return tuple(found)

    def terms(self, table: TermsTable, key: str) -> Terms:
        if table.calendar and table.calendar not in self.calendars:
            known = ", ".join(self.calendars) or "none yet"
            mend = f"Known: {known}; or add [calendar.{table.calendar}]"
            raise ConfigError(self.path, f"{key}.calendar", f"unknown calendar {table.calendar!r}", mend)
        escalation = tuple(dict.fromkeys(a.lower() for a in table.escalation))
        return Terms(self.calendars.get(table.calendar), table.resolution_hours, escalation)

    def route(self, table: CategoryTable | TriageTable, key: str) -> Route:
        department, terms = self.department(table.department, f"{key}.department"), self.terms(table, key)
        calendar = terms.calendar or department.terms.calendar or ALWAYS
        if table.sla_hours > MOST_WEEKS * calendar.weekly_hours:
            problem = f"{table.sla_hours:g} hours take over {MOST_WEEKS // 52} years in calendar {calendar.name}"
            raise ConfigError(self.path, f"{key}.sla_hours", problem, "Hours count only while the calendar is open")
        return Route(department, Priority(table.priority), table.sla_hours, terms)

    def rule(self, number: int, table: RuleTable) -> Rule:
        key, when, then = f"rule.{number}", table.when, table.set
        if when == WhenTable():
            raise ConfigError(self.path, f"{key}.when", "matches everything", "Say when the rule holds")
        conditions = Conditions(
            sender=tuple(when.sender),
            domain=tuple(when.domain),
            recipient=tuple(when.recipient),
            subject=self.patterns(when.subject, f"{key}.when.subject"),
            body=self.patterns(when.body, f"{key}.when.body"),
            header={n: self.patterns(w, f"{key}.when.header.{n}") for n, w in when.header.items()},
            category=tuple(self.category(c, f"{key}.when.category") for c in when.category),
            confidence_below=when.confidence_below,
            confidence_at_least=when.confidence_at_least,
            attachment=tuple(when.attachment),
        )
        setting = Setting(
            category=None if then.category is None else self.category(then.category, f"{key}.set.category"),
            department=None if then.department is None else self.department(then.department, f"{key}.set.department"),
            priority=None if then.priority is None else Priority(then.priority),
            sla_hours=then.sla_hours,
            tags=tuple(then.tags),
            action=then.action,
            acknowledge=then.acknowledge,
        )
        return Rule(table.name, conditions, setting)


def load_routing(path: Path, polled: frozenset[str] = frozenset()) -> Routing:
    """Read and check routing.toml.

    Args:
        path: the file.
        polled: addresses whose mail we poll; a department there would be a loop.

    Raises:
        ConfigError: the first thing that is wrong.
    """
    file = check(path, RulesFile, load_toml(path))
    reader = _Reader(path, file)
    for key, address in _written_to(file):
        if re.sub(r"\+[^@]*@", "@", address) in polled:
            problem = f"{address} is a mailbox we poll, so what is sent there would come back"
            mend = "Name a mailbox that people read"
            raise ConfigError(str(path), key, problem, mend)
    return Routing(
        categories={name: reader.route(table, f"category.{name}") for name, table in file.category.items()},
        triage=reader.route(file.triage, "triage"),
        target_precision=file.triage.target_precision,
        min_confidence=file.triage.min_confidence,
        rules=tuple(reader.rule(number, table) for number, table in enumerate(file.rule, 1)),
        departments=reader.departments,
        version=hashlib.sha256(path.read_bytes()).hexdigest(),
        priorities={Priority(name): table.sla_hours for name, table in file.priority.items()},
    )


def _written_to(file: RulesFile) -> Iterator[tuple[str, str]]:
    """Every address that mail is sent to, with its key."""
    for name, department in file.department.items():
        yield f"department.{name}.address", department.address.lower()
    tables: dict[str, TermsTable] = {"triage": file.triage}
    tables |= {f"department.{name}": table for name, table in file.department.items()}
    tables |= {f"category.{name}": category for name, category in file.category.items()}
    for key, table in tables.items():
        yield from ((f"{key}.escalation", address.lower()) for address in table.escalation)
