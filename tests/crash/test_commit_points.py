"""The daemon is killed at every named moment; after a restart nothing is lost and nothing is double."""

from __future__ import annotations

import random
import re
import signal
import time
from pathlib import Path

import pytest

from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.mail.digest import message_id_of
from tests.harness.dovecot import Dovecot
from tests.harness.mails import mail
from tests.harness.sink import Sink
from tests.harness.world import ROOT, check_invariants, check_reconciles, child, rows, write_settings

POINTS = sorted(
    {
        name
        for file in (ROOT / "helpdesk_daemon" / "stages").glob("*.py")
        for name in re.findall(r'self\._reached\("([a-z.]+)"\)', file.read_text())
    }
)
COPIED = 'sent_folder = "auto"\nsent_copies = "all"'


def test_the_stages_name_their_moments() -> None:
    stages = {name.partition(".")[0] for name in POINTS}
    assert stages == {"ingest", "decide", "deliver", "copies"}
    assert len(POINTS) >= 9


@pytest.mark.parametrize("count", ["1", "2"])
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_this_moment_loses_and_doubles_nothing(tmp_path: Path, point: str, count: str) -> None:
    inbox = tmp_path / "inbox"
    for number in range(1, 12):
        deliver(inbox, mail(number))
    with Sink() as sink:
        settings = write_settings(tmp_path, "maildir:inbox", sink.port, f'touch = "move Done"\n{COPIED}')
        first = child(settings, "once", point, count)
        ended = first.wait(60)
        assert ended in ((-signal.SIGKILL,) if count == "1" else (-signal.SIGKILL, 0)), "the moment was never reached"
        assert child(settings, "once").wait(60) == 0
        assert child(settings, "once").wait(60) == 0
        check_invariants(tmp_path, 11, sink.mails)
        moved = check_reconciles(tmp_path).folders[1]
        assert moved.states == {"kept": 11}
    assert list((inbox / "new").iterdir()) == []
    assert len(list((inbox / ".Done" / "cur").iterdir())) == 11
    sent = rows(tmp_path, "select message_id, copy_state from outbox where kind = 'acknowledgement' and state = 'sent'")
    copies = [message_id_of(copy.read_bytes()) for copy in (inbox / ".Sent" / "cur").iterdir()]
    assert sorted(copies) == sorted(row["message_id"] for row in sent)
    assert {row["copy_state"] for row in sent} == {"copied"}


def test_the_suite_notices_when_the_mailbox_is_marked_before_the_commit(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    for number in range(1, 6):
        deliver(inbox, mail(number))
    with Sink() as sink:
        settings = write_settings(tmp_path, "maildir:inbox", sink.port, 'touch = "move Done"')
        assert child(settings, "once", "swap").wait(60) == -signal.SIGKILL
        assert child(settings, "once").wait(60) == 0
        with pytest.raises((AssertionError, StopIteration)):
            check_invariants(tmp_path, 5, sink.mails)
        with pytest.raises(AssertionError, match="moved as if it were kept"):
            check_reconciles(tmp_path)


def kill_at_random(tmp_path: Path, mails: int, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    with Dovecot(tmp_path / "dovecot") as server, Sink() as sink:
        settings = write_settings(tmp_path, server.url, sink.port, 'touch = "keyword Taken"')
        server.append([])
        survived = 0
        for turn in range(kills):
            share = range(1 + turn * mails // kills, 1 + (turn + 1) * mails // kills)
            process = child(settings, "run")
            server.append(mail(number) for number in share)
            time.sleep(rng.uniform(0.6, 2.0))
            survived += process.poll() is not None
            process.kill()
            process.wait(10)
        assert survived == 0, "a daemon ended by itself"
        for _ in range(3):
            assert child(settings, "once").wait(120) == 0
        check_invariants(tmp_path, mails, sink.mails)
        assert check_reconciles(tmp_path).folders[0].states.total() == mails


def test_kills_at_random_moments(tmp_path: Path) -> None:
    kill_at_random(tmp_path, mails=150, kills=6, seed=7)


@pytest.mark.soak
def test_twenty_kills_at_random_moments(tmp_path: Path) -> None:
    kill_at_random(tmp_path, mails=500, kills=20, seed=11)


def test_a_mail_that_kills_the_process_five_times_is_set_aside_and_seen(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    deliver(inbox, mail(1))
    with Sink() as sink:
        settings = write_settings(tmp_path, "maildir:inbox", sink.port)
        for _ in range(5):
            assert child(settings, "once", "decide.planned").wait(60) == -signal.SIGKILL
        for number in range(2, 5):
            deliver(inbox, mail(number))
        assert child(settings, "once").wait(60) == 0
        states = {r["id"]: r["state"] for r in rows(tmp_path, "select id, state from arrivals")}
        assert states == {1: "quarantined", 2: "ticket", 3: "ticket", 4: "ticket"}
        check_reconciles(tmp_path)
        notice = next(m.message for m in sink.mails if "needs a person" in str(m.message["Subject"]))
        assert notice["To"] == "general@helpdesk.example"
        attached = [part for part in notice.walk() if part.get_content_type() == "message/rfc822"]
        assert "<1.1@mail1.example.net>" in attached[0].as_string()
