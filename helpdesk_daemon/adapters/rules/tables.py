"""The tables of routing.toml as an operator writes them; their schema for editors is made of these."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from helpdesk_daemon.adapters.rules.calendars import CalendarTable


class Strict(BaseModel):
    """Refuses unknown keys: a typo in a rule must not be a rule that never hits."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Words = Annotated[list[str], BeforeValidator(_as_list, json_schema_input_type=str | list[str])]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]
Emails = Annotated[list[Email], BeforeValidator(_as_list, json_schema_input_type=Email | list[Email])]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]
Languages = Annotated[list[Language], BeforeValidator(_as_list, json_schema_input_type=Language | list[Language])]
Level = Literal["High", "Medium", "Low"]
Action = Literal["ticket", "triage", "ignore"]
Hours = Annotated[float, Field(gt=0, le=24 * 366)]
Share = Annotated[float, Field(ge=0, le=1)]


class TermsTable(Strict):
    """What departments, categories and triage may say of promises."""

    calendar: str = ""
    """A `[calendar.NAME]` in which hours count; around the clock without one."""
    resolution_hours: Hours | None = None
    """Hours promised until the ticket is closed."""
    escalation: Emails = []
    """Who hears of a promise that was missed."""


class DepartmentTable(TermsTable):
    """`[department.NAME]`: who answers."""

    address: Email
    """Its mailbox; never one that this program reads."""
    agents: Words = []
    """Addresses, or "@domain" for everyone there, that may answer for it."""


class CategoryTable(TermsTable):
    """`[category.NAME]`: where mail that the classifier calls so goes."""

    department: str
    """Name of a `[department.NAME]`."""
    priority: Level
    """As agents see it."""
    sla_hours: Hours
    """Hours promised to the first answer."""


class PriorityTable(Strict):
    """`[priority.NAME]`: what `#priority NAME` promises."""

    sla_hours: Hours
    """Hours promised to the first answer."""


class TriageTable(TermsTable):
    """`[triage]`: where mail goes that nobody should guess about."""

    department: str
    """Name of a `[department.NAME]`."""
    priority: Level
    """As agents see it."""
    sla_hours: Hours
    """Hours promised to the first answer."""
    target_precision: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Share of the mail sorted without a person that should be sorted right."""
    min_confidence: Share | None = None
    """A fixed confidence instead of the target."""


class WhenTable(Strict):
    """`when` of a `[[rule]]`: all of it must hold; a list means any of its words."""

    sender: Words = []
    """The sender's address; * stands for anything."""
    domain: Words = []
    """The domain of the sender's address; * stands for anything."""
    recipient: Words = []
    """Any address the mail was sent to; * stands for anything."""
    subject: Words = []
    """Patterns found in the subject (RE2, any case)."""
    body: Words = []
    """Patterns found in the first 20,000 characters of the body (RE2, any case)."""
    header: dict[str, Words] = {}
    """By name of a header field: patterns found in one of its values (RE2, any case)."""
    language: Languages = []
    """Language the mail is written in, ISO 639-1: "de", "en"."""
    category: Words = []
    """The category so far: the classifier's, or that of an earlier rule."""
    confidence_below: Share | None = None
    """Confidence of the classifier under this."""
    confidence_at_least: Share | None = None
    """Confidence of the classifier at or over this."""
    attachment: Words = []
    """Name of an attached file; * stands for anything."""


class SetTable(Strict):
    """`set` of a `[[rule]]`: for each of these the first rule that matches wins."""

    category: str | None = None
    """Name of a `[category.NAME]`, instead of the classifier's."""
    department: str | None = None
    """Name of a `[department.NAME]`, instead of the category's."""
    priority: Level | None = None
    """Instead of the category's."""
    sla_hours: Hours | None = None
    """Hours promised to the first answer, instead of the category's."""
    tags: Words = []
    """Words kept on the ticket; those of all rules that match are taken together."""
    action: Action | None = None
    """triage: a person sorts it. ignore: it is kept and opens no ticket. ticket: later rules cannot do so."""
    acknowledge: bool | None = None
    """false: the customer gets no acknowledgement."""


class RuleTable(Strict):
    """One `[[rule]]`, read from the top."""

    name: Annotated[str, Field(min_length=1)]
    """Stands in every decision that it made."""
    when: WhenTable
    """What must hold."""
    set: SetTable
    """What follows."""


class SenderTable(SetTable):
    """One `[[sender]]`: a short rule on who wrote, read before all rules."""

    address: Annotated[Words, Field(min_length=1)]
    """Addresses, or "@domain" for everyone there; * stands for anything."""
    name: str = ""
    """Stands in every decision that it made; a number without one."""
    vip: bool = False
    """Tagged "vip", and of high priority unless it says another one."""
    blocked: bool = False
    """Its mail is kept and opens no ticket."""


class MailTable(Strict):
    """`mail` of a `[[case]]`: what is not said is empty."""

    sender: str = ""
    """Address it comes from."""
    recipient: Words = []
    """Addresses it goes to."""
    subject: str = ""
    """Its subject."""
    body: str = ""
    """Its text."""
    header: dict[str, str] = {}
    """Further header fields."""
    attachment: Words = []
    """Names of attached files."""
    language: Literal[""] | Language = ""
    """ISO 639-1."""
    category: str = ""
    """What the classifier is taken to say; without it, it says nothing."""
    confidence: Share = 1.0
    """How sure it is taken to be."""


class ExpectTable(SetTable):
    """`expect` of a `[[case]]`: what is not said is not looked at."""

    rule: str | None = None
    """Names of the rules that made the decision, or "default"."""


class CaseTable(Strict):
    """One `[[case]]`: a mail, and where it should go. `rules test` tries them."""

    name: Annotated[str, Field(min_length=1)]
    """What it shows."""
    mail: MailTable
    """The mail."""
    expect: ExpectTable
    """What should become of it."""


class RulesFile(Strict):
    """All of routing.toml."""

    triage: TriageTable
    category: dict[str, CategoryTable]
    department: dict[str, DepartmentTable]
    calendar: dict[str, CalendarTable] = {}
    priority: dict[Level, PriorityTable] = {}
    sender: list[SenderTable] = []
    rule: list[RuleTable] = []
    case: list[CaseTable] = []


def schema() -> dict[str, Any]:
    """The JSON Schema of routing.toml."""
    found = RulesFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "routing.schema.json", **found}
