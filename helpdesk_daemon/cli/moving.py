"""`tickets correct|close|reopen|merge`: an operator's orders about one ticket."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from helpdesk_daemon.cli.common import as_json, cell, print_json, settings_of
from helpdesk_daemon.errors import ConfigError, Refused

if TYPE_CHECKING:
    from helpdesk_daemon.ports import Known, Outcome
    from helpdesk_daemon.tickets.ticket import Ticket

Plan = Callable[..., "list[Outcome]"]  # of desk, known, actor, now, tracking IDs, further words
LEAVES = "it leaves as soon as the daemon looks, within a minute"


def operator() -> str:
    """Who types, for the audit log."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in a container
        return f"user {os.getuid()}"


def carry_out(ctx: click.Context, plan: Plan, tickets: Sequence[str], *words: str) -> tuple[Ticket, list[str]]:
    """Plan and write what is ordered about some tickets, in one transaction beside the running daemon.

    Returns:
        The first of them as it is now, and who gets a mail about it.

    Raises:
        ClickException: it cannot be done.
    """
    from helpdesk_daemon.adapters.clock import SystemClock
    from helpdesk_daemon.adapters.keys import load_signer
    from helpdesk_daemon.adapters.store.mail.decisions import Decisions
    from helpdesk_daemon.ports import Question, changed
    from helpdesk_daemon.tickets.tracking import Signer, read_tracking_id
    from helpdesk_daemon.wiring.desks import desks_of, routings_of
    from helpdesk_daemon.wiring.places import database, open_store

    settings, clock = settings_of(ctx), SystemClock()
    path = database(settings)
    if not path.exists():
        raise ConfigError(str(path), "", "there is no database yet", "Start the daemon, or try `helpdesk-daemon demo`")
    ids = tuple(read_tracking_id(named) for named in tickets)
    if "" in ids:
        raise click.ClickException(f"{tickets[ids.index('')]!r} is no tracking ID; one looks like HD-7K3M9QX2")
    signer = load_signer(settings.data_dir)
    desks = desks_of(settings, routings_of(settings), signer)
    before: list[Ticket] = []

    def planned(known: Known) -> list[Outcome]:
        named = known.tickets.get(ids[-1])  # of two, the one that goes on
        desk = desks.of(named.mailbox if named else "")
        # The oldest key: a daemon that has been running since before a rotation knows no newer one.
        desk = replace(desk, composer=replace(desk.composer, signer=Signer(signer.keys[::-1])))
        found = plan(desk, known, operator(), clock.now(), *ids, *words)
        before.append(known.tickets[ids[0]])
        return found

    store = Decisions(open_store(settings), clock)
    try:
        outcomes = store.operate(Question(0, "", ids, (), (), stories=ids), planned)
    except Refused as error:
        raise click.ClickException(str(error)) from error
    change = outcomes[0].change
    ticket = changed(before[0], change) if change else before[0]
    return ticket, [mail.recipient for outcome in outcomes for mail in outcome.outgoing]


def _tell(ticket: Ticket, told: Sequence[str], json_: bool, words: str) -> None:
    if json_:
        print_json(
            {"ticket": ticket.id, "state": ticket.state.value, "category": ticket.category,
             "department": ticket.department, "address": ticket.address, "priority": ticket.priority.value,
             "sla_hours": ticket.sla_hours, "due_at": ticket.due_at, "merged_into": ticket.merged_into or None,
             "tags": list(ticket.tags), "forwarded_to": list(told)}
        )  # fmt: skip
        return
    click.echo(words)
    for recipient in told:
        click.echo(f"The conversation goes to {recipient}; {LEAVES}.")


@click.command()
@click.argument("ticket_id")
@click.argument("category")
@as_json
@click.pass_context
def correct(ctx: click.Context, ticket_id: str, category: str, json_: bool) -> None:
    """Give a ticket another category: its department gets it, and later mail is sorted by it."""
    from helpdesk_daemon.stages.orders import corrected

    ticket, told = carry_out(ctx, corrected, [ticket_id], category)
    _tell(ticket, told, json_, f"{ticket.id} is {ticket.category} now: {ticket.department}, {ticket.priority.value}, "
          f"due {cell(ticket.due_at)}.")  # fmt: skip


@click.command()
@click.argument("ticket_id")
@as_json
@click.pass_context
def close(ctx: click.Context, ticket_id: str, json_: bool) -> None:
    """Close a ticket; nobody is told."""
    from helpdesk_daemon.stages.orders import closed

    ticket, told = carry_out(ctx, closed, [ticket_id])
    _tell(ticket, told, json_, f"{ticket.id} is closed.")


@click.command()
@click.argument("ticket_id")
@as_json
@click.pass_context
def reopen(ctx: click.Context, ticket_id: str, json_: bool) -> None:
    """Open a closed ticket again, also one that was marked as spam."""
    from helpdesk_daemon.stages.orders import reopened

    ticket, told = carry_out(ctx, reopened, [ticket_id])
    _tell(ticket, told, json_, f"{ticket.id} is open again.")


@click.command()
@click.argument("ticket_id")
@click.argument("into")
@as_json
@click.pass_context
def merge(ctx: click.Context, ticket_id: str, into: str, json_: bool) -> None:
    """Close a ticket and let its conversation go on in another one."""
    from helpdesk_daemon.stages.orders import merged

    ticket, told = carry_out(ctx, merged, [ticket_id, into])
    _tell(ticket, told, json_, f"{ticket.id} is closed and goes on in {ticket.merged_into}.")
