"""`audit reconcile` against Dovecot and Maildirs: every UID in one place, and each planted loss is found."""

from __future__ import annotations

import os
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from helpdesk_daemon.adapters import survey as surveying
from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.adapters.store.engine import open_engine
from helpdesk_daemon.cli.reconcile import Report, reconcile_all
from helpdesk_daemon.settings import load_settings
from helpdesk_daemon.wiring.places import database
from tests.harness.dovecot import Dovecot
from tests.harness.mails import mail
from tests.harness.sink import Sink
from tests.harness.world import check_reconciles, child, rows, write_settings
from tests.integration.conftest import once


def reconciled(folder: Path, repair: bool = False) -> Report:
    settings = load_settings(folder / "settings.toml")
    engine = open_engine(database(settings), readonly=True)
    try:
        return reconcile_all(settings, engine, repair=repair)
    finally:
        engine.dispose()


def change(folder: Path, statement: str, *values: object) -> int:
    """Damage the test's database by hand."""
    connection = sqlite3.connect(folder / "data" / "helpdesk.db")
    try:
        connection.execute("pragma foreign_keys = off")
        done = connection.execute(statement, values).rowcount
        connection.commit()
        return done
    finally:
        connection.close()


@pytest.fixture(scope="module")
def filed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a daemon that has taken three mails from a Maildir."""
    folder = tmp_path_factory.mktemp("filed")
    with Sink() as sink:
        settings = write_settings(folder, "maildir:inbox", sink.port)
        for number in (1, 2, 3):
            deliver(folder / "inbox", mail(number))
        assert once(settings) == 3
    return folder


def kinds(report: Report) -> list[str]:
    return sorted(finding.kind for finding in report.findings)


@pytest.fixture
def taken(tmp_path: Path, server: Dovecot, sink: Sink) -> Path:
    """Settings of a daemon that has taken ten mails from Dovecot."""
    settings = write_settings(tmp_path, server.url, sink.port)
    server.append(mail(number) for number in range(1, 11))
    assert once(settings) == 10
    return settings


def test_every_mail_is_in_one_state_or_waits(tmp_path: Path, server: Dovecot, taken: Path) -> None:
    server.append([mail(11), mail(12)])
    (folder,) = check_reconciles(tmp_path).folders
    assert (folder.mails, folder.states, folder.waiting, folder.lost) == (12, {"ticket": 10}, 2, [])
    once(taken)
    (folder,) = check_reconciles(tmp_path).folders
    assert (folder.mails, folder.states.total(), folder.waiting) == (12, 12, 0)


def test_a_row_deleted_from_the_ledger_is_found_and_taken_back(tmp_path: Path, server: Dovecot, taken: Path) -> None:
    change(tmp_path, "delete from tickets where id = (select ticket from arrivals where uid = '4')")
    change(tmp_path, "delete from arrivals where uid = '4'")
    report = reconciled(tmp_path)
    assert kinds(report) == ["lost"]
    lost = next(f for f in report.findings if f.kind == "lost")
    assert (lost.uid, lost.mailbox, lost.folder) == ("4", "support", "INBOX")
    assert lost.subject
    assert lost.at and datetime.now(UTC) - lost.at < timedelta(minutes=5)
    before = rows(tmp_path, "select position from cursors")
    mended = reconciled(tmp_path, repair=True)
    assert mended.repaired == 1
    assert rows(tmp_path, "select position from cursors") == before
    assert rows(tmp_path, "select state from arrivals where uid = '4'") == [{"state": "pending"}]
    once(taken)
    assert check_reconciles(tmp_path).folders[0].states == {"ticket": 10}
    assert len(rows(tmp_path, "select id from tickets")) == 10
    assert rows(tmp_path, "select actor from audit_log where event = 'mailbox.repaired'") == [{"actor": "operator"}]


def test_a_row_whose_ticket_is_there_is_joined_to_it_again(
    tmp_path: Path, server: Dovecot, sink: Sink, taken: Path
) -> None:
    before = rows(tmp_path, "select state, ticket from arrivals where uid = '4'")
    sent = len(sink.mails)
    change(tmp_path, "delete from arrivals where uid = '4'")
    assert kinds(reconciled(tmp_path)) == ["lost", "no mail"]
    assert reconciled(tmp_path, repair=True).findings == []
    assert rows(tmp_path, "select state, ticket from arrivals where uid = '4'") == before
    once(taken)
    check_reconciles(tmp_path)
    assert len(sink.mails) == sent, "nobody is written to twice"


def test_beside_a_daemon_that_is_taking_mail_nothing_is_called_lost(
    tmp_path: Path, server: Dovecot, taken: Path
) -> None:
    running = child(taken, "run")
    try:
        kept, looks = 0, 0
        numbers = iter(range(11, 71))
        while kept < 70:
            server.append(mail(number) for number in islice(numbers, 7))
            (folder,) = check_reconciles(tmp_path).folders
            kept, looks = folder.states.total(), looks + 1
            assert running.poll() is None
            assert looks < 500
    finally:
        running.kill()
        running.wait(10)


def test_a_row_that_went_with_its_mail_is_known_by_the_audit_log(tmp_path: Path, server: Dovecot, taken: Path) -> None:
    client = server.client()
    client.select_folder("INBOX")
    client.delete_messages([4])
    client.expunge()
    client.logout()
    assert check_reconciles(tmp_path).folders[0].states.total() == 9, "that people delete mail is no finding"
    change(tmp_path, "delete from tickets where id = (select ticket from arrivals where uid = '4')")
    change(tmp_path, "delete from arrivals where uid = '4'")
    assert [(f.kind, f.uid) for f in reconciled(tmp_path).findings] == [("row gone", "4")]


def test_a_uid_that_was_never_recorded_is_found(tmp_path: Path, server: Dovecot, taken: Path) -> None:
    server.append([mail(11)])
    change(tmp_path, "update cursors set position = position + 1")
    once(taken)
    report = reconciled(tmp_path)
    assert [(f.kind, f.uid) for f in report.findings] == [("lost", "11")]
    assert reconciled(tmp_path, repair=True).repaired == 1
    once(taken)
    assert check_reconciles(tmp_path).folders[0].states == {"ticket": 11}


def test_the_mailbox_is_left_as_it_was(tmp_path: Path, server: Dovecot, taken: Path) -> None:
    change(tmp_path, "update cursors set position = 99")
    server.append([mail(11)])
    client = server.client()
    recent = client.select_folder("INBOX", readonly=True)[b"RECENT"]
    before = client.get_flags(client.search("ALL"))
    assert recent > 0, "a look that is more than EXAMINE would take this mark away"
    reconciled(tmp_path, repair=True)
    assert client.select_folder("INBOX", readonly=True)[b"RECENT"] == recent
    assert client.get_flags(client.search("ALL")) == before
    client.logout()


def test_what_was_there_before_the_first_start_is_left(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    settings = write_settings(tmp_path, server.url, sink.port)
    settings.write_text(settings.read_text().replace('start = "all"', 'start = "now"'))
    server.append(mail(number) for number in range(1, 4))
    assert once(settings) == 0
    server.append([mail(4)])
    assert once(settings) == 1
    (folder,) = check_reconciles(tmp_path).folders
    assert (folder.left, folder.states, folder.lost) == (3, {"ticket": 1}, [])


def test_a_start_date_divides_what_was_there(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    settings = write_settings(tmp_path, server.url, sink.port)
    settings.write_text(settings.read_text().replace('start = "all"', "start = 2026-11-10"))
    client = server.client()
    for number, day in ((1, 8), (2, 9), (3, 11), (4, 12)):
        client.append("INBOX", mail(number), msg_time=datetime(2026, 11, day, tzinfo=UTC))
    client.logout()
    assert once(settings) == 2
    (folder,) = check_reconciles(tmp_path).folders
    assert (folder.left, folder.states) == (2, {"ticket": 2})
    change(tmp_path, "delete from arrivals where uid = '3'")
    assert [f.uid for f in reconciled(tmp_path).findings if f.kind == "lost"] == ["3"]


def test_a_recreated_folder_is_told_and_then_proven_again(tmp_path: Path, server: Dovecot, sink: Sink) -> None:
    server.append([mail(1), mail(2)], folder="Support")
    settings = write_settings(tmp_path, server.url.replace("INBOX", "Support"), sink.port)
    assert once(settings) == 2
    server.recreate("Support")
    server.append([mail(2), mail(3)], folder="Support")
    (folder,) = check_reconciles(tmp_path).folders
    assert (folder.waiting, folder.lost) == (2, [])
    assert "was recreated" in folder.note
    assert once(settings) == 2
    (folder,) = check_reconciles(tmp_path).folders
    assert (folder.states, folder.note) == ({"ignored": 1, "ticket": 1}, "")


def test_mail_that_was_moved_without_being_kept_is_found_and_taken_back(
    tmp_path: Path, server: Dovecot, sink: Sink
) -> None:
    settings = write_settings(tmp_path, server.url, sink.port, 'touch = "move Done"')
    server.append([mail(1), mail(2)])
    assert once(settings) == 2
    same_id = mail(1).replace(b"\r\n\r\n", b"\r\n\r\nAnother text. ", 1)
    server.append([mail(3), same_id], folder="Done")
    report = reconciled(tmp_path)
    assert [(f.kind, f.folder) for f in report.findings] == [("lost", "Done")] * 2
    assert report.folders[1].states == {"kept": 2}
    assert reconciled(tmp_path, repair=True).repaired == 2
    once(settings)
    assert check_reconciles(tmp_path).folders[1].states == {"kept": 4}
    assert len(rows(tmp_path, "select id from tickets")) == 4


def test_a_maildir_is_compared_too(tmp_path: Path, sink: Sink) -> None:
    inbox = tmp_path / "inbox"
    settings = write_settings(tmp_path, "maildir:inbox", sink.port)
    old = [deliver(inbox, mail(number)) for number in (1, 2, 3)]
    os.utime(old[1], (1_700_000_000, 1_700_000_000))
    assert once(settings) == 3
    deliver(inbox, mail(4))
    (folder,) = check_reconciles(tmp_path).folders
    assert (folder.mails, folder.states, folder.waiting) == (4, {"ticket": 3}, 1)
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat(timespec="milliseconds")[:23] + "Z"
    change(tmp_path, "delete from arrivals where uid = ?", old[1].name)
    change(tmp_path, "update arrivals set received_at = ? where uid = ?", later, old[2].name)
    lost = [f for f in reconciled(tmp_path).findings if f.kind == "lost"]
    assert old[1].name in {f.uid for f in lost}


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("update arrivals set state = 'pending', fetched_at = '2026-01-01T00:00:00.000Z' where id = 2", "undecided"),
        ("update arrivals set state = 'eaten' where id = 2", "unknown state"),
        ("delete from tickets where id = (select ticket from arrivals where id = 2)", "no ticket"),
        ("update arrivals set state = 'ignored', ticket = null where id = 2", "no mail"),
        ("delete from outbox where kind = 'forward' and arrival = 2", "no forward"),
        ("delete from outbox where kind = 'acknowledgement' and arrival = 2", "no acknowledgement"),
        ("update arrivals set state = 'quarantined', id = 999 where id = 2", "no notice"),
        ("update arrivals set digest = (select digest from arrivals where id = 1) where id = 2", "two tickets"),
    ],
)
def test_a_ledger_that_contradicts_itself_is_found(tmp_path: Path, filed: Path, statement: str, kind: str) -> None:
    shutil.copytree(filed, tmp_path, dirs_exist_ok=True)
    check_reconciles(tmp_path)
    assert change(tmp_path, statement) == 1
    assert kind in kinds(reconciled(tmp_path))


def test_a_mailbox_that_cannot_be_looked_at_is_a_finding(tmp_path: Path, server: Dovecot, taken: Path) -> None:
    (tmp_path / "secret").write_text("wrong")
    report = reconciled(tmp_path)
    assert not report.sound
    assert "refused the sign-in" in report.unread["support"]


def test_findings_are_bounded_and_repair_takes_all(
    tmp_path: Path, server: Dovecot, taken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helpdesk_daemon.adapters.reconcile.MOST", 3)
    monkeypatch.setattr("helpdesk_daemon.adapters.reconcile.BATCH", 4)
    change(tmp_path, "delete from arrivals")
    (folder,) = reconciled(tmp_path).folders
    assert (len(folder.lost), len(folder.findings)) == (10, 3)
    assert reconciled(tmp_path, repair=True).repaired == 10


def test_a_mail_that_vanishes_while_it_is_looked_at_is_not_lost(
    tmp_path: Path, server: Dovecot, taken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = surveying.ImapSurvey.look

    def look_then_delete(self: surveying.ImapSurvey) -> tuple[int, list[str]]:
        validity, uids = look(self)
        return validity, [*uids, "77"]

    change(tmp_path, "update cursors set backlog = 99, since = '2020-01-01T00:00:00.000Z', position = 99")
    monkeypatch.setattr(surveying.ImapSurvey, "look", look_then_delete)
    (folder,) = check_reconciles(tmp_path).folders
    assert (folder.gone, folder.lost) == (1, [])
