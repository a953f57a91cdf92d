"""Who works with it: the operator, the departments, their agents."""

from __future__ import annotations

from collections.abc import Callable

import click

from helpdesk_daemon.adapters.providers import provider_of
from helpdesk_daemon.cli.setup import connecting
from helpdesk_daemon.cli.setup.connecting import offers
from helpdesk_daemon.cli.setup.files import Answers, shipped_departments
from helpdesk_daemon.cli.setup.flags import NONE, Flags
from helpdesk_daemon.cli.setup.talk import Talk
from helpdesk_daemon.errors import HelpdeskError
from helpdesk_daemon.wiring.places import shipped


def ask_people(talk: Talk, flags: Flags, answers: Answers) -> None:
    """Ask who hears of trouble, and where the departments get their tickets."""

    def other(value: str) -> str:
        address = connecting.email(value)
        if address == answers.address:
            raise ValueError(f"{address} is the mailbox that is read: mail to it would come round again")
        return address

    talk.head("Who works with it")
    domain = answers.address.rpartition("@")[2]
    public = provider_of(domain) is not None  # others' addresses there are strangers'
    operator = talk.ask(
        f"Address of whoever hears of trouble ({NONE} for nobody)", lambda v: v if v == NONE else other(v),
        "--operator", flags.operator, (NONE if talk.yes else "") if public else f"postmaster@{domain}",
    )  # fmt: skip
    answers.operator = "" if operator == NONE else operator
    named = _named(flags, other)
    places = shipped_departments(shipped("rules/routing.toml").read_text(encoding="utf-8"))
    if unknown := set(named) - set(places):
        raise click.UsageError(f"--department: there is no {min(unknown)}; there are: {', '.join(places)}")
    for name, address in places.items():
        proposed = answers.operator if public else f"{address.partition('@')[0]}@{domain}"
        answers.departments[name] = named.get(name, proposed)
    answers.agents = list(flags.agents) or ([] if public else [f"@{domain}"])
    _departments(talk, flags, answers, bool(named), other)


def _named(flags: Flags, other: Callable[[str], str]) -> dict[str, str]:
    """What `--department NAME=ADDRESS` says."""
    named = {}
    for pair in flags.department:
        name, _, address = pair.partition("=")
        try:
            named[name.strip()] = other(address)
        except ValueError as error:
            raise click.UsageError(f"--department {name}: {error}") from error
    return named


def _departments(talk: Talk, flags: Flags, answers: Answers, named: bool, other: Callable[[str], str]) -> None:
    """Show the addresses with what the server says to them, and let a person change them."""
    while True:
        talk.say("Each department gets its tickets by mail; several may share an address.")
        refused = _refused(talk, flags, answers)
        width = max(map(len, answers.departments))
        for name, address in answers.departments.items():
            talk.say(f"  {name:<{width}}  {address or 'none yet'}")
        for address, words in refused.items():
            talk.problem(f"the server takes no mail for {address}: {words}")
        missing = not all(answers.departments.values())
        if missing and talk.yes:
            raise click.UsageError("--department: name an address for each, or an --operator")
        if not missing and (talk.yes or named or click.confirm("Take these addresses?", default=not refused)):
            break
        for name, address in answers.departments.items():
            answers.departments[name] = talk.ask(f"  {name}", other, "--department", None, address)
    who = ", ".join(answers.agents) or "only these addresses"
    talk.say(f"Who may answer customers for them: {who} (`agents` in rules/routing.toml).")


def _refused(talk: Talk, flags: Flags, answers: Answers) -> dict[str, str]:
    if not flags.test or answers.smtp.startswith("maildir:"):
        return {}
    wanted = {address for address in (*answers.departments.values(), answers.operator) if address}
    try:
        return offers(answers, sorted(wanted)).refused
    except HelpdeskError as error:
        talk.note(f"the addresses could not be tried: {error}")
        return {}
