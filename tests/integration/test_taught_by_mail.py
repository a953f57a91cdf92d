"""An agent's one line moves a ticket, teaches the classifier, and can be found and taken back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.command import document, run
from tests.harness.clients import read, thunderbird
from tests.harness.dovecot import Dovecot
from tests.harness.play import Play, kept_folder
from tests.harness.sink import Sink
from tests.harness.world import rows, write_settings
from tests.integration.conftest import daemon

KIM, BILLING, ENGINEERING = "kim@helpdesk.example", "billing@helpdesk.example", "engineering@helpdesk.example"
WORDS = "The frobnicator levy on my statement is not what the brochure said, and it went up again in March."


def request(number: int) -> bytes:
    return (
        f"From: Customer {number} <c{number}@mail{number}.example.net>\r\nTo: support@helpdesk.example\r\n"
        f"Subject: Frobnicator levy\r\nMessage-ID: <levy-{number}@mail{number}.example.net>\r\n"
        f"Date: Mon, 16 Nov 2026 09:00:00 +0000\r\n\r\n{WORDS}\r\n"
    ).encode()


@pytest.fixture
def settings(tmp_path: Path, server: Dovecot, sink: Sink) -> Path:
    path = write_settings(tmp_path, server.url, sink.port)
    rules = tmp_path / "routing.toml"
    shipped = (Path(__file__).parents[2] / "rules" / "routing.toml").read_text(encoding="utf-8")
    # Whatever the model makes of the words: a rule sends them to the wrong place first.
    wrong = '\n[[rule]]\nname = "levies"\nwhen = { sender = "c1@*" }\nset = { category = "Bug" }\n'
    rules.write_text(shipped + wrong, encoding="utf-8")
    path.write_text('rules = "routing.toml"\n' + path.read_text())
    return path


def test_a_line_by_mail_moves_teaches_and_can_be_taken_back(
    tmp_path: Path, settings: Path, server: Dovecot, sink: Sink
) -> None:
    with daemon(settings, real_model=True) as (app, runner):
        play = Play(app, runner, server, sink, kept_folder())
        assert ENGINEERING in [mail.recipient for mail in play.arrives(request(1), step="first")]
        order = thunderbird(play.latest(ENGINEERING), f"Kim <{KIM}>", "#category Billing")
        moved = play.arrives(order, step="order")
        assert [mail.recipient for mail in moved] == [BILLING], (
            "the department that should have had it, and nobody else"
        )
        ticket = str(read(moved[0].content)["X-Helpdesk-Ticket"])
        assert BILLING in [mail.recipient for mail in play.arrives(request(2), step="second")]

        command = ("--settings", settings, "examples")
        (learnt,) = document(run(tmp_path, *command, "list", "--source", "correction", "--json"))
        assert (learnt["category"], learnt["actor"], learnt["ticket"]) == ("Billing", KIM, ticket)
        assert "frobnicator levy" in learnt["text"].lower()
        gone = document(run(tmp_path, *command, "withdraw", "--person", KIM, "--json"))
        assert gone["examples"] == [learnt["id"]]
        play.arrives(request(3), step="third")
    decided = rows(tmp_path, "select d.neighbours from decisions d where d.actor = 'daemon' order by d.id")
    nearest = [[near["example"] for near in json.loads(row["neighbours"])] for row in decided]
    assert [learnt["id"] in each for each in nearest] == [False, True, False], "only while what Kim said counted"
    assert nearest[1][0] == learnt["id"]
