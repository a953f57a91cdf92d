"""`explain`: what would become of a mail, and why."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helpdesk_daemon.cli.common import settings_of

if TYPE_CHECKING:
    from helpdesk_daemon.stages.explain import Explainer

READ_AHEAD = 64


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="FILE…|DIR|-")
@click.option("--mailbox", default="", metavar="NAME", help="The mailbox they come by; the first when not given")
@click.option("--json", "json_", is_flag=True, help="One JSON object a mail, a line each")
@click.pass_context
def explain(ctx: click.Context, paths: tuple[str, ...], mailbox: str, json_: bool) -> None:
    """Say what would become of mails, and why. Sends and stores nothing."""
    for path in paths:
        if path != "-" and not Path(path).exists():
            raise click.UsageError(f"{path} does not exist")
    from helpdesk_daemon import log

    log.setup("error")
    explainer = _explainer(ctx, mailbox)
    for batch in _batches(_mails(paths)):
        for found in explainer.explain(batch):
            if json_:
                click.echo(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace"))
            else:
                _show(found)


def _explainer(ctx: click.Context, mailbox: str) -> Explainer:
    settings = settings_of(ctx)
    names = [box.name for box in settings.mailbox]
    if mailbox and mailbox not in names:
        raise click.UsageError(f"there is no mailbox {mailbox!r}. Known: {', '.join(names)}")
    from helpdesk_daemon.wiring.voting import explainer_of

    return explainer_of(settings, mailbox)


def _mails(paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        if path == "-":
            yield "-", sys.stdin.buffer.read()
            continue
        here = Path(path)
        for file in sorted(f for f in here.rglob("*") if f.is_file()) if here.is_dir() else [here]:
            yield str(file), file.read_bytes()


def _batches(mails: Iterator[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    batch: list[tuple[str, bytes]] = []
    for mail in mails:
        batch.append(mail)
        if len(batch) == READ_AHEAD:
            yield batch
            batch = []
    if batch:
        yield batch


def _show(found: dict[str, Any]) -> None:
    click.secho(found["file"], bold=True)
    lines = [
        ("From", found["from"]),
        ("Subject", found["subject"]),
        ("Verdict", f"{found['verdict']}: {'; '.join(found['reasons'])}"),
        (
            "Answer",
            f"{'acknowledged' if found['acknowledge'] else 'not acknowledged'}: {found['acknowledge_reason']}",
        ),
    ]
    if found["category"] is not None:
        review = f"; a person should check: {found['review_reason']}" if found["needs_review"] else ""
        lines += [
            (
                "Category",
                f"{found['category'] or 'not classified'}, confidence {found['confidence']:.2f}{review}",
            ),
            ("Goes to", f"{found['department']} <{found['address']}>"),
            ("Priority", f"{found['priority']}, {found['sla_hours']:g} h"),
            ("Rule", found["rule"]),
        ]
        for position, near in enumerate(found["neighbours"]):
            text = " ".join(near["text"].split())[:90]
            lines.append(("Because of" if not position else "", f"{near['similarity']:.2f} {near['category']}: {text}"))
    if found["attachments"]:
        lines.append(("Attached", ", ".join(found["attachments"])))
    for name, value in lines:
        click.echo(f"  {name:<11} {value}")
    click.echo()
