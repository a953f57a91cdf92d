"""Decide many mails, then time `rules diff` over them with rules of every kind: `python -m scripts.rules_live`."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from helpdesk_daemon import log
from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.adapters.rules.file import parse_routing
from helpdesk_daemon.adapters.store.engine import open_engine
from helpdesk_daemon.app import running
from helpdesk_daemon.assembly import Parts
from helpdesk_daemon.ports import Transport
from helpdesk_daemon.settings import load_settings
from helpdesk_daemon.wiring.rules import check_rules, compare_rules
from tests.harness.fakes import HashEmbedder
from tests.harness.mails import mail
from tests.harness.world import ROOT, write_settings

SHIPPED = (ROOT / "rules" / "routing.toml").read_text()
# By what they make a trial read: nothing but the vote, the columns, the text, the head of the stored mail.
EDITS = {
    "category and confidence": 'category = "Technical", confidence_below = 0.9',
    "sender and subject": "sender = '*@*', subject = ['printer', 'invoice']",
    "body": r"body = ['\b(refund|invoice)\b', 'crash.{0,40}screen']",
    "recipient and header": "recipient = 'support@*', header = { Date = '202[0-9]' }",
}


class Nowhere(Transport):
    """Takes every mail: sending is not what is measured."""

    async def send(self, sender: str, recipient: str, mime: bytes) -> str:
        """See `Transport.send`."""
        return "250 taken"

    async def close(self) -> None:
        """See `Transport.close`."""


@click.command()
@click.option("--mails", default=5_000, show_default=True)
def main(mails: int) -> None:
    """Time trials of rules over MAILS decided mails."""
    log.setup("error")
    with TemporaryDirectory(prefix="rules-live-") as name:
        folder = Path(name)
        settings = load_settings(write_settings(folder, "maildir:inbox", 25))
        for number in range(mails):
            deliver(folder / "inbox", mail(number))
        began = time.perf_counter()
        with running(settings, Parts(embedder=HashEmbedder(), transport=Nowhere())) as (app, runner):
            runner.run(asyncio.wait_for(app.once(), 3_600))
        click.echo(f"{mails:,} mails decided in {time.perf_counter() - began:.1f} s, {os.cpu_count()} cores")
        database = folder / "data" / "helpdesk.db"
        click.echo(f"{database.stat().st_size / 1e6:,.0f} MB of database")
        old = parse_routing(SHIPPED.encode(), "routing.toml")
        for what, when in EDITS.items():
            text = f'{SHIPPED}\n[[rule]]\nname = "x"\nwhen = {{ {when} }}\nset = {{ department = "Engineering" }}\n'
            engine = open_engine(database, readonly=True)
            began, now = time.perf_counter(), datetime.now(UTC)
            found = compare_rules(old, parse_routing(text.encode(), "new"), engine, ["support"], now, 30)
            took = time.perf_counter() - began
            began = time.perf_counter()
            check_rules(text.encode(), "new", settings, engine, ["support"], now, 30)
            click.echo(f"{what:<26} diff {took:5.2f} s, check {time.perf_counter() - began:5.2f} s: "
                       f"{len(found.new):,} of {found.tried:,} elsewhere")  # fmt: skip
            engine.dispose()


if __name__ == "__main__":
    main()
