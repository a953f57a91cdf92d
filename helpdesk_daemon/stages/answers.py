"""What an agent's mail does: its orders are carried out, its words go to the customer, or it is held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from helpdesk_daemon.mail.body.commands import NAMES, Command, Orders, read_commands
from helpdesk_daemon.mail.body.signature import is_signature
from helpdesk_daemon.mail.body.split import own_text, said
from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.mail.screening.authentication import doubtful_sender
from helpdesk_daemon.outgoing.answer import leak
from helpdesk_daemon.outgoing.compose import deliverable
from helpdesk_daemon.outgoing.limits import take
from helpdesk_daemon.outgoing.message import Outgoing
from helpdesk_daemon.ports import Audit, Outcome, Stored
from helpdesk_daemon.stages import moves, story
from helpdesk_daemon.stages.case import Case
from helpdesk_daemon.stages.moves import Moved
from helpdesk_daemon.stages.opening import SEALED
from helpdesk_daemon.stages.orders import hand_over
from helpdesk_daemon.stages.people import customers, department_of, may_answer, private_addresses
from helpdesk_daemon.stages.replies import hold
from helpdesk_daemon.tickets.ticket import Priority, State, Ticket
from helpdesk_daemon.triage.rules import Routing

INSIDE = {"note", "spam"}  # with these nothing is sent to the customer
PRIORITIES = {priority.value.casefold(): priority.value for priority in Priority}
SHOWN = 60  # characters of a wrong line that are shown


def agent_reply(case: Case, ticket: Ticket) -> Outcome:
    """A mail that came by the agents' address: carried out and relayed where that is safe, else held."""
    message = case.message
    if reason := _refusal(case, ticket):
        return hold(case, ticket, reason)
    own = own_text(message.text, message.html)
    orders = read_commands(own)
    if problems := wrong(orders, case.desk.routing):
        return _help(case, ticket, problems)
    ordered = {command.name for command in orders.commands}
    answers = _has_answer(message, own, orders)
    if not answers and not ordered:
        return hold(case, ticket, "no new text was found above the quoted mail")
    relays: tuple[Outgoing, ...] = ()
    if answers and not ordered & INSIDE:
        relays, problem = _relays(case, ticket)
        if problem:
            return hold(case, ticket, problem)
    moved = _carried_out(case, ticket, orders.commands, bool(relays))
    kind = "note" if "note" in ordered else "answer" if answers and not ordered & INSIDE else "command"
    return _outcome(case, moved, relays, case.stored(ticket.id, kind), orders.commands)


def _refusal(case: Case, ticket: Ticket) -> str:
    """Why the sender may not answer; empty when he may."""
    if not may_answer(case, ticket):
        return f"{case.message.sender.email} is not an agent of {department_of(case.desk, ticket).name}"
    if case.message.content_type in SEALED:
        return "it is encrypted, so nobody can tell what would be sent"
    return doubtful_sender(case.message, case.desk.policy.authserv_id)


def wrong(orders: Orders, routing: Routing) -> list[str]:
    """What cannot be carried out, in words for the agent; nothing when all can."""
    categories = {name.casefold(): name for name in routing.categories}
    problems = [problem for command in orders.commands if (problem := _problem(command, categories))]
    names = [command.name for command in orders.commands]
    problems += [f"#{name} stands there twice" for name in ("category", "priority") if names.count(name) > 1]
    if orders.stray:
        problems.append(f"“{orders.stray[:SHOWN]}” stands below other words; commands go above them")
    return problems


def _problem(command: Command, categories: Mapping[str, str]) -> str:
    if command.name == "category":
        return _unknown_name(command, categories)
    if command.name == "priority":
        return _unknown_name(command, PRIORITIES)
    if command.name == "close" and command.value:
        return "#close takes no words on its line; the answer to the customer goes below it"
    if command.name not in NAMES:
        return f"#{command.name[:SHOWN]} is no command{_meant(command.name, [f'#{name}' for name in NAMES], '#')}"
    return ""


def _unknown_name(command: Command, names: Mapping[str, str]) -> str:
    value = " ".join(command.value.split())
    if not value:
        return f"#{command.name} needs a name: {', '.join(names.values())}"
    if value.casefold() in names:
        return ""
    return f"there is no {command.name} “{value[:SHOWN]}”{_meant(value, list(names.values()))}"


def _meant(word: str, known: Sequence[str], mark: str = "") -> str:
    by_folded = {name.casefold(): name for name in known}
    near = get_close_matches(f"{mark}{word}".casefold(), list(by_folded), n=1)
    return f"; did you mean {by_folded[near[0]]}?" if near else ""


def _has_answer(message: Message, own: str, orders: Orders) -> bool:
    """Whether there is something for the customer; below an order, a signature alone is nothing."""
    if not orders.commands:
        return bool(own) or bool(message.attachments)
    words = read_commands(said(own, message.html)).rest
    return not is_signature(words, message.sender.name) or any(not a.inline for a in message.attachments)


def _relays(case: Case, ticket: Ticket) -> tuple[tuple[Outgoing, ...], str]:
    """The answer, one mail a person; or why it cannot be sent."""
    composer, people = case.desk.composer, customers(case, ticket)
    if not deliverable(ticket.requester_email):
        return (), f"the customer's address {ticket.requester_email!r} cannot be written to"
    answer = composer.answer(case.message, private_addresses(case, ticket))
    if problem := leak(answer, ticket, composer.identity.name):
        return (), f"the quoted mail could not be told from the answer for certain: {problem}"
    if not answer.text and not answer.html and not answer.attachments:
        return (), "nothing in it may be sent to a customer"
    return tuple(composer.relay(ticket, answer, case.now, person) for person in people), ""


def _carried_out(case: Case, ticket: Ticket, commands: Sequence[Command], relayed: bool) -> Moved:
    """The ticket after an answer and all orders, whatever order they stand in."""
    values = {command.name: command.value for command in commands}
    actor, routing = case.message.sender.email, case.desk.routing
    moved = moves.begin(ticket, actor)
    if relayed:
        if ticket.state == State.CLOSED:
            moved = moves.reopen(moved)
        moved = replace(moved, ticket=replace(moved.ticket, state=State.WAITING))
    if "category" in values:
        named = " ".join(values["category"].split()).casefold()
        category = next(name for name in routing.categories if name.casefold() == named)
        moved = moves.correct(moved, category, story.opening(_mails(case, ticket)), routing)
    if "priority" in values:
        moved = moves.prioritise(moved, Priority(PRIORITIES[values["priority"].casefold()]), routing)
    if "note" in values:
        moved = replace(moved, audit=(*moved.audit, Audit("note.kept", {}, ticket.id, actor)))
    if "close" in values:
        moved = moves.close(moved)
        if case.desk.confirms and "spam" not in values:
            moved = moves.confirm(moved, story.opening(_mails(case, ticket)))
    return moves.mark_spam(moved) if "spam" in values else moved


def _mails(case: Case, ticket: Ticket) -> story.Mails:
    return case.known.stories.get(ticket.id, [])


def _outcome(
    case: Case, moved: Moved, relays: tuple[Outgoing, ...], message: Stored, commands: Sequence[Command]
) -> Outcome:
    """Everything to be written; colleagues are told what they need to know."""
    ticket, actor = moved.ticket, moved.actor
    outgoing = list(relays)
    if moved.leaves:
        mails = [*_mails(case, ticket), (message, case.arrival.raw)]
        moved, forward = hand_over(case.desk, moved, mails, case.now)
        outgoing += forward
    elif relays and not department_of(case.desk, ticket).has_agent(actor) and ticket.state != State.CLOSED:
        outgoing.append(case.desk.composer.answered(ticket, case.message, case.now))
    lines = list(moved.audit)
    if relays:
        detail = {"agent": actor, "to": [relay.recipient for relay in relays]}
        lines.insert(0, Audit("answer.relayed", detail, ticket.id, actor))
    change = replace(moved.change, first_answer_at=case.arrival.received_at if relays else None)
    did = ["answer of an agent"] * (message.kind == "answer") + [str(command) for command in commands]
    return case.outcome(
        "reply", ", ".join(did), ticket=ticket.id, change=change, message=message, outgoing=tuple(outgoing),
        decision=moved.decision, actor=actor if moved.decision else "daemon", label=moved.label, audit=tuple(lines),
    )  # fmt: skip


def _help(case: Case, ticket: Ticket, problems: Sequence[str]) -> Outcome:
    """Carry nothing out, and tell the agent alone what was wrong."""
    scopes = {f"ticket:{ticket.id}": case.desk.limits.ticket}
    buckets, empty = take(case.known.buckets, scopes, case.now)
    categories = list(case.desk.routing.categories)
    sent = () if empty else (case.desk.composer.help(ticket, case.message, problems, categories, case.now),)
    line = Audit("command.refused", {"problems": list(problems), "told": not empty}, ticket.id,
                 case.message.sender.email)  # fmt: skip
    return case.outcome(
        "reply", f"not carried out: {'; '.join(problems)}", ticket=ticket.id, message=case.stored(ticket.id, "held"),
        outgoing=sent, buckets=buckets, audit=(line,),
    )  # fmt: skip
