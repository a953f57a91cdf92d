"""What the pages behind the sign-in work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from helpdesk_daemon.errors import Refused
from helpdesk_daemon.ports import Audit, Clock, Label
from helpdesk_daemon.ports.console import ExampleFilter, RulesText
from helpdesk_daemon.ports.web import Row
from helpdesk_daemon.settings import Settings
from helpdesk_daemon.triage.rehearsal.findings import Finding
from helpdesk_daemon.triage.rehearsal.replay import Comparison
from helpdesk_daemon.triage.rules import Routing
from helpdesk_daemon.triage.text import judged_text

if TYPE_CHECKING:
    from helpdesk_daemon.adapters.tickets_csv import Tickets
    from helpdesk_daemon.web.console import Console

DAYS = 30  # of mail that rules are tried on


def console_of(settings: Settings, engine: Engine, looking: Engine, clock: Clock) -> Console:
    """Doors to the database and to the rules, for people with an account."""
    from helpdesk_daemon.adapters.store.access.console import ConsoleMail, ConsoleMailWrites, ConsoleTickets
    from helpdesk_daemon.adapters.store.access.users import Sessions, Users
    from helpdesk_daemon.adapters.store.views.waiting import waiting
    from helpdesk_daemon.lanes import Lane
    from helpdesk_daemon.web.console import Console

    return Console(
        sign_in=Sessions(engine, looking, clock), accounts=Users(engine, clock, looking), prove=Lane("web-prove"),
        slow=Lane("web-slow"), waiting=lambda: waiting(looking), tickets=ConsoleTickets(looking),
        mail=ConsoleMail(looking), mail_acts=ConsoleMailWrites(engine, clock),
        examples=ExampleRoom(settings, engine, looking, clock), rules=RulesRoom(settings, engine, looking, clock),
    )  # fmt: skip


class ExampleRoom:
    """`ExampleDesk` on the database, by the functions of `examples`."""

    def __init__(self, settings: Settings, engine: Engine, looking: Engine, clock: Clock) -> None:
        self._settings, self._engine, self._looking, self._clock = settings, engine, looking, clock

    def listed(self, wanted: ExampleFilter, before: int, limit: int) -> list[Row]:
        """See `ExampleDesk.listed`."""
        from helpdesk_daemon.adapters.store.learning.curation import Chosen, listed

        chosen = Chosen(source=wanted.source, person=wanted.person, category=wanted.category)
        return [*listed(self._looking, chosen, wanted.state, limit, before)]

    def counted(self) -> Row:
        """See `ExampleDesk.counted`."""
        from helpdesk_daemon.adapters.store.learning.curation import counted

        return counted(self._looking)

    def add(self, subject: str, body: str, category: str, actor: str) -> None:
        """See `ExampleDesk.add`."""
        from helpdesk_daemon.adapters.store import audit
        from helpdesk_daemon.adapters.store.engine import transaction
        from helpdesk_daemon.adapters.store.mail.labels import learn

        text = judged_text(subject, body)
        if not text:
            raise Refused("the example has no words")
        if category not in self._categories():
            raise Refused(f"routing.toml has no category {category!r}")
        with transaction(self._engine) as connection:
            line = learn(connection, Label(text, category, "", actor), self._clock.now())
            audit.append(connection, [line] if line else [], self._clock.now())

    def _categories(self) -> dict[str, None]:
        from helpdesk_daemon.wiring.desks import routings_of

        return {name: None for routing in routings_of(self._settings).values() for name in routing.categories}

    def withdraw(self, numbers: Sequence[int], actor: str) -> int:
        """See `ExampleDesk.withdraw`."""
        from helpdesk_daemon.adapters.store.learning.curation import Chosen, withdraw

        return len(withdraw(self._engine, self._clock, Chosen(tuple(numbers)), actor)[1]) if numbers else 0

    def restore(self, numbers: Sequence[int], actor: str) -> int:
        """See `ExampleDesk.restore`."""
        from helpdesk_daemon.adapters.store.learning.curation import Chosen, restore

        return len(restore(self._engine, self._clock, Chosen(tuple(numbers)), actor)[0]) if numbers else 0

    def prepared(
        self, name: str, content: bytes, columns: Mapping[str, str], renamed: Mapping[str, str], skip: bool, actor: str
    ) -> Callable[[], object]:
        """See `ExampleDesk.prepared`."""
        from helpdesk_daemon.adapters.import_examples import check_categories
        from helpdesk_daemon.wiring.voting import import_tickets

        tickets, categories = _read(content, columns, renamed), self._categories()
        if skip:
            tickets = tickets.pick([i for i, label in enumerate(tickets.labels) if label in categories])
        check_categories(name, tickets, categories)
        if not len(tickets):
            raise Refused("no row has words and a label")
        return lambda: import_tickets(self._settings, tickets, name, actor)


def _read(content: bytes, columns: Mapping[str, str], renamed: Mapping[str, str]) -> Tickets:
    """A CSV file that came by a form; it lies on the disk only while it is read, as it holds what customers wrote."""
    from helpdesk_daemon.adapters.tickets_csv import read_tickets

    with NamedTemporaryFile(suffix=".csv") as file:
        file.write(content)
        file.flush()
        return read_tickets(Path(file.name), columns, renamed)


class RulesRoom:
    """`RulesDesk` on the files, by the functions of `rules check` and `rules diff`."""

    def __init__(self, settings: Settings, engine: Engine, looking: Engine, clock: Clock) -> None:
        self._settings, self._engine, self._looking, self._clock = settings, engine, looking, clock

    def files(self) -> list[RulesText]:
        """See `RulesDesk.files`."""
        from helpdesk_daemon.adapters.rules.edit import digest
        from helpdesk_daemon.tomlfile import read_file
        from helpdesk_daemon.wiring.desks import rules_files
        from helpdesk_daemon.wiring.places import shipped

        ours, found = shipped("rules/routing.toml"), []
        for path, names in rules_files(self._settings).items():
            content = read_file(path)
            text = content.decode("utf-8", "replace")
            editable = path != ours and text.encode() == content
            found.append(RulesText(str(path), tuple(names), editable, text.replace("\r\n", "\n"), digest(content)))
        return found

    def parsed(self, file: RulesText, text: str) -> Routing | list[Finding]:
        """See `RulesDesk.parsed`."""
        from helpdesk_daemon.adapters.rules.file import read_rules

        return read_rules(text.encode(), file.file, self._settings.polled)

    def odd(self, file: RulesText, text: str) -> list[Finding]:
        """See `RulesDesk.odd`."""
        from helpdesk_daemon.wiring.rules import check_rules

        now = self._clock.now()
        return check_rules(text.encode(), file.file, self._settings, self._looking, file.mailboxes, now, DAYS)

    def compared(self, file: RulesText, text: str) -> Comparison:
        """See `RulesDesk.compared`."""
        from helpdesk_daemon.adapters.rules.file import parse_routing
        from helpdesk_daemon.wiring.rules import compare_rules

        polled = self._settings.polled
        present, new = (parse_routing(each.encode(), file.file, polled) for each in (file.text, text))
        return compare_rules(present, new, self._looking, file.mailboxes, self._clock.now(), DAYS)

    def edited(self, text: str, table: str, name: str, values: Mapping[str, object]) -> str:
        """See `RulesDesk.edited`."""
        from helpdesk_daemon.adapters.rules.edit import edited

        return edited(text, table, name, values)

    def save(self, file: RulesText, text: str, version: str, actor: str) -> None:
        """See `RulesDesk.save`."""
        from helpdesk_daemon.adapters.rules.edit import save
        from helpdesk_daemon.adapters.store.upkeep.operate import note

        found = self.parsed(file, text)
        if not file.editable:
            raise Refused("this file comes with the program: name one of your own in settings.toml")
        if not isinstance(found, Routing):
            raise Refused(f"line {found[0].line}: {found[0].problem}")
        saved = save(Path(file.file), text, version)
        detail = {"file": file.file, "from": version, "to": saved}
        note(self._engine, self._clock, Audit("rules.saved", detail, actor=actor))
