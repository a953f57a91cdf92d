"""A daemon with its servers for a test, and the invariants that must hold whatever happened."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.engine import open_engine, transaction
from helpdesk_daemon.cli.reconcile import Report, reconcile_all
from helpdesk_daemon.settings import load_settings
from helpdesk_daemon.wiring.places import database
from tests.harness.dovecot import PASSWORD, USER
from tests.harness.forked import Child
from tests.harness.sink import Mail

ROOT = Path(__file__).parents[2]
LIMITS = "[limits]\nper_address_burst = 5\ntotal_burst = 5000\n"


def write_settings(
    folder: Path, mailbox_url: str, smtp_port: int, mailbox: str = "", limits: str = LIMITS, more: str = ""
) -> Path:
    """settings.toml for a test; the password of IMAP comes by file."""
    secret = folder / "secret"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    model = "" if "[model]" in more else "[model]\nsecond_opinions = false\n"
    account = f'user = "{USER}"\npassword_file = "secret"\n' if mailbox_url.startswith("imap") else ""
    digest = "" if "[digest]" in more else '[digest]\nat = ""\n'  # whatever hour a test runs at
    path = folder / "settings.toml"
    path.write_text(
        f'data_dir = "data"\noperator = "operator@helpdesk.example"\n{more}\n{model}'
        f'[identity]\nname = "Example Support"\naddress = "support@helpdesk.example"\n'
        f'[[mailbox]]\nurl = "{mailbox_url}"\nstart = "all"\ntimeout = 5\npoll_seconds = 1\n{account}{mailbox}\n'
        f'[smtp]\nurl = "smtp://127.0.0.1:{smtp_port}"\n{limits}\n{digest}[log]\nformat = "json"\n'
    )
    return path


def rows(folder: Path, query: str, *values: object) -> list[dict[str, Any]]:
    """What a query of the test's database answers."""
    connection = sqlite3.connect(folder / "data" / "helpdesk.db")
    connection.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in connection.execute(query, values)]
    finally:
        connection.close()


def child(settings: Path, *words: str) -> Child:
    """A daemon process without a model; see tests/crash/child.py."""
    return Child("tests.crash.child", ["child", str(settings), *words], ROOT, os.environ | {"PYTHONPATH": str(ROOT)})


def check_invariants(folder: Path, mails: int, sent: list[Mail]) -> None:
    """Nothing lost, nothing double, and the log agrees.

    Args:
        folder: of the test.
        mails: how many different mails were put into the mailbox; each should have become a ticket.
        sent: what the SMTP server took.
    """
    arrivals = rows(folder, "select state, count(*) as n, count(distinct digest) as d from arrivals group by state")
    tickets = rows(folder, "select id, forward_id from tickets")
    assert {r["state"] for r in arrivals} <= {"ticket", "ignored"}, arrivals
    settled = next(r for r in arrivals if r["state"] == "ticket")
    assert settled["n"] == settled["d"] == mails, f"{mails} mails, but {arrivals}"
    assert len(tickets) == mails
    forwards: dict[str, set[str]] = {}
    acknowledgements: Counter[str] = Counter()
    for mail in sent:
        ticket = str(mail.message["X-Helpdesk-Ticket"] or "")
        if ticket:
            forwards.setdefault(ticket, set()).add(str(mail.message["Message-ID"]))
        elif mail.message["Auto-Submitted"] == "auto-replied":
            acknowledgements[str(mail.message["Subject"]).rpartition("[")[2].rstrip("]")] += 1
    assert forwards == {t["id"]: {t["forward_id"]} for t in tickets}, "each forward is there, with one Message-ID"
    assert max(acknowledgements.values(), default=0) <= 1, "no acknowledgement twice"
    unsure = rows(folder, "select count(*) as n from outbox where kind = 'acknowledgement' and state = 'ambiguous'")
    assert len(acknowledgements) + unsure[0]["n"] >= mails, "an acknowledgement is sent or known to be in doubt"
    assert rows(folder, "select 1 from outbox where state not in ('sent', 'ambiguous')") == []
    with transaction(open_engine(folder / "data" / "helpdesk.db", readonly=True)) as connection:
        verdict = audit.verify(connection)
    assert verdict.problem == ""
    assert verdict.rows > 0


def check_reconciles(folder: Path) -> Report:
    """`audit reconcile` finds every mail of every folder in one place.

    Args:
        folder: of the test; its mail server answers.
    """
    settings = load_settings(folder / "settings.toml")
    engine = open_engine(database(settings), readonly=True)
    try:
        report = reconcile_all(settings, engine)
    finally:
        engine.dispose()
    assert report.sound, (report.unread, report.findings)
    return report


def log_events(stderr: bytes) -> list[dict[str, Any]]:
    """The JSON lines of a daemon's log."""
    return [json.loads(line) for line in stderr.splitlines() if line.startswith(b"{")]
