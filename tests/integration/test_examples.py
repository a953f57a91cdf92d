"""`examples`: what votes is listed, brought in, taken out and taken back, beside a daemon that follows."""

from __future__ import annotations

import asyncio
import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.import_examples import STEP, Import, check_categories, run_import
from helpdesk_daemon.adapters.store.engine import open_engine, transaction
from helpdesk_daemon.adapters.store.learning import curation
from helpdesk_daemon.adapters.store.learning.curation import Chosen
from helpdesk_daemon.adapters.store.mail.labels import learn
from helpdesk_daemon.adapters.store.schema.log import audit_log
from helpdesk_daemon.adapters.tickets_csv import Tickets
from helpdesk_daemon.cli.main import cli
from helpdesk_daemon.errors import ConfigError, Refused, TransientError
from helpdesk_daemon.ports import Label
from tests.harness.world import rows, write_settings
from tests.integration.conftest import daemon, once
from tests.integration.test_learning import Desk, WordEmbedder, tickets

CLOCK = SystemClock()
ANNA, BEN = "anna@billing.example", "ben@billing.example"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with asyncio.Runner() as runner:
        made = Desk(tmp_path, runner)
        yield made
        made.close()


def correct(desk: Desk, text: str, category: str, who: str) -> None:
    with transaction(desk.engine) as connection:
        learn(connection, Label(text, category, "HD-7K3M9QX2", who), CLOCK.now())


def events(desk: Desk) -> list[tuple[str, str]]:
    with transaction(desk.engine) as connection:
        return [(r.event, r.actor) for r in connection.execute(audit_log.select().order_by(audit_log.c.seq))]


def test_one_persons_labels_are_found_withdrawn_and_restored(desk: Desk) -> None:
    desk.examples.add(tickets(120, 1), "seed")
    wrong = "printer driver network please 999"
    assert desk.vote(wrong).category == "Technical"
    correct(desk, wrong, "Billing", "Anna@billing.example")
    correct(desk, "password login email today 998", "Account", BEN)
    assert desk.vote(wrong).category == "Billing"
    chosen = Chosen(person=ANNA)
    (found,) = curation.listed(desk.engine, chosen)
    assert (found["text"], found["source"], found["ticket"]) == (wrong, "correction", "HD-7K3M9QX2")
    number, gone = curation.withdraw(desk.engine, CLOCK, chosen, "operator kim")
    assert gone == [found["id"]]
    assert desk.vote(wrong).category == "Technical", "the running daemon goes by it at once"
    assert curation.listed(desk.engine, chosen) == []
    assert [e["id"] for e in curation.listed(desk.engine, chosen, "withdrawn")] == gone
    assert curation.withdraw(desk.engine, CLOCK, chosen, "operator kim") == (0, [])
    assert curation.restore(desk.engine, CLOCK, Chosen(withdrawal=number), "operator kim") == (gone, [])
    assert desk.vote(wrong).category == "Billing"
    assert events(desk) == [("example.withdrawn", "operator kim"), ("example.restored", "operator kim")]


def test_a_text_with_a_newer_label_stays_withdrawn(desk: Desk) -> None:
    desk.examples.add([("my words", "Billing"), ("other words", "Bug")], "import")
    curation.withdraw(desk.engine, CLOCK, Chosen(source="import"), "operator")
    desk.examples.add([("my words", "Account")], "seed")
    assert curation.restore(desk.engine, CLOCK, Chosen(source="import"), "operator") == ([2], [1])
    assert {e["category"] for e in curation.listed(desk.engine, Chosen())} == {"Account", "Bug"}


def test_a_label_that_replaced_another_is_not_restored_as_if_withdrawn(desk: Desk) -> None:
    desk.examples.add([("my words", "Billing"), ("my words", "Bug")], "import")
    correct(desk, "my words", "Bug", ANNA)
    assert curation.restore(desk.engine, CLOCK, Chosen(category="Billing"), "operator") == ([], [])
    curation.withdraw(desk.engine, CLOCK, Chosen(person=ANNA), "operator")
    correct(desk, "my words", "Bug", BEN)
    (voting,) = curation.listed(desk.engine, Chosen())
    assert (voting["actor"], voting["withdrawal"]) == (BEN, 0)


def test_nothing_named_is_refused(desk: Desk) -> None:
    for order in (curation.withdraw, curation.restore):
        with pytest.raises(Refused, match="name the examples"):
            order(desk.engine, CLOCK, Chosen(), "operator")


class Failing(WordEmbedder):
    """Stops answering after some texts."""

    def __init__(self, after: int) -> None:
        self.left = after

    def embed(self, texts: Sequence[str]) -> Any:
        self.left -= len(texts)
        if self.left < 0:
            raise TransientError("interrupted")
        return super().embed(list(texts))


def test_an_interrupted_import_goes_on_where_it_was(desk: Desk) -> None:
    rows_ = list(dict.fromkeys(tickets(3 * STEP, 5)))
    given = Tickets(tuple(t for t, _ in rows_), tuple(c for _, c in rows_))
    none = np.zeros((0, 64), dtype=np.float32)
    told: list[Import] = []
    with pytest.raises(TransientError):
        run_import(desk.engine, CLOCK, Failing(STEP + 10), given, none, "t.csv", "operator", told.append)
    assert told[-1].done == STEP
    kept = told[-1].added
    assert len(curation.listed(desk.engine, Chosen(batch=told[-1].batch))) == kept > 0
    assert events(desk) == []
    embedder = Failing(len(given) - STEP)  # what was done is not embedded again
    vectors = WordEmbedder().embed([e.text for e in desk.examples.active()])
    done = run_import(desk.engine, CLOCK, embedder, given, vectors, "t.csv", "operator")
    assert (done.batch, done.resumed, done.done) == (told[-1].batch, STEP, len(given))
    assert done.added + done.duplicates + done.alike == len(given)
    assert len(desk.examples.active()) == done.added
    assert len(desk.examples.vectors("words")) == done.added, "the daemon need not embed them"
    assert events(desk) == [("example.imported", "operator")]
    again = run_import(desk.engine, CLOCK, Failing(0), given, vectors, "t.csv", "operator")
    assert (again.resumed, again.added) == (len(given), done.added)
    assert len(desk.examples.active()) == done.added


def test_what_says_the_same_is_refused_and_counted(desk: Desk) -> None:
    desk.examples.add([("invoice refund charge card", "Billing")], "seed")
    vectors = WordEmbedder().embed(["invoice refund charge card"])
    texts = ("invoice refund charge card", "card charge refund invoice", "password login", "login password", "network")
    given = Tickets(texts, ("Billing", "Bug", "Account", "Account", "Technical"))
    done = run_import(desk.engine, CLOCK, WordEmbedder(), given, vectors, "t.csv", "operator")  # type: ignore[arg-type]
    assert (done.duplicates, done.alike, done.added) == (1, 2, 2)
    assert [e["text"] for e in curation.listed(desk.engine, Chosen(source="import"))] == ["network", "password login"]


def test_labels_that_are_no_category_are_named_with_the_mend() -> None:
    given = Tickets(("a", "b", "c"), ("Setup", "Billing", "Setup"))
    with pytest.raises(ConfigError, match=r"Setup \(2\); there are Billing, Bug.*--relabel 'Setup'=Billing"):
        check_categories("t.csv", given, ["Billing", "Bug"])
    check_categories("t.csv", given, ["Billing", "Setup"])


def test_the_commands_on_a_real_model(tmp_path: Path) -> None:
    settings = write_settings(tmp_path, f"maildir:{tmp_path}/inbox", 1)
    (tmp_path / "inbox").mkdir()
    mails = [
        ("Refund", "Please pay me back what was taken twice from my card in March", "Money"),
        ("REFUND", "please pay me back what was TAKEN twice from my card in March", "Money"),
        ("Login", "The sign-in page says my password is wrong, and I cannot reset it", "Account"),
    ]
    file = tmp_path / "own.csv"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([("Title", "body", "category"), *mails])

    def ask(*words: str) -> Any:
        done = CliRunner().invoke(cli, ["--settings", str(settings), "examples", *words], standalone_mode=False)
        if done.exception:
            raise done.exception
        return done.stdout

    # a small corpus, so that the whole one need not be embedded
    engine = open_engine(_database(settings))
    with transaction(engine) as connection:
        connection.exec_driver_sql("delete from examples where id > 40")
    engine.dispose()
    with pytest.raises(ConfigError, match="labels that are no category: Money"):
        ask("import", str(file), "--map", "subject=Title")
    done = json.loads(ask("import", str(file), "--map", "subject=Title", "--relabel", "Money=Billing", "--json"))
    assert (done["rows"], done["added"], done["alike"]) == (3, 2, 1)
    stats = json.loads(ask("stats", "--json"))
    assert stats["examples"] == 42
    assert [(i["name"], i["added"]) for i in stats["imports"]] == [("own.csv", 2)]
    assert "own.csv" in ask("stats")
    listed = json.loads(ask("list", "--source", "import", "--json"))
    assert [e["category"] for e in listed] == ["Account", "Billing"]
    assert "Please pay me back" in ask("list", "--source", "import")
    exported = tmp_path / "out.csv"
    ask("export", str(exported), "--source", "import")
    assert [r["category"] for r in csv.DictReader(exported.read_text().splitlines())] == ["Billing", "Account"]
    withdrawn = json.loads(ask("withdraw", "--batch", str(done["batch"]), "--json"))
    assert len(withdrawn["examples"]) == 2
    assert json.loads(ask("list", "--source", "import", "--json")) == []
    assert "2 examples vote again" in ask("restore", "--withdrawal", str(withdrawn["withdrawal"]))
    assert rows(tmp_path, "select count(*) as n from audit_log where event like 'example.%'") == [{"n": 3}]


def _database(settings: Path) -> Path:
    """The database of a daemon that ran once, with the shipped examples."""
    once(settings)
    return settings.parent / "data" / "helpdesk.db"


def test_what_was_closed_without_a_word_counts_less_than_a_label(desk: Desk) -> None:
    with transaction(desk.engine) as connection:
        for number, (category, source) in enumerate([("Billing", "confirmation"), ("Account", "import")]):
            connection.exec_driver_sql(
                "insert into examples (text, category, source, created_at, digest, model, ticket, actor, active) "
                "values (?, ?, ?, '2026-01-01T00:00:00.000Z', ?, '', '', '', 1)",
                (f"password login {'email' if number else 'invoice'}", category, source, str(number)),
            )
    text = "password login email invoice"
    even = desk.vote(text)
    assert dict(even.shares) == pytest.approx({"Account": 0.5, "Billing": 0.5}, abs=0.1)
    assert desk.classifier._bench.judge is not None
    desk.classifier._bench.judge = replace(desk.classifier._bench.judge, trust=0.25)
    assert dict(desk.vote(text).shares)["Billing"] == pytest.approx(0.2, abs=0.06)


def opened(folder: Path, weight: float) -> tuple[Path, str]:
    """A daemon's settings, and the ticket that a clear mail about money became."""
    (folder / "inbox" / "new").mkdir(parents=True)
    (folder / "inbox" / "new" / "1.mail").write_text(
        "From: Ada <ada@customer.example>\nTo: support@helpdesk.example\nMessage-ID: <1@customer.example>\n"
        "Subject: Charged twice\n\nMy card was charged twice for the March invoice. Please refund one payment.\n"
    )
    model = f"[model]\nsecond_opinions = false\nconfirmation_weight = {weight}\n"
    settings = write_settings(folder, f"maildir:{folder}/inbox", 1, more=model)
    text = settings.read_text()
    settings.write_text(re.sub(r'url = "smtp://.*"', f'url = "maildir:{folder}/out"', text))
    with daemon(settings, real_model=True) as (app, runner):
        runner.run(app.once())
    (ticket,) = rows(folder, "select id, category, needs_review from tickets")
    assert (ticket["category"], ticket["needs_review"]) == ("Billing", 0)
    return settings, ticket["id"]


def learnt(folder: Path) -> list[dict[str, Any]]:
    return rows(folder, "select category, source, ticket, active from examples where source <> 'seed' order by id")


def order(settings: Path, *words: str) -> None:
    done = CliRunner().invoke(cli, ["--settings", str(settings), *words], standalone_mode=False)
    if done.exception:
        raise done.exception


def test_closing_confirms_a_category_only_where_that_is_wanted(tmp_path: Path) -> None:
    settings, ticket = opened(tmp_path, 0.5)
    order(settings, "tickets", "close", ticket)
    confirmed = {"category": "Billing", "source": "confirmation", "ticket": ticket, "active": 1}
    assert learnt(tmp_path) == [confirmed]
    assert rows(tmp_path, "select ticket from audit_log where event = 'example.confirmed'") == [{"ticket": ticket}]
    order(settings, "tickets", "reopen", ticket)
    order(settings, "tickets", "close", ticket)
    assert learnt(tmp_path) == [confirmed], "once is enough"
    order(settings, "examples", "withdraw", "--source", "confirmation")
    order(settings, "tickets", "reopen", ticket)
    order(settings, "tickets", "close", ticket)
    assert learnt(tmp_path) == [confirmed | {"active": 0}], "closing does not undo a withdrawal"
    order(settings, "tickets", "correct", ticket, "Account")
    assert learnt(tmp_path) == [{"category": "Account", "source": "correction", "ticket": ticket, "active": 1}]
    order(settings, "tickets", "reopen", ticket)
    order(settings, "tickets", "close", ticket)
    assert [e["source"] for e in learnt(tmp_path)] == ["correction"], "what a person said is no silence"


def test_by_default_closing_teaches_nothing(tmp_path: Path) -> None:
    settings, ticket = opened(tmp_path, 0.0)
    order(settings, "tickets", "close", ticket)
    assert learnt(tmp_path) == []


def test_a_ticket_in_triage_or_set_by_a_rule_confirms_nothing(tmp_path: Path) -> None:
    settings, ticket = opened(tmp_path, 1.0)
    engine = open_engine(tmp_path / "data" / "helpdesk.db")
    for spoil, mend in (
        ("update tickets set needs_review = 1", "update tickets set needs_review = 0"),
        ("update decisions set needs_review = 1", "update decisions set needs_review = 0"),
        ("""update decisions set set_by = '{"category": "a rule"}'""", "update decisions set set_by = '{}'"),
        ("update decisions set category = 'Bug'", "update decisions set category = 'Billing'"),
    ):
        with transaction(engine) as connection:
            connection.exec_driver_sql(spoil)
        order(settings, "tickets", "close", ticket)
        assert learnt(tmp_path) == [], spoil
        order(settings, "tickets", "reopen", ticket)
        with transaction(engine) as connection:
            connection.exec_driver_sql(mend)
    order(settings, "tickets", "close", ticket)
    assert [e["source"] for e in learnt(tmp_path)] == ["confirmation"]
    engine.dispose()
