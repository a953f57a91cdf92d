"""Rules edited while mail flows, and a trial on old mail that says what then happens."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.adapters.rules.file import load_routing
from helpdesk_daemon.adapters.store.engine import open_engine
from helpdesk_daemon.adapters.store.rules.past import decided_since
from helpdesk_daemon.app import App, running
from helpdesk_daemon.assembly import Parts
from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.settings import load_settings
from helpdesk_daemon.triage.rehearsal.replay import Placement
from helpdesk_daemon.triage.rules import Routing
from helpdesk_daemon.wiring.rules import compare_rules
from tests.harness.brands import write_brands
from tests.harness.fakes import HashEmbedder
from tests.harness.mails import mail
from tests.harness.sink import Sink
from tests.harness.world import ROOT, check_invariants, rows, write_settings
from tests.integration.conftest import daemon
from tests.integration.test_failures import holds

SHIPPED = (ROOT / "rules" / "routing.toml").read_text()
EDITED = SHIPPED + '\n[[rule]]\nname = "everything"\nwhen = { sender = "*" }\nset = { tags = ["edited"] }\n'
BROKEN = EDITED.replace('tags = ["edited"]', "tags = 7")
UNTIL_CALM = "[alerts]\nlook_seconds = 1\n"


def save(path: Path, text: str) -> None:
    """As editors do."""
    beside = path.with_suffix(".swp")
    beside.write_text(text)
    os.replace(beside, path)


def settings_with_rules(folder: Path, port: int, text: str, limits: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "routing.toml").write_text(text)
    limits = f"[limits]\nper_address_burst = 5\ntotal_burst = 5000\n{limits}"
    return write_settings(folder, "maildir:inbox", port, limits=limits, more='rules = "routing.toml"')


@pytest.mark.timeout(240)
def test_rules_edited_while_500_mails_flow(tmp_path: Path, sink: Sink) -> None:
    settings = settings_with_rules(tmp_path, sink.port, SHIPPED, UNTIL_CALM)
    path, inbox = tmp_path / "routing.toml", tmp_path / "inbox"
    old, new = load_routing(path).version, ""

    def decided() -> int:
        return int(rows(tmp_path, "select count(*) as n from decisions")[0]["n"])

    def alerts() -> list[str]:
        return [str(m.message["Subject"]) for m in sink.mails if m.recipient == "operator@helpdesk.example"]

    async def play(app: App) -> None:
        nonlocal new
        serving = asyncio.create_task(app.run())
        for number in range(200):
            deliver(inbox, mail(number))
        assert await holds(lambda: decided() >= 40)
        save(path, EDITED)
        for number in range(200, 350):
            deliver(inbox, mail(number))
        new = load_routing(path).version
        assert await holds(lambda: app.desks.first.routing.version == new)
        save(path, BROKEN)
        for number in range(350, 500):
            deliver(inbox, mail(number))
        assert await holds(lambda: bool(app.reload.failing) and len(alerts()) >= 1)
        assert await holds(lambda: decided() == 500)
        for _ in range(3):
            app.watch.wake()
            await asyncio.sleep(0)
        assert await holds(lambda: not rows(tmp_path, "select 1 from outbox where state <> 'sent'"), 120)
        save(path, EDITED)
        assert await holds(lambda: not app.reload.failing)
        app.stop()
        await serving

    with daemon(settings) as (app, runner):
        runner.run(asyncio.wait_for(play(app), 200))
    versions = [r["rules_version"] for r in rows(tmp_path, "select rules_version from decisions order by id")]
    assert set(versions) == {old, new}
    assert versions == sorted(versions, key=[old, new].index), "the new rules hold from one decision on"
    assert rows(tmp_path, "select count(*) as n from decisions where (tags like '%edited%') <> (rules_version = ?)",
                new) == [{"n": 0}]  # fmt: skip
    kept = {r["version"]: r["text"] for r in rows(tmp_path, "select version, text from rule_versions")}
    assert kept == {old: SHIPPED, new: EDITED}
    assert alerts() == ["Alert: Routing rules cannot be used"]
    loaded = rows(tmp_path, "select count(*) as n from audit_log where event = 'rules.loaded'")
    assert loaded == [{"n": 2}], "at the start, and the one edit that was sound"
    sent = [m for m in sink.mails if m.recipient != "operator@helpdesk.example"]
    check_invariants(tmp_path, 500, sent)


def test_a_start_at_night_goes_on_with_the_rules_last_in_use(tmp_path: Path, sink: Sink) -> None:
    settings = settings_with_rules(tmp_path, sink.port, BROKEN, UNTIL_CALM)
    parts = Parts(embedder=HashEmbedder())
    with pytest.raises(ConfigError), running(load_settings(settings), parts, serves=True):
        pass
    assert not (tmp_path / "data").exists(), "there is nothing to go back to"
    save(tmp_path / "routing.toml", EDITED)
    with running(load_settings(settings), parts):
        pass
    save(tmp_path / "routing.toml", BROKEN)
    with pytest.raises(ConfigError), running(load_settings(settings), parts):
        pass  # a person is there, who can mend it
    deliver(tmp_path / "inbox", mail(1))

    async def play(app: App) -> None:
        serving = asyncio.create_task(app.run())
        assert await holds(lambda: any(m.recipient == "operator@helpdesk.example" for m in sink.mails))
        assert await holds(lambda: bool(rows(tmp_path, "select 1 from tickets where tags like '%edited%'")))
        app.stop()
        await serving

    with running(load_settings(settings), parts, serves=True) as (app, runner):
        runner.run(asyncio.wait_for(play(app), 120))


def test_only_the_desks_of_a_file_follow_it(tmp_path: Path, sink: Sink) -> None:
    settings = write_brands(tmp_path, ("maildir:north", "maildir:south"), (sink.port, sink.port))
    with daemon(settings) as (app, runner):
        before = {name: desk.routing.version for name, desk in app.desks.by_mailbox.items()}
        save(tmp_path / "south.toml", (tmp_path / "south.toml").read_text() + "# saved\n")
        for _ in range(3):
            runner.run(app.reload.look())
        after = {name: desk.routing.version for name, desk in app.desks.by_mailbox.items()}
        assert app.desks.of("south").mailbox == "south"
    assert after["north"] == before["north"]
    assert after["south"] == load_routing(tmp_path / "south.toml").version != before["south"]


# --- what would have gone elsewhere ---------------------------------------------------------------

NEW = (
    SHIPPED.replace("target_precision = 0.80", "target_precision = 0.55")
    .replace('department = "Sales Team"\npriority = "Medium"', 'department = "Sales Team"\npriority = "Low"')
    .replace('address = "billing@', 'address = "money@')
    + r"""
[[sender]]
address = "robot@machine.example"
blocked = true

[[sender]]
address = "@big.example"
vip = true
acknowledge = false

[[rule]]
name = "tagged by header"
when = { header = { X-Customer-Level = "gold|platinum" } }
set = { sla_hours = 3, tags = ["gold"] }

[[rule]]
name = "to sales"
when = { recipient = "sales@*" }
set = { department = "Sales Team" }

[[rule]]
name = "files"
when = { attachment = "*.pdf" }
set = { category = "Billing" }

[[rule]]
name = "words"
when = { body = ['\bprinter\b', 'rechnung'], category = ["Technical", "Product", "Bug"] }
set = { priority = "Low", department = "Engineering" }

[[rule]]
name = "unsure"
when = { confidence_below = 0.5 }
set = { action = "triage", tags = ["unsure"] }
"""
)
OLD = (
    SHIPPED
    + """
[[sender]]
address = "@blocked.example"
blocked = true
"""
)
AT = datetime.now(UTC)


def odd_mails() -> list[bytes]:
    """Mails that only some matchers see."""
    heads = [
        "From: robot@machine.example\r\nSubject: nightly report",
        "From: Big Ann <ann@big.example>\r\nSubject: my invoice is wrong",
        "From: ann@blocked.example\r\nSubject: my password is lost",
        "From: eve@x.example\r\nTo: sales@helpdesk.example\r\nSubject: which plan is best",
        "From: joe@x.example\r\nX-Customer-Level: Platinum\r\nSubject: the app crashes",
        "From: sys@x.example\r\nAuto-Submitted: auto-generated\r\nSubject: disk report of the server",
        "From: kim@x.example\r\nSubject: =?utf-8?q?Rechnung_f=C3=BCr_M=C3=A4rz?=",
        "From: pdf@x.example\r\nMIME-Version: 1.0\r\nSubject: see file\r\n"
        'Content-Type: application/pdf; name="a (1).pdf"\r\nContent-Disposition: attachment; filename="a (1).pdf"',
    ]  # fmt: skip
    return [
        f"{head}\r\nMessage-ID: <odd{n}@x.example>\r\n\r\nPlease help with the printer or the invoice {n}.\r\n".encode()
        for n, head in enumerate(heads)
    ]


def placements(folder: Path, routing: Routing) -> dict[str, Placement]:
    """What became of each mail, by its digest."""
    engine = open_engine(folder / "data" / "helpdesk.db", readonly=True)
    addresses = {name: d.address for name, d in routing.departments.items()}
    past = list(decided_since(engine, AT - timedelta(days=1), 1_000, ["support"], addresses))
    engine.dispose()
    digests = {r["id"]: r["digest"] for r in rows(folder, "select id, digest from arrivals")}
    return {digests[p.arrival]: p.was for p in past}


@pytest.mark.timeout(240)
def test_what_is_predicted_is_what_then_happens(tmp_path: Path, sink: Sink) -> None:
    mails = [mail(number) for number in range(60)] + odd_mails()
    mails += [file.read_bytes() for file in sorted((ROOT / "data" / "samples").glob("*.eml"))]
    for name, text in (("then", OLD), ("now", NEW)):
        settings = settings_with_rules(tmp_path / name, sink.port, text)
        for raw in mails:
            deliver(tmp_path / name / "inbox", raw)
        (tmp_path / name / "data").mkdir(exist_ok=True)
        if name == "now":  # the digest of a mail is keyed
            keys = tmp_path / name / "data" / "keys"
            keys.mkdir(mode=0o700)
            for key in (tmp_path / "then" / "data" / "keys").iterdir():
                (keys / key.name).write_bytes(key.read_bytes())
                (keys / key.name).chmod(0o600)
        with daemon(settings, real_model=True) as (app, runner):
            runner.run(app.once())
    old, new = (load_routing(tmp_path / name / "routing.toml") for name in ("then", "now"))
    engine = open_engine(tmp_path / "then" / "data" / "helpdesk.db", readonly=True)
    found = compare_rules(old, new, engine, ["support"], datetime.now(UTC), 1)
    digests = {r["id"]: r["digest"] for r in rows(tmp_path / "then", "select id, digest from arrivals")}
    then, now = placements(tmp_path / "then", old), placements(tmp_path / "now", new)
    assert len(then) == found.tried == len(now) >= 65
    assert found.gone == 0
    predicted = then | {digests[d.past.arrival]: d.now for d in found.differences}
    for digest, placement in predicted.items():
        assert placement.unlike(now[digest]) == (), digest
    kinds = {what for d in found.differences for what in d.what}
    assert kinds == {"ignored", "department", "address", "category", "priority", "sla_hours", "needs_review", "tags",
                     "acknowledge"}, "every kind of difference was there to be missed"  # fmt: skip
    assert any(d.past.was.ignored and not d.now.ignored for d in found.differences)
    assert any(d.now.ignored and not d.past.was.ignored for d in found.differences)
    same = compare_rules(old, old, engine, ["support"], datetime.now(UTC), 1)
    assert (same.tried, same.differences) == (found.tried, [])


def test_a_rule_asks_for_the_language_that_was_told(tmp_path: Path, sink: Sink) -> None:
    rule = '\n[[rule]]\nname = "german"\nwhen = { language = "de" }\nset = { tags = ["german"] }\n'
    settings = settings_with_rules(tmp_path, sink.port, SHIPPED + rule)
    deliver(tmp_path / "inbox", b"From: a@x.example\r\nSubject: Hilfe\r\n\r\nDer Drucker druckt nicht.\r\n")
    deliver(tmp_path / "inbox", b"From: b@x.example\r\nSubject: Help\r\n\r\nThe printer prints nothing.\r\n")
    with daemon(settings) as (app, runner):
        app.decide._language_of = lambda text: "de" if "Der " in text else "en"
        runner.run(app.once())
    found = rows(tmp_path, "select t.tags, v.language from tickets t join arrivals a on a.ticket = t.id "
                 "join votes v on v.arrival = a.id order by a.id")  # fmt: skip
    assert [(row["tags"], row["language"]) for row in found] == [('["german"]', "de"), ("[]", "en")]
