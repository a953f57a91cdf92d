"""Rules looked at before they are used: by what they say, and by the mail that came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from helpdesk_daemon.adapters.rules.file import errors_of, load_routing, located, parse_routing
from helpdesk_daemon.adapters.store.rules.past import decided_since
from helpdesk_daemon.adapters.store.rules.rule_versions import last_used
from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.settings import Settings
from helpdesk_daemon.triage.rehearsal.findings import Finding
from helpdesk_daemon.triage.rehearsal.replay import Comparison, compare
from helpdesk_daemon.triage.rehearsal.shadows import shadows
from helpdesk_daemon.triage.rehearsal.usage import findings_of, oddities, usage_of
from helpdesk_daemon.triage.rules import Routing
from helpdesk_daemon.wiring.desks import rules_files

MOST_MAILS = 50_000  # that rules are tried on


def check_rules(
    content: bytes, file: str, settings: Settings, engine: Engine | None, mailboxes: Sequence[str], now: datetime,
    days: int,
) -> list[Finding]:  # fmt: skip
    """All that is wrong or odd about rules, in the order of their lines.

    Args:
        content: of the file, UTF-8, saved or not.
        file: its name, for complaints.
        settings: which addresses are ours.
        engine: the database with the mails that came; None for none.
        mailboxes: names of those that the rules are for.
        now: the present moment.
        days: how far back mails are tried.
    """
    if errors := errors_of(content, file, settings.polled):
        return errors
    routing = parse_routing(content, file, settings.polled)
    found = [*shadows(routing.rules), *oddities(routing, settings.own_addresses)]
    if engine is not None:
        past = decided_since(engine, now - timedelta(days=days), MOST_MAILS, mailboxes, {})
        surely = {finding.key for finding in found}
        found += [f for f in findings_of(routing, usage_of(routing, past), days) if f.key not in surely]
    return located(found, content)


def compare_rules(
    current: Routing, new: Routing, engine: Engine, mailboxes: Sequence[str], now: datetime, days: int
) -> Comparison:
    """What new rules would have done with the mail of the last days.

    Args:
        current: the rules in use.
        new: those to be tried; see `parse_routing`.
        engine: the database, perhaps for looking only.
        mailboxes: names of those that the rules are for.
        now: the present moment.
        days: how far back.
    """
    addresses = {name: department.address for name, department in current.departments.items()}
    since = now - timedelta(days=days)
    return compare(decided_since(engine, since, MOST_MAILS, mailboxes, addresses), current, new)


def last_good(settings: Settings, engine: Engine) -> dict[str, Routing]:
    """The rules of every mailbox by its name; those last in use where what stands there now is not sound.

    A machine that starts again at night must not stop the mail over what was saved in the evening and refused.

    Raises:
        ConfigError: there is nothing to go back to.
    """
    found: dict[str, Routing] = {}
    for file, names in rules_files(settings).items():
        try:
            routing = load_routing(file, settings.polled)
        except ConfigError:
            text = last_used(engine, str(file))
            if text is None:
                raise
            routing = parse_routing(text.encode(), str(file), settings.polled)
        found |= dict.fromkeys(names, routing)
    return found


def kept_for(settings: Settings, file: Path) -> list[str]:
    """Names of the mailboxes whose rules a file holds; all of them for a file that no mailbox names."""
    named = {path.resolve(): names for path, names in rules_files(settings).items()}
    return named.get(file.resolve()) or [box.name for box in settings.mailbox]
