"""500 mails through Dovecot, the real model and SMTP; and the ways the same mail may come again."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.rules.file import load_routing
from helpdesk_daemon.adapters.store.engine import open_engine
from helpdesk_daemon.adapters.store.mail.holding import release_breaker
from helpdesk_daemon.tickets.tracking import read_tracking_id
from tests.harness.dovecot import Dovecot
from tests.harness.mails import mail
from tests.harness.sink import Mail, Sink
from tests.harness.world import ROOT, check_invariants, rows, write_settings
from tests.integration.conftest import daemon, once

URGENCY = {"High": ("high", "urgent", "1"), "Medium": ("normal", "normal", "3"), "Low": ("low", "non-urgent", "5")}


def check_forward(sent: Mail, ticket: dict[str, object]) -> None:
    """Every header of the design on one forward."""
    found = sent.message
    assert sent.recipient == ticket["address"]
    assert sent.sender == "support@helpdesk.example"
    assert found["From"].endswith("<support@helpdesk.example>")
    assert "via Example Support" in found["From"]
    assert str(ticket["requester_email"]) in found["X-Original-From"]
    assert found["Reply-To"].startswith(f"support+{ticket['id']}-a-")
    assert found["X-Helpdesk-Category"] == ticket["category"]
    assert 0 <= float(found["X-Helpdesk-Confidence"]) <= 1
    assert len(found["X-Helpdesk-Confidence"]) == 4
    assert found["X-Helpdesk-Department"] == ticket["department"]
    assert found["X-Helpdesk-Priority"] == ticket["priority"]
    assert float(found["X-Helpdesk-SLA-Hours"]) == ticket["sla_hours"]
    due = datetime.fromisoformat(str(ticket["due_at"]))
    assert parsedate_to_datetime(found["X-Helpdesk-SLA-Due"]) == due.replace(microsecond=0)
    assert due - datetime.fromisoformat(str(ticket["created_at"])) == timedelta(hours=float(str(ticket["sla_hours"])))
    assert found["X-Helpdesk-Rule"]
    assert found["X-Helpdesk-Loop"]
    assert (found["Importance"], found["Priority"], found["X-Priority"]) == URGENCY[str(ticket["priority"])]
    assert max(Counter(name.lower() for name in found).values()) == 1, "no header twice"


def check_acknowledgement(sent: Mail, ticket: dict[str, object]) -> None:
    """Every header of the design on one acknowledgement."""
    found = sent.message
    assert sent.sender == "", "null reverse-path"
    assert sent.recipient == ticket["requester_email"]
    assert found["Auto-Submitted"] == "auto-replied"
    assert found["X-Auto-Response-Suppress"] == "All"
    assert found["In-Reply-To"] == ticket["customer_id"]
    assert str(ticket["customer_id"]) in found["References"]
    assert found["Subject"].startswith("Re: ")
    assert found["Reply-To"].startswith(f"support+{ticket['id']}-c-")
    assert not [name for name in found if name.startswith("X-Helpdesk-") and name != "X-Helpdesk-Loop"]
    bodies = [part.get_payload(decode=True) for part in found.walk() if part.get_content_maintype() == "text"]
    assert len(bodies) == 2
    for body in bodies:
        assert isinstance(body, bytes)
        assert str(ticket["id"]).encode() in body
        assert b"UTC" in body, "the promised time names its zone"


@pytest.mark.timeout(240)
def test_five_hundred_mails(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    settings = write_settings(tmp_path, server.url, sink.port)
    mails = [mail(number) for number in range(500)]
    server.append(mails)
    with daemon(settings, real_model=True) as (app, runner):
        assert runner.run(app.once()) == 500
        assert runner.run(app.once()) == 0, "a second poll takes nothing"
    check_invariants(tmp_path, 500, sink.mails)
    assert len(sink.mails) == 1000
    tickets = {t["id"]: t for t in rows(tmp_path, "select * from tickets")}
    assert {t["state"] for t in tickets.values()} == {"open"}
    routing = load_routing(ROOT / "rules" / "routing.toml")
    attachments = 0
    for sent in sink.mails:
        named = sent.message["X-Helpdesk-Ticket"]
        if named:
            ticket = tickets[named]
            check_forward(sent, ticket)
            route = routing.triage if ticket["needs_review"] else routing.categories[ticket["category"]]
            if sent.message["X-Helpdesk-Rule"] == "default":
                assert (ticket["department"], ticket["sla_hours"]) == (route.department.name, route.sla_hours)
            attachments += sum(part.get_filename() is not None for part in sent.message.walk())
        else:
            spoken = read_tracking_id(str(sent.message["Subject"]).rpartition("[")[2].rstrip("]"))
            check_acknowledgement(sent, tickets[spoken])
    assert attachments == 50
    assert len(rows(tmp_path, "select distinct ticket from decisions where neighbours != '[]'")) == 500


def test_a_recreated_folder_with_the_same_mail_makes_no_new_ticket(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    server.append([mail(n) for n in range(20)], "Requests")
    settings = write_settings(tmp_path, server.url.replace("INBOX", "Requests"), sink.port)
    assert once(settings) == 20
    server.recreate("Requests")
    server.append([mail(n) for n in range(20)], "Requests")
    assert once(settings) == 20, "new to the ledger, as the server gave them new UIDs"
    assert len(rows(tmp_path, "select id from tickets")) == 20
    again = rows(tmp_path, "select reason from arrivals where state = 'ignored'")
    assert len(again) == 20
    assert all(r["reason"].startswith("copy of arrival") for r in again)
    assert len(sink.mails) == 40
    server.append([mail(77)], "Requests")
    assert once(settings) == 1
    assert len(rows(tmp_path, "select id from tickets")) == 21


def test_two_mails_that_share_a_message_id_are_two_tickets(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    first = mail(1)
    server.append([first, first.replace(b"\r\n\r\n", b"\r\n\r\nSomething else: "), first])
    assert once(write_settings(tmp_path, server.url, sink.port)) == 3
    assert len(rows(tmp_path, "select id from tickets")) == 2
    assert [r["state"] for r in rows(tmp_path, "select state from arrivals order by id")] == [
        "ticket", "ticket", "ignored",
    ]  # fmt: skip


def test_mail_that_lay_in_the_folder_before_the_first_start_is_left(
    tmp_path: Path, server: Dovecot, sink: Sink
) -> None:
    server.append([mail(n) for n in range(5)])
    settings = write_settings(tmp_path, server.url, sink.port)
    settings.write_text(settings.read_text().replace('start = "all"', 'start = "now"'))
    assert once(settings) == 0
    server.append([mail(6)])
    assert once(settings) == 1
    assert len(rows(tmp_path, "select id from tickets")) == 1


def test_what_other_readers_do_with_flags_changes_nothing(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    server.append([mail(n) for n in range(4)])
    client = server.client()
    client.select_folder("INBOX")
    client.add_flags([1, 2], [b"\\Seen", b"\\Answered"])
    assert once(write_settings(tmp_path, server.url, sink.port)) == 4
    assert client.get_flags([3, 4])[3] == client.get_flags([3, 4])[4] != (b"\\Seen",)
    client.logout()


def test_two_hundred_mails_from_one_address_bring_few_acknowledgements(
    tmp_path: Path, server: Dovecot, sink: Sink
) -> None:
    server.append([mail(n, sender="loop@robot.example.net") for n in range(200)])
    assert once(write_settings(tmp_path, server.url, sink.port)) == 200
    assert len(rows(tmp_path, "select id from tickets")) == 200
    acknowledged = [m for m in sink.mails if m.recipient == "loop@robot.example.net"]
    assert 1 <= len(acknowledged) <= 6
    withheld = rows(tmp_path, "select count(*) as n from audit_log where event = 'acknowledgement.withheld'")
    assert withheld[0]["n"] == 200 - len(acknowledged)


def test_the_breaker_holds_outgoing_mail_and_the_operator_hears_of_it_once(
    tmp_path: Path, server: Dovecot, sink: Sink
) -> None:
    server.append([mail(n) for n in range(30)])
    limits = "[limits]\ntotal_burst = 10\ntotal_hourly = 1\n"
    once(write_settings(tmp_path, server.url, sink.port, limits=limits))
    assert len(rows(tmp_path, "select id from tickets")) == 30
    alerts = [m for m in sink.mails if m.recipient == "operator@helpdesk.example"]
    assert len(alerts) == 1
    assert "held" in str(alerts[0].message["Subject"])
    assert [m for m in sink.mails if m not in alerts] == []
    assert rows(tmp_path, "select count(*) as n from outbox where state = 'pending'")[0]["n"] == 40
    assert release_breaker(open_engine(tmp_path / "data" / "helpdesk.db"), SystemClock())
    once(tmp_path / "settings.toml")
    assert rows(tmp_path, "select count(*) as n from outbox where state = 'pending'")[0]["n"] == 0
