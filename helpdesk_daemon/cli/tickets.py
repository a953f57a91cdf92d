"""`tickets list|show|correct|close|reopen|merge`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from helpdesk_daemon.cli.common import as_json, cell, hours, print_json, print_rows, reading
from helpdesk_daemon.cli.moving import close, correct, merge, reopen

COLUMNS = {
    "id": "Tracking ID", "created_at": "At", "state": "State", "requester_email": "From", "subject": "Subject",
    "category": "Category", "confidence": "Conf.", "department": "Department", "priority": "Priority", "due_at": "Due",
    "response": "Answer",
}  # fmt: skip


@click.group()
def tickets() -> None:
    """Look at tickets, and put them right."""


for _order in (correct, close, reopen, merge):
    tickets.add_command(_order)


@tickets.command("list")
@click.option("--limit", default=50, show_default=True)
@click.option("--state", type=click.Choice(["new", "open", "waiting", "closed"]))
@click.option("--department", default="")
@click.option("--mailbox", default="", metavar="NAME")
@click.option("--search", default="", help="Words in subject or sender")
@click.option("--review", is_flag=True, help="Only those a person should check")
@click.option("--missed", is_flag=True, help="Only those with a promise that was not kept")
@as_json
@click.pass_context
def list_(
    ctx: click.Context, limit: int, state: str | None, department: str, mailbox: str, search: str, review: bool,
    missed: bool, json_: bool,
) -> None:  # fmt: skip
    """The newest tickets."""
    from helpdesk_daemon.adapters.store.views.reading import ticket_list

    rows = ticket_list(reading(ctx), limit, state or "", department, search, review, mailbox, missed)
    if json_:
        print_json(rows)
    else:
        several = len({row["mailbox"] for row in rows}) > 1
        print_rows(rows, COLUMNS | ({"mailbox": "Mailbox"} if several else {}), "Tickets", "No tickets.")


@tickets.command()
@click.argument("ticket_id")
@click.option("--save", type=click.Path(path_type=Path), help="Write its mails and attachments into a folder")
@as_json
@click.pass_context
def show(ctx: click.Context, ticket_id: str, save: Path | None, json_: bool) -> None:
    """One ticket: what came, why it went where it went, what left."""
    from helpdesk_daemon.adapters.store.views import reading as store
    from helpdesk_daemon.tickets.tracking import read_tracking_id

    engine = reading(ctx)
    found = store.ticket(engine, read_tracking_id(ticket_id))
    if found is None:
        raise click.ClickException(f"no ticket {ticket_id}")
    if save is not None:
        _save(store.raw_of_ticket(engine, found["id"]), save)
    if json_:
        print_json(found)
        return
    for name, value in (
        ("Ticket", f"{found['id']} ({found['state']})"), ("Subject", found["subject"]),
        ("Customer", f"{found['requester_name']} <{found['requester_email']}>"),
        ("Mailbox", found["mailbox"]), ("Department", f"{found['department']} <{found['address']}>"),
        ("Priority", f"{found['priority']}, answer within {hours(found['sla_hours'])}, by {cell(found['due_at'])}"),
    ):  # fmt: skip
        click.echo(f"{name:<12}{value}")
    _promises(found["sla"] or {})
    if found["merged_into"]:
        click.echo(f"{'Merged':<12}into {found['merged_into']}")
    if found["tags"]:
        click.echo(f"{'Tags':<12}{', '.join(found['tags'])}")
    if found["not_acknowledged"]:
        click.echo(f"{'Customer':<12}was not acknowledged: {found['not_acknowledged']}")
    for crowd in found["crowds"]:
        words = f", {', '.join(crowd['words'])}" if crowd["words"] else ""
        click.echo(f"{'Alike':<12}{crowd['kind']} of {crowd['count']} tickets{words}: accuracy --crowd {crowd['id']}")
    for decision in found["decisions"]:
        click.echo(
            f"{'Decision':<12}{decision['category'] or 'not classified'} ({decision['confidence']:.2f}) by "
            f"{decision['actor']}, rule {decision['rule']}"
            + (f", language {decision['language']}" if decision["language"] else "")
            + (f"; to review: {decision['review_reason']}" if decision["needs_review"] else "")
        )
        for near in decision["neighbours"][:5]:
            click.echo(f"{'':<12}  {near['similarity']:.2f} {near['category']} (example {near['example']})")
    print_rows(found["messages"], {"at": "At", "direction": "", "kind": "Kind", "sender": "From", "new_text": "Text"},
               "\nMessages", "")  # fmt: skip
    print_rows(found["outgoing"], {"id": "ID", "kind": "Kind", "recipient": "To", "state": "State", "sent_at": "Sent",
                                   "last_reply": "Last reply"}, "Outgoing", "")  # fmt: skip


def _promises(sla: dict[str, Any]) -> None:
    """A line for each promise: how it stands, by when it is to be kept, what people were told of it."""
    for name, words in (("response", "Answer"), ("resolution", "Closing")):
        if not sla.get(name):
            continue
        told = [f"{word} {cell(at)}" for word in ("reminded", "escalated") if (at := sla[f"{name}_{word}_at"])]
        due = [f"due {cell(sla[f'{name}_due_at'])}"] if sla[f"{name}_due_at"] else []
        click.echo(f"{words:<12}{', '.join([sla[name], *due, *told])}")


def _save(mails: list[tuple[int, bytes]], folder: Path) -> None:
    from helpdesk_daemon.mail.parse import parse

    folder.mkdir(parents=True, exist_ok=True)
    for number, raw in mails:
        (folder / f"{number}.eml").write_bytes(raw)
        for position, attachment in enumerate(parse(raw).attachments, 1):
            (folder / f"{number}-{position}-{attachment.name}").write_bytes(attachment.content)
    click.echo(f"saved {len(mails)} mails to {folder}", err=True)
