"""Every command, as a process, on the shipped settings, samples and examples."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command import (
    BIN,
    SAMPLES,
    document,
    environment,
    files_below,
    lines,
    out,
    run,
    run_installed,
)
from tests.harness.mails import mail

TICKET = re.compile(r"^HD-[0-9A-HJKMNP-TV-Z]{8}$")
KEYS = [
    "file", "verdict", "reasons", "from", "subject", "text", "reply_text", "attachments", "failed_recipients",
    "acknowledge", "acknowledge_reason", "category", "confidence", "needs_review", "neighbours", "department",
    "address", "priority", "sla_hours", "due_at", "rule",
]  # fmt: skip
VERDICTS = {"ticket", "reply", "auto_reply", "bounce", "own", "ignored", "quarantined"}
AUDITED = ("outbox", "arrivals", "quarantine", "suppressions", "audit", "erase", "backup", "restore", "migrate")
CATEGORIES = {"Technical", "Account", "Billing", "Product", "Bug", "General"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo was run."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(home: Path) -> dict[str, Any]:
    """What `demo --json` printed."""
    found: dict[str, Any] = document(run(home, "demo", "--json"))
    return found


@pytest.fixture
def on_demo(demo: dict[str, Any], home: Path) -> list[str]:
    """The words that name the demo's settings."""
    return ["--settings", str(home / demo["settings"])]


# --- help ----------------------------------------------------------------------------------------


def test_help_names_every_command(tmp_path: Path) -> None:
    said = out(run(tmp_path, "--help"))
    for command in (
        "run",
        "once",
        "demo",
        "init",
        "check",
        "explain",
        "tickets",
        "outbox",
        "arrivals",
        "quarantine",
        "suppressions",
        "audit",
        "status",
        "incidents",
        "alerts",
        "erase",
        "backup",
        "restore",
        "migrate",
    ):
        assert re.search(rf"^  {command}\b", said, re.MULTILINE), command
    assert files_below(tmp_path) == []


@pytest.mark.parametrize(
    "command",
    ["run", "once", "demo", "init", "check", "explain", "tickets", "status", "incidents", "alerts", *AUDITED],
)
def test_every_command_explains_itself(tmp_path: Path, command: str) -> None:
    assert out(run(tmp_path, command, "--help")).startswith(f"Usage: helpdesk-daemon {command}")
    assert files_below(tmp_path) == []


def test_the_version_is_said(tmp_path: Path) -> None:
    assert re.fullmatch(r"helpdesk-daemon, version \d+\.\d+\.\d+\n", out(run_installed(tmp_path, "--version")))


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["tickets", "nonsense"],
        ["tickets", "list", "--nonsense"],
        ["explain"],
        ["tickets", "list", "--limit", "many"],
    ],
)
def test_wrong_usage_exits_with_2(tmp_path: Path, words: list[str]) -> None:
    done = run(tmp_path, *words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Traceback" not in done.stderr


# --- the demo ------------------------------------------------------------------------------------


def test_the_demo_settles_and_sends_everything(demo: dict[str, Any]) -> None:
    assert demo["delivered"] is True
    assert demo["mails"] == 16
    assert sum(demo["settled"].values()) == 16
    assert len(demo["tickets"]) + len(demo["others"]) == 16
    assert 12 <= len(demo["tickets"]) <= 14


def test_every_ticket_of_the_demo_says_where_it_went_and_why(demo: dict[str, Any]) -> None:
    for ticket in demo["tickets"]:
        assert TICKET.match(ticket["id"])
        assert "@" in ticket["requester_email"]
        assert "@" in ticket["address"]
        assert ticket["subject"]
        assert ticket["category"] in CATEGORIES
        assert 0 <= ticket["confidence"] <= 1
        assert ticket["department"]
        assert ticket["priority"] in {"High", "Medium", "Low"}
        assert ticket["sla_hours"] > 0
        assert ticket["due_at"] > ticket["created_at"]
        assert ticket["rule"]
        assert ticket["state"] == "open"
    assert len({ticket["id"] for ticket in demo["tickets"]}) == len(demo["tickets"])


def test_mail_that_opened_no_ticket_in_the_demo_has_a_reason(demo: dict[str, Any]) -> None:
    for other in demo["others"]:
        assert other["state"] in {"reply", "ignored"}
        assert other["reason"]


def test_the_demo_leaves_the_mails_as_files(demo: dict[str, Any], home: Path) -> None:
    folder = home / demo["mail_folder"]
    filed = list(folder.glob("*/new/*"))
    assert len(filed) == demo["sent"]
    for ticket in demo["tickets"]:
        mails = [
            message_from_bytes(f.read_bytes(), policy=policy.default)
            for f in (folder / ticket["address"]).glob("new/*")
        ]
        forwards = [m for m in mails if m["X-Helpdesk-Ticket"] == ticket["id"] and m["X-Helpdesk-Category"]]
        assert forwards, ticket["subject"]
        assert {m["X-Helpdesk-Department"] for m in forwards} == {ticket["department"]}
        assert {m["X-Helpdesk-Priority"] for m in forwards} == {ticket["priority"]}


def test_the_demo_can_be_watched_again_in_the_same_folder(tmp_path: Path) -> None:
    said = out(run(tmp_path, "demo", "--dir", "here"))
    assert "16 emails became" in said
    assert "tickets show HD-" in said, "it says where to look next"
    first = set(re.findall(r"HD-[0-9A-Z]{8}", said))
    assert (tmp_path / "here" / "data" / "helpdesk.db").is_file()
    again = document(run(tmp_path, "demo", "--dir", "here", "--json"))
    assert (again["mails"], len(again["tickets"]), again["delivered"]) == (16, len(first), True)
    assert first.isdisjoint(ticket["id"] for ticket in again["tickets"])
    assert len(list((tmp_path / again["mail_folder"]).glob("*/new/*"))) == again["sent"]


def test_the_demo_refuses_a_folder_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "mine" / "mail").mkdir(parents=True)
    (tmp_path / "mine" / "mail" / "letter.txt").write_text("keep me")
    before = files_below(tmp_path)
    done = run(tmp_path, "demo", "--dir", "mine")
    assert done.returncode == 2
    assert b"mine" in done.stderr
    assert files_below(tmp_path) == before


# --- looking at the demo's data ------------------------------------------------------------------


def test_tickets_list(demo: dict[str, Any], on_demo: list[str], tmp_path: Path) -> None:
    rows = document(run(tmp_path, *on_demo, "tickets", "list", "--json"))
    assert {row["id"] for row in rows} == {ticket["id"] for ticket in demo["tickets"]}
    said = out(run(tmp_path, *on_demo, "tickets", "list"))
    for ticket in demo["tickets"]:
        assert ticket["id"] in said


def test_tickets_list_can_be_narrowed(demo: dict[str, Any], on_demo: list[str], tmp_path: Path) -> None:
    department = demo["tickets"][0]["department"]
    rows = document(run(tmp_path, *on_demo, "tickets", "list", "--json", "--department", department))
    assert {row["id"] for row in rows} == {t["id"] for t in demo["tickets"] if t["department"] == department}
    assert len(document(run(tmp_path, *on_demo, "tickets", "list", "--json", "--limit", "2"))) == 2
    assert document(run(tmp_path, *on_demo, "tickets", "list", "--json", "--state", "closed")) == []
    rows = document(run(tmp_path, *on_demo, "tickets", "list", "--json", "--search", "Charged twice"))
    assert [row["subject"] for row in rows] == ["Charged twice for November (K-20931)"]


def test_tickets_list_takes_words_with_wildcards_as_words(on_demo: list[str], tmp_path: Path) -> None:
    assert document(run(tmp_path, *on_demo, "tickets", "list", "--json", "--search", "%")) == []


def test_tickets_show(demo: dict[str, Any], on_demo: list[str], tmp_path: Path) -> None:
    ticket = demo["tickets"][0]
    shown = document(run(tmp_path, *on_demo, "tickets", "show", ticket["id"], "--json"))
    assert shown["id"] == ticket["id"]
    assert shown["messages"][0]["subject"] == ticket["subject"]
    assert shown["decisions"][0]["category"] == ticket["category"]
    assert shown["decisions"][0]["neighbours"]
    assert {mail["kind"] for mail in shown["outgoing"]} >= {"forward"}
    said = out(run(tmp_path, *on_demo, "tickets", "show", ticket["id"]))
    assert ticket["id"] in said
    assert ticket["department"] in said


def test_tickets_show_reads_an_id_as_people_write_it(demo: dict[str, Any], on_demo: list[str], tmp_path: Path) -> None:
    wanted = demo["tickets"][0]["id"]
    for written in (wanted.lower(), wanted.removeprefix("HD-"), wanted.replace("0", "o").replace("1", "l")):
        assert document(run(tmp_path, *on_demo, "tickets", "show", written, "--json"))["id"] == wanted


@pytest.mark.parametrize("name", ["HD-ZZZZZZZZ", "nonsense", ""])
def test_a_ticket_that_is_not_there_is_a_finding(on_demo: list[str], tmp_path: Path, name: str) -> None:
    done = run(tmp_path, *on_demo, "tickets", "show", name)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"no ticket" in done.stderr


def test_tickets_show_saves_the_mails(demo: dict[str, Any], on_demo: list[str], tmp_path: Path) -> None:
    ticket = next(t for t in demo["tickets"] if t["subject"].startswith("Charged twice"))
    out(run(tmp_path, *on_demo, "tickets", "show", ticket["id"], "--save", "saved"))
    (saved,) = (tmp_path / "saved").glob("*.eml")
    assert saved.read_bytes() == (SAMPLES / "02-charged-twice.eml").read_bytes()
    assert len(list((tmp_path / "saved").iterdir())) > 1, "its attachment"


def test_outbox_list(demo: dict[str, Any], on_demo: list[str], tmp_path: Path) -> None:
    rows = document(run(tmp_path, *on_demo, "outbox", "list", "--json"))
    assert len(rows) == demo["sent"]
    assert {row["state"] for row in rows} == {"sent"}
    assert {row["kind"] for row in rows} >= {"forward", "acknowledgement"}
    assert document(run(tmp_path, *on_demo, "outbox", "list", "--state", "failed", "--json")) == []
    assert "forward" in out(run(tmp_path, *on_demo, "outbox", "list"))


def test_quarantine_list(on_demo: list[str], tmp_path: Path) -> None:
    assert document(run(tmp_path, *on_demo, "quarantine", "list", "--json")) == []
    assert "empty" in out(run(tmp_path, *on_demo, "quarantine", "list"))


def test_arrivals_say_where_each_mail_ended_and_why(demo: dict[str, Any], on_demo: list[str], tmp_path: Path) -> None:
    rows = document(run(tmp_path, *on_demo, "arrivals", "list", "--json"))
    assert len(rows) == demo["mails"]
    ignored = document(run(tmp_path, *on_demo, "arrivals", "list", "--state", "ignored", "--json"))
    assert len(ignored) == demo["settled"]["ignored"]
    assert all(row["reason"] for row in ignored)
    number = str(ignored[0]["id"])
    shown = document(run(tmp_path, *on_demo, "arrivals", "show", number, "--save", "it.eml", "--json"))
    assert shown["reason"] == ignored[0]["reason"]
    assert shown["size"] == (tmp_path / "it.eml").stat().st_size
    assert ignored[0]["reason"] in out(run(tmp_path, *on_demo, "arrivals", "show", number))
    assert run(tmp_path, *on_demo, "arrivals", "show", "999").returncode == 1


def test_quarantined_mail_is_shown_and_retried(home: Path, tmp_path: Path) -> None:
    run(tmp_path, "demo", "--json")
    on = ["--settings", str(tmp_path / "helpdesk-demo" / "settings.toml")]
    database = tmp_path / "helpdesk-demo" / "data" / "helpdesk.db"
    with sqlite3.connect(database) as connection:
        connection.execute("update arrivals set state = 'quarantined', reason = 'it broke', attempts = 4 where id = 3")
    assert [row["id"] for row in document(run(tmp_path, *on, "quarantine", "list", "--json"))] == [3]
    assert "it broke" in out(run(tmp_path, *on, "quarantine", "show", "3"))
    assert run(tmp_path, *on, "quarantine", "retry").returncode == 2
    assert run(tmp_path, *on, "quarantine", "retry", "4").returncode == 1
    assert "1 mails" in out(run(tmp_path, *on, "quarantine", "retry", "3"))
    assert document(run(tmp_path, *on, "quarantine", "list", "--json")) == []
    rows = document(run(tmp_path, *on, "audit", "tail", "--event", "quarantine.retried", "--json"))
    assert [(row["actor"], row["detail"]) for row in rows] == [("operator", {"arrival": 3})]
    assert document(run(tmp_path, *on, "audit", "verify", "--json"))["problem"] is None


def test_suppressed_addresses_are_listed_and_released(tmp_path: Path) -> None:
    run(tmp_path, "demo", "--json")
    on = ["--settings", str(tmp_path / "helpdesk-demo" / "settings.toml")]
    with sqlite3.connect(tmp_path / "helpdesk-demo" / "data" / "helpdesk.db") as connection:
        values = ("gone@x.example", "hard bounce: no such user", "2026-11-25T10:00:00.000Z", None)
        connection.execute("insert into suppressions values (?, ?, ?, ?)", values)
    rows = document(run(tmp_path, *on, "suppressions", "list", "--json"))
    assert [(row["email"], row["reason"]) for row in rows] == [("gone@x.example", "hard bounce: no such user")]
    assert "gone@x.example" in out(run(tmp_path, *on, "suppressions", "release", "Gone@x.example"))
    assert document(run(tmp_path, *on, "suppressions", "list", "--json")) == []
    assert len(document(run(tmp_path, *on, "suppressions", "list", "--released", "--json"))) == 1
    assert run(tmp_path, *on, "suppressions", "release", "gone@x.example").returncode == 1


def test_audit_tail(demo: dict[str, Any], on_demo: list[str], tmp_path: Path) -> None:
    rows = document(run(tmp_path, *on_demo, "audit", "tail", "--limit", "1000", "--json"))
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["event"] for row in rows].count("message.arrived") == 16
    ticket = demo["tickets"][0]["id"]
    rows = document(run(tmp_path, *on_demo, "audit", "tail", "--ticket", ticket.lower(), "--json"))
    assert rows
    assert {row["ticket"] for row in rows} == {ticket}
    rows = document(run(tmp_path, *on_demo, "audit", "tail", "--event", "outgoing.*", "--limit", "999", "--json"))
    assert {row["event"] for row in rows} == {"outgoing.sent"}
    assert "outgoing.sent" in out(run(tmp_path, *on_demo, "audit", "tail"))


def test_audit_tail_is_narrowed_by_address_and_time(demo: dict[str, Any], on_demo: list[str], tmp_path: Path) -> None:
    def seqs(*words: str) -> list[int]:
        return [
            row["seq"] for row in document(run(tmp_path, *on_demo, "audit", "tail", "--limit", "999", *words, "--json"))
        ]

    everything = seqs()
    assert seqs("--since", "1h") == everything
    assert seqs("--until", "1h") == seqs("--since", "2099-01-01") == []
    ticket = document(run(tmp_path, *on_demo, "tickets", "list", "--json"))[0]
    of_one = seqs("--address", ticket["requester_email"].upper())
    assert set(seqs("--ticket", ticket["id"])) <= set(of_one)
    assert len(of_one) < len(everything)
    assert run(tmp_path, *on_demo, "audit", "tail", "--since", "yesterday").returncode == 2


def test_audit_tail_follows(on_demo: list[str], tmp_path: Path) -> None:
    until = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    done = run(tmp_path, *on_demo, "audit", "tail", "-f", "--limit", "3", "--until", until, "--json")
    assert [set(line) for line in lines(done)] == [{"seq", "at", "actor", "event", "ticket", "detail"}] * 3


def test_audit_verify_proves_a_head_that_was_noted(on_demo: list[str], tmp_path: Path) -> None:
    head = document(run(tmp_path, *on_demo, "audit", "verify", "--json"))["head"]
    assert document(run(tmp_path, *on_demo, "audit", "verify", "--head", head, "--json"))["problem"] is None
    done = run(tmp_path, *on_demo, "audit", "verify", "--head", head[:-1] + ("0" if head[-1] != "0" else "1"))
    assert done.returncode == 1
    assert b"is not the one that was noted" in done.stdout
    assert run(tmp_path, *on_demo, "audit", "verify", "--head", "12").returncode == 2


def test_audit_verify(on_demo: list[str], tmp_path: Path) -> None:
    found = document(run(tmp_path, *on_demo, "audit", "verify", "--json"))
    assert found["rows"] > 16
    assert found["problem"] is None
    assert "hold" in out(run(tmp_path, *on_demo, "audit", "verify"))


def test_audit_verify_finds_a_changed_row(demo: dict[str, Any], home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / Path(demo["settings"]).parent, tmp_path / "copy")
    with sqlite3.connect(tmp_path / "copy" / "data" / "helpdesk.db") as connection:
        connection.execute("drop trigger audit_log_no_update")
        connection.execute("update audit_log set actor = 'nobody' where seq = 5")
    connection.close()
    done = run(tmp_path, "--settings", "copy/settings.toml", "audit", "verify", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (found["rows"], found["problem"]) == (4, "row 5 was changed")


def test_looking_changes_nothing(on_demo: list[str], demo: dict[str, Any], home: Path, tmp_path: Path) -> None:
    def dump() -> list[str]:
        with sqlite3.connect(f"file:{home / demo['database']}?mode=ro", uri=True) as connection:
            found = list(connection.iterdump())
        connection.close()
        return found

    before = dump()
    for words in (["tickets", "list"], ["outbox", "list"], ["audit", "tail"], ["audit", "verify"], ["check"]):
        out(run(tmp_path, *on_demo, *words))
    assert dump() == before


def test_a_command_without_a_database_says_what_to_do(tmp_path: Path) -> None:
    for words in (
        ["tickets", "list"],
        ["outbox", "list"],
        ["quarantine", "list"],
        ["audit", "tail"],
        ["audit", "verify"],
    ):
        done = run(tmp_path, *words)
        assert (done.returncode, done.stdout) == (78, b""), words
        assert len(done.stderr.splitlines()) == 1
        assert b"helpdesk-daemon demo" in done.stderr
    assert files_below(tmp_path) == []


# --- check ---------------------------------------------------------------------------------------


def test_check_of_the_shipped_settings_finds_nothing_wrong(tmp_path: Path) -> None:
    found = document(run(tmp_path, "check", "--json"))
    assert {step["check"] for step in found["checks"]} == {"rules", "data folder", "database", "model", "secrets"}
    assert all(step["ok"] for step in found["checks"])
    assert files_below(tmp_path) == [], "checking makes nothing"


def test_check_for_a_person(on_demo: list[str], tmp_path: Path) -> None:
    said = out(run(tmp_path, *on_demo, "check"))
    assert said.count("ok   ") >= 5
    assert "FAIL" not in said


def test_check_with_the_network_finds_a_server_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(
        '[[mailbox]]\nurl = "imap://127.0.0.1:9/INBOX"\nuser = "support"\n[smtp]\nurl = "smtp://127.0.0.1:9"\n'
    )
    done = run(tmp_path, "check", "--network", "--json")
    assert done.returncode == 1
    failed = {step["check"]: step["found"] for step in json.loads(done.stdout)["checks"] if not step["ok"]}
    assert set(failed) == {"mailboxes", "smtp"}
    assert all("127.0.0.1" in words for words in failed.values())


# --- once ----------------------------------------------------------------------------------------


def test_once_takes_decides_and_sends_and_is_idempotent(tmp_path: Path) -> None:
    inbox = tmp_path / "var" / "inbox" / "new"
    inbox.mkdir(parents=True)
    for number in (1, 2, 3):
        (inbox / f"{number}.mail").write_bytes(mail(number))
    assert "3 new mails" in out(run(tmp_path, "once"))
    filed = files_below(tmp_path / "var" / "outgoing")
    assert len(document(run(tmp_path, "tickets", "list", "--json"))) == 3
    assert "0 new mails" in out(run(tmp_path, "once"))
    assert files_below(tmp_path / "var" / "outgoing") == filed


# --- explain -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Each sample explained, the names given in an order of their own."""
    folder = tmp_path_factory.mktemp("explain")
    found = lines(run(folder, "explain", "--json", *sorted(SAMPLES.glob("*.eml"), reverse=True)))
    assert files_below(folder) == [], "explaining stores nothing"
    return found


def test_explain_gives_one_object_a_mail_in_input_order(explained: list[dict[str, Any]]) -> None:
    assert [found["file"] for found in explained] == [str(f) for f in sorted(SAMPLES.glob("*.eml"), reverse=True)]


def test_explain_gives_exactly_the_promised_keys(explained: list[dict[str, Any]]) -> None:
    for found in explained:
        assert list(found) == KEYS


def test_explain_gives_values_of_the_promised_kinds(explained: list[dict[str, Any]]) -> None:
    for found in explained:
        assert found["verdict"] in VERDICTS
        assert all(
            isinstance(found[key], list) for key in ("reasons", "attachments", "failed_recipients", "neighbours")
        )
        assert all(
            isinstance(found[key], str) for key in ("from", "subject", "text", "reply_text", "acknowledge_reason")
        )
        assert isinstance(found["acknowledge"], bool)
        if found["verdict"] != "ticket":
            assert (found["category"], found["department"], found["due_at"]) == (None, None, None)
            continue
        assert found["category"] in CATEGORIES
        assert 0 <= found["confidence"] <= 1
        assert found["needs_review"] in (True, False)
        assert found["priority"] in {"High", "Medium", "Low"}
        assert found["sla_hours"] > 0
        assert "@" in found["address"]
        order = [(near["category"] != found["category"], -near["similarity"]) for near in found["neighbours"]]
        assert order
        assert order == sorted(order), "evidence for the category first, the nearest first"


def test_explain_says_what_becomes_of_the_samples(explained: list[dict[str, Any]]) -> None:
    verdicts = {Path(found["file"]).name[:2]: found["verdict"] for found in explained}
    assert (verdicts["07"], verdicts["13"]) == ("auto_reply", "bounce")
    assert {verdicts[n] for n in ("01", "02", "03", "04", "05", "08", "09", "10", "11", "14", "15", "16")} == {"ticket"}
    acknowledged = {Path(found["file"]).name[:2]: found["acknowledge"] for found in explained}
    assert (acknowledged["07"], acknowledged["12"], acknowledged["13"]) == (False, False, False)


def test_explain_reads_standard_input(tmp_path: Path) -> None:
    (found,) = lines(run(tmp_path, "explain", "--json", "-", stdin=(SAMPLES / "02-charged-twice.eml").read_bytes()))
    assert (found["file"], found["verdict"], found["category"]) == ("-", "ticket", "Billing")
    assert found["subject"] == "Charged twice for November (K-20931)"


def test_explain_reads_a_folder_with_all_below_it(tmp_path: Path) -> None:
    (tmp_path / "mails" / "deep").mkdir(parents=True)
    for number, name in ((1, "b.eml"), (2, "deep/a.eml"), (3, "a.eml")):
        (tmp_path / "mails" / name).write_bytes(mail(number))
    found = lines(run(tmp_path, "explain", "--json", "mails"))
    assert [f["file"] for f in found] == ["mails/a.eml", "mails/b.eml", "mails/deep/a.eml"]


def test_explain_reads_files_folders_and_standard_input_together(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.eml").write_bytes(mail(1))
    (tmp_path / "b.eml").write_bytes(mail(2))
    found = lines(run(tmp_path, "explain", "--json", "b.eml", "-", "one", stdin=mail(3)))
    assert [f["file"] for f in found] == ["b.eml", "-", "one/a.eml"]


AWKWARD = {
    "empty": b"",
    "no head": b"\r\n\r\nhello\r\n",
    "head only": b"Subject: nothing else",
    "noise": bytes(range(256)) * 40,
    "zeros": b"\0" * 5_000,
    "broken multipart": b"From: a@customer.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n--x\r\n",
    "unknown charset": b"From: a@customer.example\r\nContent-Type: text/plain; charset=klingon\r\n\r\nnuqneH\xff\r\n",
    "eight bits in the head": b"From: J\xfcrgen <j@customer.example>\r\nSubject: Gr\xfc\xdfe\r\n\r\nhallo\r\n",
}
HALF_CHARACTERS = {
    "utf-7": b"From: a@customer.example\r\nSubject: =?utf-7?q?+2AA-?=\r\n"
    b"Content-Type: text/plain; charset=utf-7\r\n\r\n+2AA- is half a character\r\n",
    "escape": b"From: a@customer.example\r\nContent-Type: text/plain; charset=unicode_escape\r\n\r\n"
    b"\\ud800 is half a character\r\n",
}


@pytest.mark.parametrize("mails", [AWKWARD, HALF_CHARACTERS], ids=["awkward", "half characters"])
def test_explain_takes_awkward_mail(tmp_path: Path, mails: dict[str, bytes]) -> None:
    for name, raw in mails.items():
        (tmp_path / name).write_bytes(raw)
    done = run(tmp_path, "explain", "--json", *mails)
    assert b"Traceback" not in done.stderr
    found = lines(done)
    assert [f["file"] for f in found] == list(mails)
    for one in found:
        assert list(one) == KEYS
        assert one["verdict"] in VERDICTS


def test_explain_for_a_person(tmp_path: Path) -> None:
    said = out(run(tmp_path, "explain", SAMPLES / "02-charged-twice.eml"))
    assert "Billing" in said
    assert "Because of" in said


def test_explain_of_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    done = run(tmp_path, "explain", "--json", "nowhere.eml")
    assert done.returncode == 2
    assert b"nowhere.eml" in done.stderr


# --- what a command loads ------------------------------------------------------------------------

HEAVY = ("torch", "transformers", "sentence_transformers", "openvino")


def loaded(folder: Path, *words: str) -> set[str]:
    """Top-level modules that a command imported."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(BIN), *words], cwd=folder, env=environment(), capture_output=True,
        timeout=120,
    )  # fmt: skip
    found = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.decode().splitlines()}
    assert "helpdesk_daemon" in found
    assert done.returncode == 0, done.stderr.decode()[-500:]
    return found


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["demo", "--help"],
        ["tickets", "list"],
        ["tickets", "list", "--json"],
        ["outbox", "list"],
        ["quarantine", "list"],
        ["audit", "tail"],
        ["audit", "verify"],
        ["audit", "reconcile"],
        ["init", "--help"],
        ["check"],
    ],
    ids=" ".join,
)
def test_a_command_that_needs_no_model_loads_none(on_demo: list[str], tmp_path: Path, words: list[str]) -> None:
    assert loaded(tmp_path, *on_demo, *words).isdisjoint(HEAVY)


def test_classifying_loads_no_torch(tmp_path: Path) -> None:
    found = loaded(tmp_path, "explain", "--json", str(SAMPLES / "02-charged-twice.eml"))
    assert "openvino" in found
    assert found.isdisjoint(set(HEAVY) - {"openvino"})
