"""Decided mails as rules read them from the database: as when they came, and what is said when too little is left."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from helpdesk_daemon.adapters.rules.file import parse_routing
from helpdesk_daemon.adapters.store.rules.past import decided_since, hits_since
from helpdesk_daemon.adapters.store.rules.rule_versions import keep_rules, last_used, text_of_version, versions
from helpdesk_daemon.adapters.store.upkeep.erase import find, remove
from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.ports import Fetched, Stored
from helpdesk_daemon.triage.decide import Basis
from helpdesk_daemon.triage.rehearsal.replay import GoneError, Past
from tests.contract.rows import BOX, CUSTOMER, FOLDER, START, Database, cursor, decision, ignored, outcome, ticket_id

MESSAGES = Path(__file__).parents[1] / "messages"
DAY = timedelta(days=1)
BASIS = Basis("Billing", 0.83, 0.7, "", False, "en", BOX)
RULES = (Path(__file__).parents[2] / "rules" / "routing.toml").read_bytes()


def decide(db: Database, number: int, raw: bytes, **changes: Any) -> int:
    """Take a mail and open a ticket with it, as the stage does."""
    fetched = Fetched(str(number), raw, START)
    db.arrivals.record(BOX, FOLDER, cursor(number), [(fetched, f"{number:064x}", f"<{number}@x>")])
    (arrival,) = db.decisions.claim(1)
    m = parse(raw)
    files = tuple(f"{a.name} ({len(a.content):,} bytes)" for a in m.attachments)
    kept = Stored(ticket_id(number), "in", "request", "", str(m.sender), m.subject, m.text, m.new_text, START, files)
    fields = {"message": kept, "sender": str(m.sender), "subject": m.subject, "basis": BASIS}
    db.decisions.commit([outcome(arrival.id, number, **(fields | changes))])
    return arrival.id


def past(db: Database, **addresses: str) -> list[Past]:
    return list(decided_since(db.engine, START - DAY, 1_000, [BOX], addresses))


def test_every_golden_mail_reads_as_when_it_came(db: Database) -> None:
    raws = [file.read_bytes() for file in sorted(MESSAGES.glob("*.eml"))]
    for number, raw in enumerate(raws, 1):
        decide(db, number, raw)
    for number, one in enumerate(_reading(db), 1):
        m = parse(raws[number - 1])
        found = (one["sender"], one["subject"], one["text"], one["recipients"], one["headers"], one["attachments"])
        expected = (m.sender.email, m.subject, m.text, m.recipients, m.headers, [a.name for a in m.attachments])
        assert found == expected, number


def _reading(db: Database) -> list[dict[str, Any]]:
    found = []
    for one in decided_since(db.engine, START - DAY, 1_000, [BOX], {}):
        mail = one.mail
        found.append({
            "sender": mail.sender.email, "subject": mail.subject, "text": mail.text, "recipients": mail.recipients,
            "headers": mail.headers, "attachments": [a.name for a in mail.attachments], "arrival": one.arrival,
        })  # fmt: skip
    return sorted(found, key=lambda one: int(one["arrival"]))


LONG = EmailMessage()
LONG["From"], LONG["To"], LONG["Subject"] = "Ann <ann@x.example>", "sales@helpdesk.example", "long"
for header in range(900):
    LONG["X-Long"] = f"{header} {'x' * 90}"
LONG.set_content("body")


def test_a_head_longer_than_what_is_unpacked_first(db: Database) -> None:
    decide(db, 1, LONG.as_bytes())
    (found,) = _reading(db)
    assert len(found["headers"].get_all("X-Long")) == 900
    assert found["recipients"] == ("sales@helpdesk.example",)


def test_what_became_of_a_mail(db: Database) -> None:
    one = decide(db, 1, b"From: a@x.example\r\n\r\nx\r\n")
    (found,) = past(db, **{"Billing Team": "billing@y.example"})
    assert (found.arrival, found.ticket, found.basis, found.rule) == (one, ticket_id(1), BASIS, decision().rule)
    was = found.was
    assert (was.department, was.address, was.category, was.acknowledge) == (
        decision().department.name, "billing@y.example", decision().category, True,
    )  # fmt: skip
    db.write("update tickets set not_acknowledged = 'rule quiet'")
    assert past(db)[0].was.acknowledge is False
    db.write("update tickets set not_acknowledged = 'an automatic reply'")
    assert past(db)[0].was.acknowledge is None
    assert past(db)[0].was.address == ""


def test_what_people_moved_later_is_not_what_rules_did(db: Database) -> None:
    decide(db, 1, b"From: a@x.example\r\n\r\nx\r\n")
    moved = replace(decision(), category="General", basis=None)
    db.decisions.commit([outcome(0, 1, opened=None, message=None, outgoing=(), decision=moved, actor="operator x")])
    (found,) = past(db)
    assert found.was.category == decision().category


def test_what_a_rule_ignored_is_there_too(db: Database) -> None:
    (number,) = db.arrive(1)
    db.decisions.claim(1)
    db.decisions.commit([ignored(number, reason="rule noise", sender="a@x.example", subject="s", basis=BASIS)])
    (found,) = past(db)
    assert found.was.ignored
    assert found.rule == "noise"
    assert "Invoice 1 is wrong" in _reading(db)[0]["text"], "read from the mail itself"


def test_too_little_is_said_only_when_it_is_asked_for(db: Database) -> None:
    decide(db, 1, b"From: a@x.example\r\nTo: s@x.example\r\n\r\nwords\r\n")
    db.write("update arrivals set raw = null")
    for one in decided_since(db.engine, START - DAY, 10, [BOX], {}):
        assert (one.mail.sender.email, one.mail.text.strip()) == ("a@x.example", "words")
        with pytest.raises(GoneError):
            _ = one.mail.recipients
    db.write("update messages set text = ''")
    for one in decided_since(db.engine, START - DAY, 10, [BOX], {}):
        with pytest.raises(GoneError):
            _ = one.mail.text


def test_only_the_days_mailboxes_and_number_that_are_asked_for(db: Database) -> None:
    for number in (1, 2, 3):
        decide(db, number, b"From: a@x.example\r\n\r\n%d\r\n" % number)
        db.clock.turn(hours=1)
    newest_first = [p.ticket for p in past(db)]
    assert newest_first == [ticket_id(3), ticket_id(2), ticket_id(1)]
    assert len(list(decided_since(db.engine, START - DAY, 2, [BOX], {}))) == 2
    assert len(list(decided_since(db.engine, db.clock.now() - timedelta(hours=2), 9, [BOX], {}))) == 2
    assert list(decided_since(db.engine, START - DAY, 9, ["other"], {})) == []


def test_hits_by_rule(db: Database) -> None:
    plain = b"From: a@x.example\r\n\r\nx\r\n"
    decide(db, 1, plain, decision=replace(decision(), set_by={"priority": "vip", "tag x": "vip", "action": "night"}))
    db.clock.turn(hours=1)
    decide(db, 2, plain, decision=replace(decision(), set_by={"priority": "vip"}))
    db.decisions.commit([ignored(db.arrive(1, 9)[0], reason="rule noise", basis=BASIS)])
    found = {h.rule: h for h in hits_since(db.engine, START - DAY, [BOX])}
    assert {name: h.count for name, h in found.items()} == {"vip": 2, "night": 1, "noise": 1}
    assert found["vip"].things == {"priority": 2, "tag x": 1}
    assert found["vip"].last == db.clock.now()
    assert found["noise"].things == {"action": 1}


def test_every_text_that_was_used_is_kept_once(db: Database) -> None:
    routing = parse_routing(RULES, "routing.toml")
    for _ in range(2):
        keep_rules(db.engine, db.clock, routing, "routing.toml")
    db.clock.turn(hours=1)
    other = parse_routing(RULES + b"# more\n", "routing.toml")
    keep_rules(db.engine, db.clock, other, "routing.toml", routing.version)
    db.clock.turn(hours=1)
    assert last_used(db.engine, "routing.toml") == other.text
    keep_rules(db.engine, db.clock, routing, "routing.toml", other.version)
    assert last_used(db.engine, "routing.toml") == routing.text, "used again is used last"
    assert last_used(db.engine, "other.toml") is None
    decide(db, 1, b"From: a@x.example\r\n\r\nx\r\n", decision=replace(decision(), rules_version=other.version))
    made = {(r["version"], r["decisions"], r["file"]) for r in versions(db.engine, 9)}
    assert made == {(other.version, 1, "routing.toml"), (routing.version, 0, "routing.toml")}
    assert text_of_version(db.engine, other.version[:10]) == (other.version, RULES.decode() + "# more\n")
    assert text_of_version(db.engine, "%") is None
    lines = db.one("select count(*) from audit_log where event = 'rules.loaded'")
    assert lines == 3, "the first start, and each change; a restart is none"


def test_old_decisions_tell_what_they_were_made_from(db: Database) -> None:
    """As a database of an older version is upgraded."""
    plain = b"From: a@x.example\r\n\r\nx\r\n"
    sure = replace(decision(), needs_review=False, review_reason="", set_by={})
    decisions = [
        sure, replace(sure, set_by={"category": "rename"}), replace(sure, needs_review=True, review_reason="not sure"),
        replace(sure, needs_review=True, review_reason="rule odd"),
    ]  # fmt: skip
    for number, made in enumerate(decisions, 1):
        decide(db, number, plain, basis=None, decision=made)
    assert past(db) == []
    fill = import_module("helpdesk_daemon.adapters.store.migrations.versions.0016_rules").OLD
    db.write(fill)
    found = sorted(past(db), key=lambda p: p.arrival)
    assert [(p.basis.category, p.basis.earned) for p in found] == [
        (sure.category, 1.0), ("", 1.0), (sure.category, 0.0), (sure.category, 1.0),
    ]  # fmt: skip
    assert {p.basis.mailbox for p in found} == {BOX}
    assert {p.was.department for p in found} == {sure.department.name}


def test_who_is_erased_leaves_no_vote_and_no_address_in_rules(db: Database) -> None:
    decide(db, 1, f"From: {CUSTOMER}\r\n\r\nx\r\n".encode())
    text = RULES + f'[[sender]]\naddress = "{CUSTOMER}"\nblocked = true\n'.encode()
    keep_rules(db.engine, db.clock, parse_routing(text, "routing.toml"), "routing.toml")
    found = find(db.engine, CUSTOMER)
    remove(db.engine, db.clock, CUSTOMER, found, "digest", "operator")
    assert db.one("select count(*) from votes") == 0
    assert CUSTOMER not in db.one("select text from rule_versions")
