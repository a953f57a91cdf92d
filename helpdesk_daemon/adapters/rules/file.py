"""Read routing.toml, the one file operators edit to say where mail goes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from pydantic import ValidationError

from helpdesk_daemon.adapters.rules.calendars import read_calendar
from helpdesk_daemon.adapters.rules.patterns import BadPattern, compile_pattern
from helpdesk_daemon.adapters.rules.tables import (
    CaseTable,
    CategoryTable,
    RulesFile,
    RuleTable,
    SenderTable,
    SetTable,
    TermsTable,
    TriageTable,
    WhenTable,
)
from helpdesk_daemon.adapters.rules.toml_lines import line_of, line_said
from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.mail.message import Address, Attachment, Headers
from helpdesk_daemon.tickets.calendar import ALWAYS
from helpdesk_daemon.tickets.ticket import Priority
from helpdesk_daemon.tomlfile import complaint, parse_toml, read_file
from helpdesk_daemon.triage.rehearsal.cases import RoutingCase, Written
from helpdesk_daemon.triage.rehearsal.findings import Finding, Kind
from helpdesk_daemon.triage.rules import Conditions, Department, Pattern, Route, Routing, Rule, Setting, Terms

MOST_WEEKS = 104  # a promise that takes longer was meant otherwise
VIP = "vip"


def load_routing(path: Path, polled: frozenset[str] = frozenset()) -> Routing:
    """Read and check routing.toml.

    Args:
        path: the file.
        polled: addresses whose mail we poll; a department there would be a loop.

    Raises:
        ConfigError: the first thing that is wrong.
    """
    return parse_routing(read_file(path), str(path), polled)


def parse_routing(content: bytes, file: str, polled: frozenset[str] = frozenset()) -> Routing:
    """The same of what a file holds, or would hold; nothing is read or written.

    Args:
        content: UTF-8.
        file: its name, for complaints.
        polled: see `load_routing`.

    Raises:
        ConfigError: the first thing that is wrong; its file names the line as well.
    """
    found = read_rules(content, file, polled)
    if isinstance(found, Routing):
        return found
    first = found[0]
    raise ConfigError(f"{file}:{first.line}" if first.line else file, first.key, first.problem, first.mend)


def errors_of(content: bytes, file: str, polled: frozenset[str] = frozenset()) -> list[Finding]:
    """All that keeps a text from being used as rules, as far as it can be told at once; see `parse_routing`."""
    found = read_rules(content, file, polled)
    return [] if isinstance(found, Routing) else found


def located(findings: Iterable[Finding], content: bytes) -> list[Finding]:
    """Findings with the lines they are about, in the order of the file."""
    text = content.decode("utf-8", "replace")
    return sorted((f.at(line_of(text, f.key.split(".")), text) for f in findings), key=lambda f: f.line)


def read_rules(content: bytes, file: str, polled: frozenset[str] = frozenset()) -> Routing | list[Finding]:
    """The rules in a text, or what keeps it from being used; see `parse_routing`."""
    text = content.decode("utf-8", "replace")
    try:
        tables = parse_toml(content, file)
    except ConfigError as error:
        return [_finding(error).at(line_said(error.problem, text), text)]
    try:
        return _Reader(file, RulesFile.model_validate(tables), polled).routing(content)
    except ValidationError as error:
        said_all = [complaint(Path(file), RulesFile, error, number) for number in range(error.error_count())]
        steps = [[str(s + 1) if isinstance(s, int) else s for s in e["loc"]] for e in error.errors()]
        return [
            _finding(wrong, ".".join(way)).at(line_of(text, way), text)
            for wrong, way in zip(said_all, steps, strict=True)
        ]
    except ConfigError as error:
        return [_finding(error).at(line_of(text, error.key.split(".")), text)]


def _finding(error: ConfigError, key: str = "") -> Finding:
    return Finding(Kind.ERROR, key or error.key, error.problem, error.mend)


class _Reader:
    """Turns checked tables into values, resolving names."""

    def __init__(self, path: str, file: RulesFile, polled: frozenset[str]) -> None:
        self.path, self.file = path, file
        self.calendars = {n: read_calendar(self.path, n, table, date.today()) for n, table in file.calendar.items()}
        self.departments = {
            name: Department(
                name, table.address.lower(), tuple(a.lower() for a in table.agents),
                self.terms(table, f"department.{name}"),
            )
            for name, table in file.department.items()
        }  # fmt: skip
        for key, address in _written_to(file):
            if re.sub(r"\+[^@]*@", "@", address) in polled:
                problem = f"{address} is a mailbox we poll, so what is sent there would come back"
                raise ConfigError(path, key, problem, "Name a mailbox that people read")

    def routing(self, content: bytes) -> Routing:
        """All of it."""
        file = self.file
        senders = [self.sender(number, table) for number, table in enumerate(file.sender, 1)]
        return Routing(
            categories={name: self.route(table, f"category.{name}") for name, table in file.category.items()},
            triage=self.route(file.triage, "triage"),
            target_precision=file.triage.target_precision,
            min_confidence=file.triage.min_confidence,
            rules=(*senders, *(self.rule(number, table) for number, table in enumerate(file.rule, 1))),
            departments=self.departments,
            version=hashlib.sha256(content).hexdigest(),
            text=content.decode("utf-8"),
            priorities={Priority(name): table.sla_hours for name, table in file.priority.items()},
            cases=tuple(self.case(number, table) for number, table in enumerate(file.case, 1)),
        )

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

    def patterns(self, words: Sequence[str], key: str) -> tuple[Pattern, ...]:
        found = []
        for word in words:
            try:
                found.append(compile_pattern(word))
            except BadPattern as error:
                raise ConfigError(self.path, key, f"{word!r} is not a pattern: {error}", error.mend) from error
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
        key, when = f"rule.{number}", table.when
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
            language=tuple(when.language),
        )
        return Rule(table.name, conditions, self.setting(table.set, f"{key}.set"), key)

    def setting(self, then: SetTable, key: str) -> Setting:
        return Setting(
            category=None if then.category is None else self.category(then.category, f"{key}.category"),
            department=None if then.department is None else self.department(then.department, f"{key}.department"),
            priority=None if then.priority is None else Priority(then.priority),
            sla_hours=then.sla_hours,
            tags=tuple(then.tags),
            action=then.action,
            acknowledge=then.acknowledge,
        )

    def sender(self, number: int, table: SenderTable) -> Rule:
        """A `[[sender]]` as the rule that it stands for."""
        key, then = f"sender.{number}", self.setting(table, f"sender.{number}")
        if table.blocked and table.model_fields_set - {"address", "name", "blocked"}:
            raise ConfigError(
                self.path, f"{key}.blocked", "nothing else counts of a blocked sender", "Leave out the rest"
            )
        if then == Setting() and not (table.blocked or table.vip):
            mend = "Say blocked, vip, or what its mail is given"
            raise ConfigError(self.path, key, "nothing follows from it", mend)
        if table.blocked:
            then = Setting(action="ignore")
        elif table.vip:
            then = replace(then, priority=then.priority or Priority.HIGH, tags=(VIP, *then.tags))
        addresses = tuple(f"*{a}" if a.startswith("@") else a for a in table.address)
        return Rule(f"sender {table.name or number}", Conditions(sender=addresses), then, key)

    def case(self, number: int, table: CaseTable) -> RoutingCase:
        key, mail, expect = f"case.{number}", table.mail, table.expect
        setting = self.setting(expect, f"{key}.expect")
        expected = {name: getattr(setting, name) for name in expect.model_fields_set if name != "rule"}
        if expect.rule is not None:
            expected["rule"] = expect.rule
        if not expected:
            raise ConfigError(self.path, f"{key}.expect", "expects nothing", "Say where the mail should go")
        written = Written(
            Address("", mail.sender.lower()), tuple(a.lower() for a in mail.recipient), mail.subject, mail.body,
            Headers(tuple(mail.header.items())), tuple(Attachment(name, "", b"") for name in mail.attachment),
            mail.language,
        )  # fmt: skip
        category = self.category(mail.category, f"{key}.mail.category") if mail.category else ""
        return RoutingCase(table.name, written, category, mail.confidence, expected)


def _written_to(file: RulesFile) -> Iterator[tuple[str, str]]:
    """Every address that mail is sent to, with its key."""
    for name, department in file.department.items():
        yield f"department.{name}.address", department.address.lower()
    tables: dict[str, TermsTable] = {"triage": file.triage}
    tables |= {f"department.{name}": table for name, table in file.department.items()}
    tables |= {f"category.{name}": category for name, category in file.category.items()}
    for key, table in tables.items():
        yield from ((f"{key}.escalation", address.lower()) for address in table.escalation)
