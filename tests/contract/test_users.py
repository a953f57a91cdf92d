"""Accounts and their sessions, on a database file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from helpdesk_daemon.adapters import passwords
from helpdesk_daemon.adapters.store.access.users import Sessions, Users
from helpdesk_daemon.adapters.store.engine import open_engine
from helpdesk_daemon.adapters.store.upkeep import erase
from helpdesk_daemon.errors import Refused
from helpdesk_daemon.ports.people import IDLE, LONGEST, User
from tests.contract.rows import Database

PASSWORD = "a long enough password"
ADA, BEN = "ada@helpdesk.example", "ben@helpdesk.example"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Argon2 at its least cost; how dear it is as shipped is another test's."""
    monkeypatch.setattr(passwords, "_hasher", type(passwords._hasher)(time_cost=1, memory_cost=8, parallelism=1))
    passwords.nobodys.cache_clear()
    yield
    passwords.nobodys.cache_clear()


@pytest.fixture
def users(db: Database) -> Users:
    found = Users(db.engine, db.clock)
    found.add(ADA, "admin", PASSWORD, "operator")
    return found


@pytest.fixture
def sessions(db: Database) -> Iterator[Sessions]:
    looking = open_engine(db.path, readonly=True)
    yield Sessions(db.engine, looking, db.clock)
    looking.dispose()


def ada(sessions: Sessions) -> User:
    found = sessions.verified(ADA, PASSWORD)
    assert found
    return found


def test_a_password_is_what_was_typed_and_nothing_near_it(users: Users, sessions: Sessions) -> None:
    assert ada(sessions) == User(1, ADA, "admin")
    assert sessions.verified(ADA.upper(), PASSWORD)
    for email, password in ((ADA, PASSWORD + " "), (ADA, PASSWORD.upper()), (ADA, ""), (BEN, PASSWORD), ("", "")):
        assert sessions.verified(email, password) is None
    for unfit in ("short", "x" * 501):
        with pytest.raises(Refused, match="characters"):
            users.set_password(ADA, unfit, "operator")


def test_argon2_as_shipped_is_what_the_rfc_advises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert passwords.hashed(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_a_session_ends_when_idle_and_after_a_day_of_work(db: Database, users: Users, sessions: Sessions) -> None:
    sessions.begin(ada(sessions), "a")
    begun = db.clock.at
    while db.clock.at < begun + LONGEST - IDLE:
        db.clock.at += IDLE / 2
        assert sessions.session("a"), "who asks now and then stays"
        sessions.seen("a")
    db.clock.at = begun + LONGEST
    sessions.seen("a")
    assert sessions.session("a") is None, "however busy"
    sessions.begin(ada(sessions), "b")
    assert db.one("select count(*) from sessions") == 1, "what is over is not kept"
    db.clock.at += IDLE
    assert sessions.session("b") is None
    assert sessions.session("nobody's") is None


def test_roles_count_at_once_and_other_passwords_end_sessions(db: Database, users: Users, sessions: Sessions) -> None:
    users.add(BEN, "viewer", PASSWORD, ADA)
    found = sessions.verified(BEN, PASSWORD)
    assert found
    sessions.begin(found, "b")
    users.set_role(BEN, "agent", ADA)
    session = sessions.session("b")
    assert session
    assert session.user.role == "agent"
    assert (session.user.may("viewer"), session.user.may("agent"), session.user.may("admin")) == (True, True, False)
    users.set_password(BEN, "quite another password", ADA)
    assert sessions.session("b") is None
    assert sessions.verified(BEN, PASSWORD) is None
    sessions.begin(session.user, "c")
    users.remove(BEN, ADA)
    assert sessions.session("c") is None
    assert db.one("select count(*) from sessions") == 0
    wanted = ["user.added", "user.added", "session.started", "user.role_changed", "user.password_changed",
              "session.started", "user.removed"]  # fmt: skip
    assert [row["event"] for row in db.rows("select event from audit_log order by seq")] == wanted
    assert "@" not in str(db.rows("select actor from audit_log")), "addresses stand where they can be erased"


def test_the_last_administrator_stays(users: Users) -> None:
    with pytest.raises(Refused, match="last administrator"):
        users.remove(ADA, "x")
    with pytest.raises(Refused, match="last administrator"):
        users.set_role(ADA, "agent", "x")
    users.add(BEN, "admin", PASSWORD, ADA)
    users.set_role(ADA, "agent", BEN)
    assert [(row["email"], row["role"]) for row in users.users()] == [(ADA, "agent"), (BEN, "admin")]


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda u: u.add(ADA.upper(), "agent", PASSWORD, "x"), "already"),
        (lambda u: u.add("ada", "agent", PASSWORD, "x"), "no address"),
        (lambda u: u.add(BEN, "king", PASSWORD, "x"), "no role"),
        (lambda u: u.set_role(ADA, "king", "x"), "no role"),
        (lambda u: u.remove(BEN, "x"), "no account"),
    ],
)
def test_what_cannot_be_is_refused_in_words(users: Users, act: Callable[[Users], None], words: str) -> None:
    with pytest.raises(Refused, match=words):
        act(users)


def test_an_account_is_erased_with_its_address(db: Database, users: Users, sessions: Sessions) -> None:
    users.add(BEN, "admin", PASSWORD, ADA)
    sessions.begin(ada(sessions), "a")
    erase.remove(db.engine, db.clock, ADA, erase.find(db.engine, ADA), "digest", "operator")
    assert [row["email"] for row in users.users()] == [BEN]
    assert db.one("select count(*) from sessions") == 0
    assert ADA not in str(db.rows("select * from users")) + str(db.rows("select * from audit_detail"))
