"""Backups taken under load restore to a state that verifies and reconciles; what is live is never overwritten."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.engine import open_engine, transaction
from helpdesk_daemon.cli.main import cli
from helpdesk_daemon.errors import HelpdeskError
from helpdesk_daemon.settings import load_settings
from tests.harness.mails import mail
from tests.harness.sink import Sink
from tests.harness.world import ROOT, check_reconciles, child, rows, write_settings
from tests.integration.conftest import once

MAILS = 120


@pytest.fixture
def home(tmp_path: Path) -> Iterator[tuple[Path, Path, Sink]]:
    """Settings with rules of their own, an inbox, an SMTP server."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "rules").mkdir()
    shutil.copy(ROOT / "rules" / "routing.toml", folder / "rules" / "own.toml")
    with Sink() as sink:
        inbox = tmp_path / "inbox"
        inbox.mkdir()
        yield write_settings(folder, f"maildir:{inbox}", sink.port, more='rules = "rules/own.toml"'), inbox, sink


def run(settings: Path, *words: object) -> dict[str, object]:
    done = CliRunner().invoke(cli, ["--settings", str(settings), *map(str, words), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, object] = json.loads(done.stdout)
    return found


def verdict(folder: Path) -> audit.Verdict:
    with transaction(open_engine(folder / "data" / "helpdesk.db", readonly=True)) as connection:
        return audit.verify(connection)


def test_backups_under_load_restore_to_a_state_that_verifies_and_reconciles(
    home: tuple[Path, Path, Sink], tmp_path: Path
) -> None:
    settings, inbox, _ = home
    for number in range(MAILS):
        deliver(inbox, mail(number))
    process = child(settings, "run")
    made = []
    try:
        wait_for(lambda: (settings.parent / "data" / "helpdesk.db").exists() and decided(settings.parent) > 5)
        for number in range(3):
            for more in range(10):
                deliver(inbox, mail(MAILS + 10 * number + more))
            made.append(tmp_path / f"backup-{number}.tar.gz")
            run(settings, "backup", made[-1])
        wait_for(lambda: decided(settings.parent) == MAILS + 30)
    finally:
        process.terminate()
        process.wait(30)
    for number, packed in enumerate(made):
        assert run(settings, "backup", "verify", packed)["problem"] is None
        restored = tmp_path / f"restored-{number}"
        run(settings, "restore", packed, restored)
        assert verdict(restored).problem == ""
        check_reconciles(restored)
        once(restored / "settings.toml")
        check_reconciles(restored)
        assert rows(restored, "select count(*) as n from tickets") == [{"n": MAILS + 30}]
        assert verdict(restored).problem == ""


def wait_for(done: Callable[[], bool]) -> None:
    for _ in range(1_200):
        if done():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come about")


def decided(folder: Path) -> int:
    try:
        return int(rows(folder, "select count(*) as n from arrivals where state = 'ticket'")[0]["n"])
    except sqlite3.OperationalError:
        return 0


@pytest.fixture
def backed_up(home: tuple[Path, Path, Sink], tmp_path: Path) -> tuple[Path, Path]:
    settings, inbox, _ = home
    for number in range(3):
        deliver(inbox, mail(number))
    once(settings)
    run(settings, "backup", tmp_path / "backup.tar.gz")
    return settings, tmp_path / "backup.tar.gz"


@pytest.mark.parametrize("name", ["again.tgz", "folder"])
def test_a_backup_holds_all_that_is_needed_and_is_its_owners(backed_up: tuple[Path, Path], name: str) -> None:
    settings, first = backed_up
    target = first.with_name(name)
    found = run(settings, "backup", target)
    assert found["files"] == [
        "data/helpdesk.db", "data/keys/audit.key", "data/keys/digest.key", "data/keys/signing.keys", "rules/own.toml",
        "settings.toml",
    ]  # fmt: skip
    files = [path for path in ([target] if target.is_file() else target.rglob("*")) if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert target.is_file() or target.stat().st_mode & 0o777 == 0o700
    assert run(settings, "backup", "verify", target)["problem"] is None
    assert not list(target.parent.glob(".*")), "nothing half done is left"
    assert rows(settings.parent, "select count(*) as n from audit_log where event = 'backup.made'") == [{"n": 2}]


def test_a_restored_daemon_goes_on_with_its_keys(backed_up: tuple[Path, Path], tmp_path: Path) -> None:
    settings, packed = backed_up
    restored = tmp_path / "new"
    run(settings, "restore", packed, restored)
    for name in ("signing.keys", "digest.key", "audit.key"):
        assert (restored / "data" / "keys" / name).read_bytes() == (
            settings.parent / "data" / "keys" / name
        ).read_bytes()
        assert (restored / "data" / "keys" / name).stat().st_mode & 0o777 == 0o600
    assert load_settings(restored / "settings.toml").rules == restored / "rules" / "own.toml"
    assert once(restored / "settings.toml") == 0, "no mail is taken twice"


def test_what_may_have_been_sent_since_is_not_sent_twice(backed_up: tuple[Path, Path], tmp_path: Path) -> None:
    settings, _ = backed_up
    with transaction(open_engine(settings.parent / "data" / "helpdesk.db")) as connection:
        connection.exec_driver_sql("update outbox set state = 'pending' where ticket = (select min(id) from tickets)")
    run(settings, "backup", tmp_path / "b.tar.gz")
    assert run(settings, "restore", tmp_path / "b.tar.gz", tmp_path / "new")["ambiguous"] == 1
    states = rows(tmp_path / "new", "select kind, state from outbox where state <> 'sent' order by kind")
    assert states == [{"kind": "acknowledgement", "state": "ambiguous"}, {"kind": "forward", "state": "pending"}]
    assert rows(tmp_path / "new", "select event from v_audit limit 1") == [{"event": "database.restored"}]


def test_settings_and_rules_from_elsewhere_find_their_place(home: tuple[Path, Path, Sink], tmp_path: Path) -> None:
    settings, inbox, _ = home
    far = tmp_path / "far"
    (far / "texts" / "de").mkdir(parents=True)
    (far / "texts" / "de" / "acknowledgement.txt").write_text("Guten Tag\n")
    shutil.move(settings.parent / "rules" / "own.toml", far / "routing.toml")
    words = settings.read_text().replace('"rules/own.toml"', f'"{far}/routing.toml"\ntemplates = "{far}/texts"')
    settings.write_text("# mine\n" + words.replace('data_dir = "data"', f'data_dir = "{far}/data"'))
    deliver(inbox, mail(1))
    once(settings)
    run(settings, "backup", tmp_path / "b.tar.gz")
    shutil.rmtree(far)
    found = run(settings, "restore", tmp_path / "b.tar.gz", tmp_path / "new")
    assert found["moved"] == {"data_dir": "var", "rules": "outside/routing.toml", "templates": "outside/texts"}
    assert (tmp_path / "new" / "settings.toml").read_text().startswith("# mine\n")
    read = load_settings(tmp_path / "new" / "settings.toml")
    assert read.data_dir == tmp_path / "new" / "var"
    assert once(tmp_path / "new" / "settings.toml") == 0


def test_nothing_live_is_overwritten(backed_up: tuple[Path, Path]) -> None:
    settings, packed = backed_up
    before = (settings.parent / "data" / "helpdesk.db").read_bytes()
    for words in (["restore", packed, settings.parent], ["backup", packed], ["backup", settings.parent]):
        with pytest.raises(HelpdeskError, match="exists"):
            run(settings, *words)
    assert (settings.parent / "data" / "helpdesk.db").read_bytes() == before


def unpacked(packed: Path) -> Path:
    folder = packed.with_name("open")
    with tarfile.open(packed) as tar:
        tar.extractall(folder, filter="data")
    return folder


def digest_mended(folder: Path, name: str) -> None:
    import hashlib

    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def tampered_file(folder: Path) -> None:
    (folder / "data" / "keys" / "digest.key").write_text("00" * 32)


def missing_file(folder: Path) -> None:
    (folder / "data" / "keys" / "signing.keys").unlink()


def tampered_log(folder: Path) -> None:
    connection = sqlite3.connect(folder / "data" / "helpdesk.db", isolation_level=None)
    connection.execute("drop trigger audit_log_no_update")
    connection.execute("update audit_log set event = 'x' where seq = 2")
    connection.close()
    digest_mended(folder, "data/helpdesk.db")


def damaged_database(folder: Path) -> None:
    path = folder / "data" / "helpdesk.db"
    content = bytearray(path.read_bytes())
    content[8_192:60_000] = b"\xff" * (60_000 - 8_192)
    path.write_bytes(content)
    digest_mended(folder, "data/helpdesk.db")


def outside(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["../evil"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(("harm", "words"), [
    (tampered_file, "was changed since"), (missing_file, "is missing"), (tampered_log, "row 2 was changed"),
    (damaged_database, "database"), (outside, "outside the folder"),
])  # fmt: skip
def test_a_backup_that_does_not_hold_is_told(backed_up: tuple[Path, Path], harm: object, words: str) -> None:
    settings, packed = backed_up
    folder = unpacked(packed)
    harm(folder)  # type: ignore[operator]
    done = CliRunner().invoke(cli, ["--settings", str(settings), "backup", "verify", str(folder)])
    assert done.exit_code == 1
    assert words in done.output


def test_what_is_no_backup_is_told_in_a_line(backed_up: tuple[Path, Path], tmp_path: Path) -> None:
    settings, _ = backed_up
    (tmp_path / "x.tar.gz").write_bytes(b"nothing of the kind")
    (tmp_path / "empty").mkdir()
    for name in ("x.tar.gz", "empty"):
        with pytest.raises(HelpdeskError, match=r"cannot be read as a backup|is no backup"):
            run(settings, "backup", "verify", tmp_path / name)
    with pytest.raises(HelpdeskError, match="Nothing was restored"):
        folder = unpacked(backed_up[1])
        tampered_file(folder)
        run(settings, "restore", folder, tmp_path / "new")
    assert not (tmp_path / "new").exists()


# --- migrate -------------------------------------------------------------------------------------


def test_migrate_says_whether_the_schema_is_as_a_new_one(backed_up: tuple[Path, Path]) -> None:
    settings, _ = backed_up
    found = run(settings, "migrate")
    assert found["from"] == found["to"] == found["newest"]
    assert run(settings, "migrate", "--check")["differences"] == []
    with transaction(open_engine(settings.parent / "data" / "helpdesk.db")) as connection:
        connection.exec_driver_sql("drop index outbox_mime")
        connection.exec_driver_sql("create table mine (a)")
        connection.exec_driver_sql("drop trigger audit_log_no_update")
    done = CliRunner().invoke(cli, ["--settings", str(settings), "migrate", "--check", "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["differences"] == [
        "index outbox_mime is missing", "trigger audit_log_no_update is missing",
        "table mine is none of this program's",
    ]  # fmt: skip


@pytest.mark.parametrize("revision", ["0001", "0002", "0006"])
def test_a_database_of_an_older_version_becomes_as_a_new_one(home: tuple[Path, Path, Sink], revision: str) -> None:
    from alembic import command
    from alembic.config import Config

    from helpdesk_daemon.adapters.store.migrate import SCRIPTS

    settings, _, _ = home
    (settings.parent / "data").mkdir()
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    engine = open_engine(settings.parent / "data" / "helpdesk.db")
    with transaction(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    done = CliRunner().invoke(cli, ["--settings", str(settings), "migrate", "--check", "--json"])
    assert (done.exit_code, json.loads(done.stdout)["to"]) == (1, revision)
    found = run(settings, "migrate")
    assert (found["from"], found["differences"]) == (revision, [])
    assert verdict(settings.parent).problem == ""
