"""A person is erased: nothing of the address or its texts is left in the file, and everybody else's mail is."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.adapters.model import starter_vectors
from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store import engine as engine_module
from helpdesk_daemon.adapters.store.engine import open_engine, transaction
from helpdesk_daemon.adapters.store.learning.examples import Examples
from helpdesk_daemon.cli.main import cli
from helpdesk_daemon.mail.mention import Mention
from helpdesk_daemon.wiring.places import prepared_model
from tests.harness.endee import EndeeServer
from tests.harness.sink import Sink
from tests.harness.world import check_reconciles, rows, write_settings
from tests.integration.conftest import daemon, once

ZOE, KEN, LONGER = "zoe@customer.example", "ken@customer.example", "anzoe@customer.example"
SECRET, HERS, QUOTED = "my bank account 4711-0815", "Hartley-Quarrington", "the purple elephant invoice"


def mail(sender: str, subject: str, text: str, to: str = "support@helpdesk.example", cc: str = "", file: str = "",
         answers: str = "") -> bytes:  # fmt: skip
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, to, subject
    made["Message-ID"] = f"<{abs(hash((sender, subject, text)))}@customer.example>"
    if cc:
        made["Cc"] = cc
    if answers:
        made["In-Reply-To"] = answers
    made.set_content(text, cte="base64")
    if file:
        made.add_attachment(file.encode(), "application", "pdf", filename="statement.pdf")
    return made.as_bytes()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Path, Path, Sink]]:
    """A daemon over a Maildir: Zoe's ticket, Ken's with Zoe in it, and one that only looks alike."""
    with Sink() as sink:
        inbox = tmp_path / "inbox"
        settings = write_settings(tmp_path, f"maildir:{inbox}", sink.port)
        put(inbox, mail(f"Zoë {HERS} <{ZOE}>", f"Refund {QUOTED}", f"Please look at {SECRET}.", file=f"PDF {SECRET}"))
        put(inbox, mail(f"Ken <{KEN}>", "Printer", f"It is broken.\n\nOn Monday {ZOE} wrote:\n> {QUOTED}\n", cc=ZOE))
        put(inbox, mail(f"An <{LONGER}>", "Login", "I cannot log in."))
        once(settings)
        yield settings, inbox, sink


def put(inbox: Path, raw: bytes) -> None:
    deliver(inbox, raw)


def erase(settings: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--settings", str(settings), "erase", *words], catch_exceptions=False)


def receipt(settings: Path, *words: str) -> dict[str, object]:
    done = erase(settings, ZOE, "--yes", "--json", *words)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def leftovers(folder: Path, *needles: str) -> list[str]:
    """What of some words is anywhere in the database: file, write-ahead log, compressed mails, encoded texts."""
    data = folder / "data"
    places = {path.name: path.read_bytes() for path in data.glob("helpdesk.db*")}
    connection = sqlite3.connect(data / "helpdesk.db")
    for number, raw in connection.execute("select id, raw from arrivals where raw is not null"):
        places[f"arrival {number}"] = zlib.decompress(raw)
    for number, mime in connection.execute("select id, mime from outbox where mime is not null"):
        places[f"outgoing {number}"] = mime
    connection.close()
    found = []
    for place, content in places.items():
        for needle in needles:
            seen = needle.encode() in content
            if "@" in needle and place.startswith(("arrival", "outgoing")):
                seen = Mention(needle).in_mail(content)
            elif "@" in needle:
                seen = Mention(needle).in_text(content.decode("latin-1"))
            elif place.startswith(("arrival", "outgoing")):
                seen = seen or needle in decoded(content)
            if seen:
                found.append(f"{needle} in {place}")
    return found


def decoded(raw: bytes) -> str:
    from email import message_from_bytes

    parts = [part.get_payload(decode=True) for part in message_from_bytes(raw).walk()]
    return "\n".join(part.decode("utf-8", "replace") for part in parts if isinstance(part, bytes))


WORDS = (ZOE, SECRET, HERS, QUOTED)


def test_the_search_for_leftovers_finds_what_is_there(world: tuple[Path, Path, Sink]) -> None:
    found = " ".join(leftovers(world[0].parent, *WORDS))
    for word in WORDS:
        assert word in found


def test_nothing_of_the_address_or_its_texts_is_left(world: tuple[Path, Path, Sink]) -> None:
    settings, _, _ = world
    made = receipt(settings)
    assert leftovers(settings.parent, *WORDS) == []
    assert made["kept"] == []
    assert len(made["tickets"]) == 1  # type: ignore[arg-type]
    assert made["erased"]["arrivals"] == 1  # type: ignore[index]
    wal = settings.parent / "data" / "helpdesk.db-wal"
    assert not wal.exists() or wal.stat().st_size == 0


def test_nothing_is_left_in_free_pages_where_sqlite_does_not_overwrite_them(
    world: tuple[Path, Path, Sink], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "PRAGMAS", (*engine_module.PRAGMAS, "secure_delete=OFF"))
    receipt(world[0])
    assert leftovers(world[0].parent, *WORDS) == []


def test_the_mail_of_others_stays(world: tuple[Path, Path, Sink]) -> None:
    settings, _, _ = world
    receipt(settings)
    folder = settings.parent
    left = rows(folder, "select requester_email as who from tickets order by who")
    assert [row["who"] for row in left] == [LONGER, KEN]
    texts = rows(folder, "select text from messages order by id")
    assert "It is broken." in texts[0]["text"]
    assert "I cannot log in." in texts[1]["text"]
    assert rows(folder, "select email from participants order by email") == [{"email": LONGER}, {"email": KEN}]
    assert rows(folder, "select count(*) as n from arrivals where raw is not null") == [{"n": 1}]


def test_erased_mail_that_still_lies_on_the_server_is_not_taken_again(world: tuple[Path, Path, Sink]) -> None:
    settings, inbox, sink = world
    copy = next(raw for raw in (path.read_bytes() for path in inbox.rglob("*") if path.is_file()) if b"Refund" in raw)
    receipt(settings)
    before = len(sink.mails)
    put(inbox, copy)
    assert once(settings) == 1, "a second copy is seen, and known by its digest"
    assert len(sink.mails) == before
    assert rows(settings.parent, "select count(*) as n from tickets") == [{"n": 2}]


def test_the_log_verifies_and_the_ledger_reconciles(world: tuple[Path, Path, Sink]) -> None:
    settings, _, _ = world
    made = receipt(settings)
    with transaction(open_engine(settings.parent / "data" / "helpdesk.db", readonly=True)) as connection:
        found = audit.verify(connection)
    assert (found.problem, found.head.seq) == ("", made["audit_row"])
    assert found.erased == made["erased"]["details"]  # type: ignore[index]
    check_reconciles(settings.parent)


def test_a_backup_made_after_holds_nothing_of_it(world: tuple[Path, Path, Sink]) -> None:
    settings, _, _ = world
    receipt(settings)
    target = settings.parent / "backup"
    assert CliRunner().invoke(cli, ["--settings", str(settings), "backup", str(target)]).exit_code == 0
    assert leftovers(target, *WORDS) == []


def test_a_dry_run_changes_nothing_and_says_the_same(world: tuple[Path, Path, Sink]) -> None:
    settings, _, _ = world
    connection = sqlite3.connect(settings.parent / "data" / "helpdesk.db")
    before = list(connection.iterdump())
    said = json.loads(erase(settings, ZOE, "--dry-run", "--json").stdout)
    assert list(connection.iterdump()) == before
    connection.close()
    assert said["erased"] == receipt(settings)["erased"]


def test_examples_of_its_tickets_go_with_their_vectors(world: tuple[Path, Path, Sink]) -> None:
    settings, _, _ = world
    engine = open_engine(settings.parent / "data" / "helpdesk.db")
    (ticket,) = rows(settings.parent, "select id from tickets where requester_email = ?", ZOE)
    examples = Examples(engine, SystemClock())
    examples.add([(f"refund {SECRET}", "Billing"), (f"call {ZOE}", "Billing"), ("an other text", "Billing")], "import")
    with transaction(engine) as connection:
        connection.exec_driver_sql(
            "update examples set ticket = ? where source = 'import' and text like 'refund%'", (ticket["id"],)
        )
    before = len(examples.active())
    judge = settings.parent / "data" / "judge.npz"
    judge.write_bytes(b"words and vectors of the examples")
    assert receipt(settings)["erased"]["examples"] == 2  # type: ignore[index]
    assert len(examples.active()) == before - 2
    assert not judge.exists()
    assert leftovers(settings.parent, *WORDS) == []
    engine.dispose()


def test_its_examples_leave_the_vector_database_too(
    world: tuple[Path, Path, Sink], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _, _ = world
    monkeypatch.setenv("ENDEE_TOKEN", "secret")

    def index(*words: str) -> str:
        return CliRunner().invoke(cli, ["--settings", str(settings), "index", *words], catch_exceptions=False).stdout

    def count() -> int:
        found: dict[str, int] = json.loads(index("status", "--json"))
        return found["count"]

    def teach(*texts: str) -> None:
        engine = open_engine(settings.parent / "data" / "helpdesk.db")
        Examples(engine, SystemClock()).add([(text, "Billing") for text in texts], "import")
        engine.dispose()

    engine = open_engine(settings.parent / "data" / "helpdesk.db")
    store, known = Examples(engine, SystemClock()), starter_vectors.kept(prepared_model())
    store.save_vectors(known.model, {e.id: vector for e in store.active() if (vector := known.of(e.text))})
    engine.dispose()
    with EndeeServer(1, token="secret") as server:
        with settings.open("a") as file:
            file.write(f'[index]\nkind = "endee"\nurl = "{server.url}"\ntoken_env = "ENDEE_TOKEN"\n')
        teach(f"call {ZOE}", "an other text")
        index("sync")
        before = count()
        assert receipt(settings)["index"] == ""
        assert count() == before - 1

        teach(f"write to {ZOE}")
        index("sync")
        server.stop()
        assert "takes the examples out once the server answers" in str(receipt(settings)["index"])
        server.start()
        index("sync")
        assert count() == before - 1


def test_what_a_form_submitted_goes_with_its_mail(world: tuple[Path, Path, Sink]) -> None:
    settings, _, _ = world
    with transaction(open_engine(settings.parent / "data" / "helpdesk.db")) as connection:
        connection.exec_driver_sql(
            "insert into submissions (caller, key, request, arrival, ticket, answer, at)"
            " select 'form', id, '', id, '', ?, received_at from arrivals where ticket is not null", (SECRET,)
        )  # fmt: skip
    receipt(settings)
    assert rows(settings.parent, "select count(*) as n from submissions") == [{"n": 2}]


def test_whoever_writes_after_an_erasure_is_a_new_customer(world: tuple[Path, Path, Sink]) -> None:
    settings, inbox, _ = world
    receipt(settings)
    put(inbox, mail(ZOE, "Again", "Another question."))
    once(settings)
    assert rows(settings.parent, "select subject from tickets where requester_email = ?", ZOE) == [{"subject": "Again"}]


def test_mail_of_others_that_is_not_done_with_is_kept_and_told(world: tuple[Path, Path, Sink]) -> None:
    settings, _, _ = world
    with transaction(open_engine(settings.parent / "data" / "helpdesk.db")) as connection:
        connection.exec_driver_sql(
            "update outbox set state = 'deferred' where kind = 'forward'"
            " and ticket in (select id from tickets where requester_email = ?)", (KEN,)
        )  # fmt: skip
    done = erase(settings, ZOE, "--yes", "--json")
    assert done.exit_code == 1
    (kept,) = json.loads(done.stdout)["kept"]
    assert "which is deferred" in kept
    assert rows(settings.parent, "select 1 from outbox where state = 'deferred' and mime is not null") != []
    once(settings)
    assert erase(settings, ZOE, "--yes", "--json").exit_code == 0
    assert leftovers(settings.parent, *WORDS) == []


def test_a_running_daemon_is_not_erased_under(world: tuple[Path, Path, Sink]) -> None:
    settings, _, _ = world
    from helpdesk_daemon.errors import AlreadyRunning

    with daemon(settings):
        with pytest.raises(AlreadyRunning):
            erase(settings, ZOE, "--yes")
        assert erase(settings, ZOE, "--dry-run").exit_code == 0


def test_a_reader_that_holds_the_log_is_told_of(
    world: tuple[Path, Path, Sink], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _, _ = world
    monkeypatch.setattr(engine_module, "PRAGMAS", [*engine_module.PRAGMAS, "busy_timeout=500"])
    reader = sqlite3.connect(settings.parent / "data" / "helpdesk.db", isolation_level=None)
    reader.execute("begin")
    reader.execute("select count(*) from tickets").fetchone()
    from helpdesk_daemon.errors import HelpdeskError

    with pytest.raises(HelpdeskError, match="reads the database"):
        erase(settings, ZOE, "--yes")
    reader.execute("rollback")
    reader.close()
    assert erase(settings, ZOE, "--yes").exit_code == 0
    assert leftovers(settings.parent, *WORDS) == []


@pytest.mark.parametrize(("address", "words"), [
    ("support@helpdesk.example", "an address of this helpdesk"),
    ("operator@helpdesk.example", "an address of this helpdesk"),
    ("billing@helpdesk.example", "an address of this helpdesk"),
    ("zoe", "no address"), ("zoe @x.example", "no address"), ("@x.example", "no address"),
])  # fmt: skip
def test_what_is_no_customers_address_is_refused(world: tuple[Path, Path, Sink], address: str, words: str) -> None:
    done = CliRunner().invoke(cli, ["--settings", str(world[0]), "erase", address, "--yes"])
    assert done.exit_code == 2
    assert words in done.output
    assert rows(world[0].parent, "select count(*) as n from tickets") == [{"n": 3}]


def test_a_receipt_is_written_to_a_new_file_of_its_owner(world: tuple[Path, Path, Sink]) -> None:
    settings, _, _ = world
    file = settings.parent / "receipt.json"
    assert erase(settings, ZOE, "--yes", "--receipt", str(file)).exit_code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    made = json.loads(file.read_text())
    assert made["erased"]["tickets"] == 1
    assert ZOE not in file.read_text()
    assert CliRunner().invoke(cli, ["--settings", str(settings), "erase", KEN, "--receipt", str(file)]).exit_code == 2


def test_without_yes_it_asks(world: tuple[Path, Path, Sink]) -> None:
    runner = CliRunner()
    done = runner.invoke(cli, ["--settings", str(world[0]), "erase", ZOE], input="n\n")
    assert done.exit_code == 1
    assert rows(world[0].parent, "select count(*) as n from tickets") == [{"n": 3}]
