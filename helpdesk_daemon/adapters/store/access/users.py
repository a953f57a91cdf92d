"""Accounts of the console and their sessions. Of a session only a digest is kept, of a password its argon2id hash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from helpdesk_daemon.adapters import passwords
from helpdesk_daemon.adapters.store import audit
from helpdesk_daemon.adapters.store.engine import transaction
from helpdesk_daemon.adapters.store.schema.pages import sessions, users
from helpdesk_daemon.errors import Refused
from helpdesk_daemon.outgoing.compose import deliverable
from helpdesk_daemon.ports import Audit, Clock
from helpdesk_daemon.ports.people import IDLE, LONGEST, ROLES, SEEN_EVERY, Session, User


class Sessions:
    """`SignIn` on the database.

    Args:
        engine: the database.
        looking: the same, for looking only.
        clock: tells the time.
    """

    def __init__(self, engine: Engine, looking: Engine, clock: Clock) -> None:
        self._engine, self._looking, self._clock = engine, looking, clock
        passwords.nobodys()  # made now, so that the first stranger waits no longer

    def verified(self, email: str, password: str) -> User | None:
        """See `SignIn.verified`."""
        with transaction(self._looking) as connection:
            row = connection.execute(select(users).where(users.c.email == email.lower())).first()
        if not passwords.matches(row.password if row else "", password) or row is None:
            return None
        return User(row.id, row.email, row.role)

    def session(self, digest: str) -> Session | None:
        """See `SignIn.session`."""
        now = self._clock.now()
        wanted = (
            select(users.c.id, users.c.email, users.c.role, sessions.c.seen_at)
            .join(sessions, sessions.c.user == users.c.id)
            .where(sessions.c.digest == digest, sessions.c.seen_at > now - IDLE, sessions.c.created_at > now - LONGEST)
        )
        with transaction(self._looking) as connection:
            row = connection.execute(wanted).first()
        return Session(digest, User(row.id, row.email, row.role), row.seen_at) if row else None

    def begin(self, user: User, digest: str) -> None:
        """See `SignIn.begin`."""
        now = self._clock.now()
        over = (sessions.c.created_at <= now - LONGEST) | (sessions.c.seen_at <= now - IDLE)
        with transaction(self._engine) as connection:
            connection.execute(delete(sessions).where(over))
            row = {"digest": digest, "user": user.id, "created_at": now, "seen_at": now}
            connection.execute(insert(sessions).values(row))
            audit.append(connection, [Audit("session.started", {"role": user.role}, actor=user.email)], now)

    def seen(self, digest: str) -> None:
        """See `SignIn.seen`."""
        now = self._clock.now()
        here = sessions.c.digest == digest, sessions.c.seen_at <= now - SEEN_EVERY
        with transaction(self._engine) as connection:
            connection.execute(update(sessions).where(*here).values(seen_at=now))

    def end(self, digest: str) -> None:
        """See `SignIn.end`."""
        owner = select(users.c.email).join(sessions, sessions.c.user == users.c.id).where(sessions.c.digest == digest)
        with transaction(self._engine) as connection:
            email = connection.execute(owner).scalar()
            if email:
                connection.execute(delete(sessions).where(sessions.c.digest == digest))
                audit.append(connection, [Audit("session.ended", {}, actor=email)], self._clock.now())


class Users:
    """`Accounts` on the database.

    Args:
        engine: the database.
        clock: tells the time.
        looking: the same, for looking only.
    """

    def __init__(self, engine: Engine, clock: Clock, looking: Engine | None = None) -> None:
        self._engine, self._clock, self._looking = engine, clock, looking or engine

    def users(self) -> list[Mapping[str, Any]]:
        """See `Accounts.users`."""
        last = func.max(sessions.c.seen_at, type_=sessions.c.seen_at.type).label("seen_at")
        columns = [c for c in users.c if c.name != "password"]
        wanted = select(*columns, last).outerjoin(sessions, sessions.c.user == users.c.id).group_by(users.c.id)
        with transaction(self._looking) as connection:
            return [dict(row) for row in connection.execute(wanted.order_by(users.c.email)).mappings()]

    def add(self, email: str, role: str, password: str, actor: str) -> None:
        """See `Accounts.add`."""
        email = email.strip().lower()
        if not deliverable(email):
            raise Refused(f"{email!r} is no address; write such as ada@example.com")
        _check_role(role)
        kept, now = passwords.hashed(password), self._clock.now()
        with transaction(self._engine) as connection:
            if connection.execute(select(users.c.id).where(users.c.email == email)).first():
                raise Refused(f"{email} has an account already")
            row = {"email": email, "role": role, "password": kept, "created_at": now, "created_by": actor}
            connection.execute(insert(users).values(row))
            audit.append(connection, [Audit("user.added", {"email": email, "role": role}, actor=actor)], now)

    def set_role(self, email: str, role: str, actor: str) -> None:
        """See `Accounts.set_role`."""
        _check_role(role)
        with transaction(self._engine) as connection:
            user = _user(connection, email)
            _keep_an_admin(connection, user, role)
            connection.execute(update(users).where(users.c.id == user.id).values(role=role))
            detail = {"email": user.email, "from": user.role, "to": role}
            audit.append(connection, [Audit("user.role_changed", detail, actor=actor)], self._clock.now())

    def set_password(self, email: str, password: str, actor: str) -> None:
        """See `Accounts.set_password`."""
        kept = passwords.hashed(password)
        with transaction(self._engine) as connection:
            user = _user(connection, email)
            connection.execute(update(users).where(users.c.id == user.id).values(password=kept))
            connection.execute(delete(sessions).where(sessions.c.user == user.id))
            line = Audit("user.password_changed", {"email": user.email}, actor=actor)
            audit.append(connection, [line], self._clock.now())

    def remove(self, email: str, actor: str) -> None:
        """See `Accounts.remove`."""
        with transaction(self._engine) as connection:
            user = _user(connection, email)
            _keep_an_admin(connection, user, "")
            connection.execute(delete(users).where(users.c.id == user.id))
            line = Audit("user.removed", {"email": user.email, "role": user.role}, actor=actor)
            audit.append(connection, [line], self._clock.now())


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise Refused(f"there is no role {role!r}; there are {', '.join(ROLES)}")


def _user(connection: Connection, email: str) -> User:
    row = connection.execute(select(users).where(users.c.email == email.strip().lower())).first()
    if row is None:
        raise Refused(f"{email} has no account")
    return User(row.id, row.email, row.role)


def _keep_an_admin(connection: Connection, user: User, role: str) -> None:
    admins = select(func.count()).select_from(users).where(users.c.role == "admin")
    if user.role == "admin" and role != "admin" and connection.execute(admins).scalar_one() == 1:
        raise Refused(f"{user.email} is the last administrator: make another one first")
