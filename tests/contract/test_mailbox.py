"""What every mailbox does: a Maildir, and an IMAP folder on a real Dovecot."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from helpdesk_daemon.adapters.imap_session import Server
from helpdesk_daemon.errors import PermanentError, SignInError, TransientError
from helpdesk_daemon.ports import Metered
from tests.contract.cut import Wire
from tests.contract.sites import ImapSite, MaildirSite, Reader, Site
from tests.contract.tls import certificate_of, self_signed
from tests.harness.dovecot import QUOTA, Dovecot, free_port
from tests.harness.mails import mail

HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 10, 12, 0, tzinfo=UTC)
PATIENCE = 20.0  # seconds a wait may take before it is called deaf
_numbers = itertools.count(1)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def dovecot(tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> Iterator[Dovecot]:
    with Dovecot(tmp_path_factory.mktemp("dovecot"), certificate) as server:
        yield server


@pytest.fixture
def imap(dovecot: Dovecot) -> Iterator[ImapSite]:
    site = ImapSite(dovecot, f"Box{next(_numbers)}")
    yield site
    site.close()


@pytest.fixture
def maildir(tmp_path: Path) -> Iterator[MaildirSite]:
    site = MaildirSite(tmp_path / "inbox")
    yield site
    site.close()


@pytest.fixture(params=["maildir", "imap"])
def site(request: pytest.FixtureRequest) -> Site:
    found: Site = request.getfixturevalue(request.param)
    return found


@contextmanager
def later(action: Callable[[], None], seconds: float = 0.3) -> Iterator[None]:
    """Do something on another thread in a moment."""
    timer = threading.Timer(seconds, action)
    timer.start()
    try:
        yield
    finally:
        timer.join(PATIENCE)


# --- the first look ------------------------------------------------------------------------------


def test_start_all_takes_what_is_there_and_what_comes(site: Site) -> None:
    site.deliver(mail(1), now() - HOUR)
    reader = Reader(site.open(start="all"))
    assert reader.bodies() == [mail(1)]
    site.deliver(mail(2))
    assert reader.bodies() == [mail(2)]


def test_start_now_leaves_what_is_there_and_takes_what_comes(site: Site) -> None:
    site.deliver(mail(1), now() - HOUR)
    reader = Reader(site.open(start="now"))
    assert reader.bodies() == []
    site.deliver(mail(2))
    assert reader.bodies() == [mail(2)]


def test_start_with_a_date_leaves_older_mail(site: Site) -> None:
    for number, days in ((1, -3), (2, -2), (3, 1), (4, 2)):
        site.deliver(mail(number), NOON + timedelta(days=days))
    reader = Reader(site.open(start=datetime(2026, 11, 10, tzinfo=UTC)))
    assert reader.bodies() == [mail(3), mail(4)]
    site.deliver(mail(5))
    assert reader.bodies() == [mail(5)]


def test_start_with_a_moment_leaves_mail_from_earlier_that_day(site: Site) -> None:
    site.deliver(mail(1), NOON - 4 * HOUR)
    site.deliver(mail(2), NOON + 4 * HOUR)
    assert Reader(site.open(start=NOON)).bodies() == [mail(2)]


def test_mail_that_comes_after_the_first_look_is_taken_whatever_its_time(site: Site) -> None:
    reader = Reader(site.open(start="now"))
    assert reader.bodies() == []
    site.deliver(mail(1), now() - 24 * HOUR)  # moved in by a person, with the time it once arrived
    assert reader.bodies() == [mail(1)]


def test_an_empty_folder_gives_a_cursor_and_no_mail(site: Site) -> None:
    before = now() - timedelta(milliseconds=50)  # file times lag the clock by a tick
    cursor, uids = site.open().discover(None)
    assert uids == []
    assert before <= cursor.started_at <= now()


def test_a_cursor_that_was_given_keeps_its_start(site: Site) -> None:
    first, _ = site.open().discover(None)
    site.deliver(mail(1))
    again, uids = site.open().discover(first)
    assert (again.started_at, again.uidvalidity) == (first.started_at, first.uidvalidity)
    assert len(uids) == 1


# --- new mail ------------------------------------------------------------------------------------


def test_only_new_mail_is_found_after_the_cursor(site: Site) -> None:
    reader = Reader(site.open())
    for number in range(3):
        site.deliver(mail(number))
    assert len(reader.bodies()) == 3
    assert reader.bodies() == []
    site.deliver(mail(3))
    assert reader.bodies() == [mail(3)]
    assert reader.bodies() == []


def test_uids_come_oldest_first(site: Site) -> None:
    for number in range(12):
        site.deliver(mail(number), NOON + number * HOUR)
    box = site.open()
    _, uids = box.discover(None)
    mails, _ = box.fetch(uids)
    assert [m.raw for m in mails] == [mail(number) for number in range(12)]
    assert [m.uid for m in mails] == uids


def test_a_uid_is_the_same_at_every_look_and_for_every_connection(site: Site) -> None:
    site.deliver(mail(1))
    box = site.open()
    cursor, first = box.discover(None)
    box.close()
    assert box.discover(cursor)[1] == first
    assert site.open().discover(cursor)[1] == first


def test_reading_by_another_reader_changes_nothing(site: Site) -> None:
    site.deliver(mail(1), NOON)
    site.read_all()
    site.deliver(mail(2), NOON + HOUR)
    box = site.open()
    cursor, uids = box.discover(None)
    assert len(uids) == 2
    site.read_all()
    mails, settled = box.fetch(uids)
    assert [m.raw for m in mails] == [mail(1), mail(2)]
    assert settled == uids
    box.close()
    assert box.discover(cursor)[1] == uids


def test_looking_and_fetching_mark_nothing(site: Site) -> None:
    site.deliver(mail(1))
    box = site.open(touch="seen")
    _, uids = box.discover(None)
    box.fetch(uids)
    assert site.flags(uids[0]) == set()


# --- fetching ------------------------------------------------------------------------------------


def test_a_fetch_is_bounded_in_count(site: Site) -> None:
    for number in range(1, 8):
        site.deliver(mail(number), NOON + number * HOUR)
    box = site.open(batch=3)
    _, uids = box.discover(None)
    sizes, left = [], uids
    while left:
        mails, settled = box.fetch(left)
        assert settled == left[: len(settled)]
        sizes.append(len(mails))
        left = left[len(settled) :]
    assert sizes == [3, 3, 1]


def test_a_fetch_is_bounded_in_bytes(site: Site) -> None:
    raw = [mail(number) for number in range(1, 8)]
    limit = 3 * max(map(len, raw))
    for number, content in enumerate(raw):
        site.deliver(content, NOON + number * HOUR)
    box = site.open(batch_bytes=limit)
    _, left = box.discover(None)
    got: list[bytes] = []
    batches = 0
    while left:
        mails, settled = box.fetch(left)
        assert sum(len(m.raw) for m in mails) <= limit
        got += [m.raw for m in mails]
        left = left[len(settled) :]
        batches += 1
    assert got == raw
    assert 1 < batches < len(raw)


def test_a_fetch_takes_at_least_one_mail(site: Site) -> None:
    for number in (1, 2):
        site.deliver(mail(number), NOON + number * HOUR)
    box = site.open(batch_bytes=1)
    _, uids = box.discover(None)
    mails, settled = box.fetch(uids)
    assert [m.raw for m in mails] == [mail(1)]
    assert settled == uids[:1]
    assert not mails[0].truncated


def test_a_mail_over_the_limit_is_cut_and_flagged(site: Site) -> None:
    site.deliver(mail(10), NOON)  # 50 KB
    site.deliver(mail(11), NOON + HOUR)
    box = site.open(max_bytes=4_000)
    _, uids = box.discover(None)
    mails, settled = box.fetch(uids)
    assert settled == uids
    assert [m.truncated for m in mails] == [True, False]
    assert mails[0].raw == mail(10)[:4_000]
    assert mails[1].raw == mail(11)


def test_a_mail_that_is_gone_is_settled(site: Site) -> None:
    for number in (1, 2, 3):
        site.deliver(mail(number), NOON + number * HOUR)
    box = site.open()
    _, uids = box.discover(None)
    site.remove(uids[1])
    mails, left = [], uids
    for _ in range(2):  # a server may tell of it one answer late
        found, settled = box.fetch(left)
        mails += found
        left = [uid for uid in left if uid not in settled]
        if not left:
            break
    assert left == []
    assert [m.raw for m in mails] == [mail(1), mail(3)]


def test_a_lone_mail_that_is_gone_is_settled(site: Site) -> None:
    site.deliver(mail(1))
    box = site.open()
    _, uids = box.discover(None)
    site.remove(uids[0])
    assert box.fetch(uids) == ([], uids)


def test_received_at_is_the_servers_time(site: Site) -> None:
    at = datetime(2026, 11, 20, 10, 11, 12, tzinfo=UTC)  # the Date header says 1 November
    site.deliver(mail(1), at)
    (taken,) = Reader(site.open()).take()
    assert taken.received_at == at
    assert taken.received_at.utcoffset() == timedelta(0)


HEAD = b"From: a@customer.example\r\nTo: support@helpdesk.example\r\nSubject: bytes\r\n"
ODD = {
    "plain": HEAD + b"\r\nhello\r\n",
    "dot lines": HEAD + b"\r\n.\r\n..\r\n.hidden\r\n",
    "no line end at the end": HEAD + b"\r\nno end",
    "eight bits": HEAD + b"Content-Type: text/plain; charset=latin-1\r\n\r\nGr\xfc\xdfe \xe4\xf6\r\n",
    "utf-8 in the head": HEAD + "X-Name: Zoë\r\n\r\nhéllo ☃\r\n".encode(),
    "long line": HEAD + b"\r\n" + b"x" * 5_000 + b"\r\n",
    "head only": HEAD + b"\r\n",
    "control characters": HEAD + b"\r\n\x01\x07\x1b[31m\t\x7f\r\n",
    "attachment": mail(10),
}


@pytest.mark.parametrize("name", ODD)
def test_bytes_are_those_that_arrived(site: Site, name: str) -> None:
    site.deliver(ODD[name])
    (taken,) = Reader(site.open()).take()
    assert site.same(taken.raw, ODD[name])
    assert not taken.truncated


# --- marking -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("touch", "flag"), [("nothing", ""), ("seen", "Seen"), ("flagged", "Flagged")])
def test_touch_marks_as_configured_and_repeats_without_harm(site: Site, touch: str, flag: str) -> None:
    for number in (1, 2):
        site.deliver(mail(number), NOON + number * HOUR)
    box = site.open(touch=touch)
    cursor, uids = box.discover(None)
    for _ in range(3):
        box.touch(uids[:1])
    assert site.flags(uids[0]) == ({flag} if flag else set())
    assert site.flags(uids[1]) == set()
    assert [m.raw for m in box.fetch(uids)[0]] == [mail(1), mail(2)]
    assert box.discover(cursor)[1] == uids or touch == "nothing"


def test_touch_keeps_the_flags_of_others(site: Site) -> None:
    site.deliver(mail(1))
    site.read_all()
    box = site.open(touch="flagged")
    _, uids = box.discover(None)
    box.touch(uids)
    assert site.flags(uids[0]) == {"Seen", "Flagged"}


def test_touch_with_a_keyword(imap: ImapSite) -> None:
    imap.deliver(mail(1))
    box = imap.open(touch="keyword $Helpdesk")
    _, uids = box.discover(None)
    box.touch(uids)
    box.touch(uids)
    assert imap.flags(uids[0]) == {"$Helpdesk"}


def test_touch_with_a_keyword_harms_no_maildir(maildir: MaildirSite) -> None:
    maildir.deliver(mail(1))
    box = maildir.open(touch="keyword $Helpdesk")
    _, uids = box.discover(None)
    box.touch(uids)
    assert [m.raw for m in box.fetch(uids)[0]] == [mail(1)]


def test_touch_moves_once(site: Site) -> None:
    for number in (1, 2):
        site.deliver(mail(number), NOON + number * HOUR)
    target = f"Done{next(_numbers)}"
    box = site.open(touch=f"move {target}")
    _, uids = box.discover(None)
    for _ in range(3):
        box.touch(uids[:1])
    moved = site.mails_in(target)
    assert len(moved) == 1
    assert site.same(moved[0], mail(1))
    assert [m.raw for m in box.fetch(uids)[0]] == [mail(2)]
    assert Reader(site.open()).bodies() == [mail(2)]


@pytest.mark.parametrize("touch", ["nothing", "seen", "flagged", "move Gone"])
def test_touching_what_is_gone_is_harmless(site: Site, touch: str) -> None:
    for number in (1, 2):
        site.deliver(mail(number), NOON + number * HOUR)
    box = site.open(touch=touch)
    _, uids = box.discover(None)
    site.remove(uids[0])
    box.touch(uids)
    box.touch([])
    assert len(site.open().discover(None)[1]) == (0 if touch == "move Gone" else 1)


# --- waiting -------------------------------------------------------------------------------------


def test_wait_ends_soon_after_a_delivery(site: Site) -> None:
    reader = Reader(site.open())
    reader.take()
    with later(lambda: site.deliver(mail(1))):
        assert reader.box.wait(PATIENCE) is True
    assert reader.bodies() == [mail(1)]


def test_wait_ends_for_every_delivery(site: Site) -> None:
    reader = Reader(site.open())
    reader.take()
    for number in (1, 2, 3):
        with later(lambda number=number: site.deliver(mail(number))):  # type: ignore[misc]
            assert reader.box.wait(PATIENCE) is True
        assert reader.bodies() == [mail(number)]


def test_wait_sees_mail_that_came_between_look_and_wait(site: Site) -> None:
    reader = Reader(site.open())
    reader.take()
    site.deliver(mail(1))
    assert reader.box.wait(PATIENCE) is True
    assert reader.bodies() == [mail(1)]


def test_wait_sees_mail_that_was_announced_in_the_answer_to_another_command(imap: ImapSite) -> None:
    imap.deliver(mail(1), NOON)
    box = imap.open(touch="seen")
    _, (uid,) = box.discover(None)
    imap.deliver(mail(2))
    box.touch([uid])  # the server says EXISTS here, and never again
    assert box.wait(PATIENCE) is True


def test_wait_is_false_when_the_time_is_up(site: Site) -> None:
    site.deliver(mail(1), NOON)
    reader = Reader(site.open())
    assert len(reader.take()) == 1
    assert reader.box.wait(0.4) is False
    assert reader.take() == []
    assert reader.box.wait(0.4) is False


def test_interrupt_ends_a_wait(site: Site) -> None:
    reader = Reader(site.open())
    reader.take()
    with later(reader.box.interrupt):
        assert reader.box.wait(PATIENCE) is True
    assert reader.take() == []
    assert reader.box.wait(0.3) is False


def test_interrupt_before_a_wait_is_not_lost(site: Site) -> None:
    reader = Reader(site.open())
    reader.take()
    reader.box.interrupt()
    reader.box.interrupt()
    assert reader.box.wait(PATIENCE) is True
    assert reader.box.wait(0.3) is False


def test_interrupt_ends_a_wait_without_a_connection(site: Site) -> None:
    box = site.open()
    with later(box.interrupt):
        assert box.wait(PATIENCE) is True


def test_wait_without_idle_still_ends_on_interrupt_and_time(imap: ImapSite) -> None:
    box = imap.open(idle=False)
    box.discover(None)
    assert box.wait(0.2) is False
    with later(box.interrupt):
        assert box.wait(PATIENCE) is True


def test_a_mailbox_can_fetch_and_touch_right_after_a_wait(site: Site) -> None:
    site.deliver(mail(1), NOON)
    box = site.open(touch="flagged")
    _, uids = box.discover(None)
    box.wait(0.2)
    assert [m.raw for m in box.fetch(uids)[0]] == [mail(1)]
    box.wait(0.2)
    box.touch(uids)
    assert site.flags(uids[0]) == {"Flagged"}


# --- closing and failing -------------------------------------------------------------------------


def test_after_close_the_next_call_goes_on(site: Site) -> None:
    for number in (1, 2):
        site.deliver(mail(number), NOON + number * HOUR)
    box = site.open(touch="flagged")
    cursor, uids = box.discover(None)
    box.close()
    assert [m.raw for m in box.fetch(uids)[0]] == [mail(1), mail(2)]
    box.close()
    box.touch(uids)
    assert site.flags(uids[0]) == {"Flagged"}
    box.close()
    box.close()
    site.deliver(mail(3))
    assert len(box.discover(cursor)[1]) == 3


def test_a_missing_imap_folder_is_permanent(imap: ImapSite) -> None:
    box = imap.open(server=imap.server(folder="No/Such/Folder"))
    with pytest.raises(PermanentError, match="No/Such/Folder"):
        box.discover(None)


def test_a_missing_maildir_is_made(tmp_path: Path) -> None:
    site = MaildirSite(tmp_path / "not" / "yet")
    box = site.open()
    assert box.discover(None)[1] == []
    assert {p.name for p in site.path.iterdir()} == {"tmp", "new", "cur"}


@pytest.mark.parametrize("inside", [False, True], ids=["the path is a file", "a parent is a file"])
def test_a_maildir_that_cannot_be_is_permanent(tmp_path: Path, inside: bool) -> None:
    (tmp_path / "file").write_text("no folder")
    box = MaildirSite(tmp_path / "file" / "inbox" if inside else tmp_path / "file").open()
    with pytest.raises(PermanentError):
        box.discover(None)


def test_a_wrong_password_is_a_sign_in_error(imap: ImapSite) -> None:
    box = imap.open(server=imap.server(password=lambda: "wrong-horse"))
    with pytest.raises(SignInError) as caught:
        box.discover(None)
    assert "wrong-horse" not in str(caught.value)


def test_the_password_is_read_again_at_each_sign_in(imap: ImapSite) -> None:
    passwords = iter(["wrong-horse", imap.server().password()])
    box = imap.open(server=imap.server(password=lambda: next(passwords)))
    with pytest.raises(SignInError):
        box.discover(None)
    assert box.discover(None)[1] == []


def test_nobody_listening_is_transient(imap: ImapSite) -> None:
    box = imap.open(server=imap.server(port=free_port()))
    with pytest.raises(TransientError, match=r"127\.0\.0\.1"):
        box.discover(None)


@pytest.fixture
def wired(imap: ImapSite) -> Iterator[tuple[ImapSite, Wire, Server]]:
    """An IMAP folder reached over a wire that can be cut."""
    with Wire(imap.dovecot.port) as wire:
        yield imap, wire, imap.server(port=wire.port)
        imap.close()


@pytest.mark.parametrize("doing", ["discover", "fetch", "touch"])
def test_a_cut_connection_is_transient_and_then_recovers(wired: tuple[ImapSite, Wire, Server], doing: str) -> None:
    site, wire, server = wired
    for number in (1, 2):
        site.deliver(mail(number), NOON + number * HOUR)
    box = site.open(server=server, touch="flagged")
    cursor, uids = box.discover(None)
    wire.cut()
    with pytest.raises(TransientError):
        if doing == "discover":
            box.discover(cursor)
        elif doing == "fetch":
            box.fetch(uids)
        else:
            box.touch(uids)
    reader = Reader(box)
    assert reader.bodies() == [mail(1), mail(2)]
    box.touch(uids)
    assert site.flags(uids[1]) == {"Flagged"}


def test_a_connection_cut_in_the_middle_of_a_mail_is_transient_and_loses_nothing(
    wired: tuple[ImapSite, Wire, Server],
) -> None:
    site, wire, server = wired
    site.deliver(mail(10), NOON)  # 50 KB
    reader = Reader(site.open(server=server))
    reader.cursor, uids = reader.box.discover(None)
    wire.left = 20_000
    with pytest.raises(TransientError):
        reader.box.fetch(uids)
    assert reader.bodies() == [mail(10)]
    assert wire.connections == 2


def test_a_connection_cut_during_a_wait_is_noticed_and_mail_then_found(wired: tuple[ImapSite, Wire, Server]) -> None:
    site, wire, server = wired
    reader = Reader(site.open(server=server))
    reader.take()
    with later(wire.cut), pytest.raises(TransientError):
        reader.box.wait(PATIENCE)
        reader.take()
    site.deliver(mail(1))
    assert reader.bodies() == [mail(1)]


def test_a_server_that_hangs_up_at_once_is_transient(wired: tuple[ImapSite, Wire, Server]) -> None:
    site, wire, server = wired
    box = site.open(server=server)
    wire.whole = False
    with pytest.raises(TransientError):
        box.discover(None)
    wire.whole = True
    assert box.discover(None)[1] == []


def test_a_restarted_server_is_found_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Dovecot(tmp_path_factory.mktemp("restarted")) as server:
        site = ImapSite(server, "Restarted")
        site.deliver(mail(1), NOON)
        reader = Reader(site.open())
        assert reader.bodies() == [mail(1)]
        server.stop()
        with pytest.raises(TransientError):
            for _ in range(3):  # a child may still end what it has begun
                reader.take()
                reader.box.wait(PATIENCE)
        server.start()
        site.deliver(mail(2))
        assert reader.bodies() == [mail(2)]
        site.close()


def test_a_new_uidvalidity_gives_a_new_cursor_that_keeps_its_start(imap: ImapSite) -> None:
    imap.deliver(mail(1))
    reader = Reader(imap.open(start="all"))
    assert reader.bodies() == [mail(1)]
    old = reader.cursor
    assert old is not None
    imap.dovecot.recreate(imap.folder)
    imap.deliver(mail(2))
    assert reader.bodies() == [mail(2)]
    assert reader.cursor is not None
    assert reader.cursor.uidvalidity != old.uidvalidity
    assert reader.cursor.started_at == old.started_at


def test_what_was_old_at_the_first_start_stays_old_after_a_new_uidvalidity(imap: ImapSite) -> None:
    imap.deliver(mail(1), now() - timedelta(minutes=5))
    reader = Reader(imap.open(start="now"))
    assert reader.bodies() == []
    imap.dovecot.recreate(imap.folder)
    imap.deliver(mail(1), now() - timedelta(minutes=5))
    imap.deliver(mail(2), now() + timedelta(minutes=1))
    assert reader.bodies() == [mail(2)]


# --- encryption ----------------------------------------------------------------------------------


def _port(dovecot: Dovecot, security: str) -> int:
    return dovecot.tls_port if security == "tls" else dovecot.port


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_trusted_certificate_is_accepted(imap: ImapSite, certificate: Path, security: str) -> None:
    imap.deliver(mail(1))
    trusted = str(certificate_of(certificate))
    box = imap.open(
        server=imap.server(port=_port(imap.dovecot, security), security=security, ca_file=trusted), touch="seen"
    )
    reader = Reader(box)
    assert reader.bodies() == [mail(1)]
    with later(lambda: imap.deliver(mail(2))):
        assert box.wait(PATIENCE) is True
    assert reader.bodies() == [mail(2)]


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_an_untrusted_certificate_is_refused_before_the_password_is_said(imap: ImapSite, security: str) -> None:
    asked: list[str] = []

    def password() -> str:
        asked.append("asked")
        return "never"

    box = imap.open(server=imap.server(port=_port(imap.dovecot, security), security=security, password=password))
    with pytest.raises(TransientError, match=r"(?i)certificate"):
        box.discover(None)
    assert asked == []


def test_a_ca_file_is_trusted_besides_the_systems_certificates(
    imap: ImapSite, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate_of(certificate)))  # stands for the system's
    other = certificate_of(self_signed(tmp_path, "other"))
    box = imap.open(server=imap.server(port=imap.dovecot.tls_port, security="tls", ca_file=str(other)))
    assert box.discover(None)[1] == []


# --- how full it is ------------------------------------------------------------------------------


def test_an_imap_server_with_a_quota_says_how_full_the_mailbox_is(tmp_path: Path) -> None:
    with Dovecot(tmp_path / "dovecot", more=QUOTA) as server:
        site = ImapSite(server, "Two words & ü")
        site.deliver(mail(1) + b"x" * 500_000)
        box = site.open()
        assert isinstance(box, Metered)
        found = box.quota()
        assert found is not None
        assert found.limit == 1_048_576
        assert 500_000 < found.used < 600_000
        assert Reader(box).bodies()[0].endswith(b"x"), "the mailbox is read as before"
        site.close()


def test_a_server_without_quota_says_nothing_and_stays_usable(imap: ImapSite) -> None:
    imap.deliver(mail(1))
    box = imap.open()
    assert isinstance(box, Metered)
    assert box.quota() is None
    assert Reader(box).bodies() == [mail(1)]


def test_an_odd_answer_about_the_quota_costs_no_mailbox(imap: ImapSite, monkeypatch: pytest.MonkeyPatch) -> None:
    imap.deliver(mail(1))
    box = imap.open()
    for oddity in (TypeError("odd"), IMAPClientError("NO no quota for you"), IndexError("nothing")):
        monkeypatch.setattr(IMAPClient, "has_capability", lambda *_: True)
        monkeypatch.setattr(IMAPClient, "get_quota_root", raising(oddity))
        assert isinstance(box, Metered)
        assert box.quota() is None
    monkeypatch.undo()
    assert Reader(box).bodies() == [mail(1)]


def raising(error: Exception) -> Callable[..., object]:
    def method(*_: object) -> object:
        raise error

    return method


def test_a_maildir_has_no_quota_to_tell(maildir: MaildirSite) -> None:
    assert not isinstance(maildir.open(), Metered)
