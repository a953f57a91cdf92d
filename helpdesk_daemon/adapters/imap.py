"""An IMAP folder as mailbox (RFC 3501, RFC 2177, RFC 6851). UIDs only; one thread owns the connection."""

from __future__ import annotations

import contextlib
import imaplib
import os
import select
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError

from helpdesk_daemon.adapters.imap_session import Server, refused, sign_in
from helpdesk_daemon.errors import ConfigError, PermanentError, SignInError, TransientError
from helpdesk_daemon.ports import Clock, Cursor, Fetched, Quota

IDLE_RENEW = 25 * 60  # servers drop a client after 30 minutes of silence (RFC 2177)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ImapMailbox:
    """`Mailbox` on an IMAP server; the connection is made when first needed and again after a failure."""

    def __init__(
        self, name: str, server: Server, clock: Clock, start: datetime | str = "now", touch: str = "nothing",
        batch: int = 100, batch_bytes: int = 20_000_000, max_bytes: int = 50_000_000, idle: bool = True,
    ) -> None:  # fmt: skip
        self.name, self.folder, self._use_idle = name, server.folder, idle
        self._server, self._clock, self._start, self._touch = server, clock, start, touch
        self._batch, self._batch_bytes, self._max_bytes = batch, batch_bytes, max_bytes
        self._client: Any = None
        self._token = ""
        self._idle = False
        self._selected = self._validity = 0
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Decide once what a failure means; after any of them the connection is not trusted again."""
        try:
            yield
        except (SignInError, PermanentError, TransientError, ConfigError):
            self.close()
            raise
        except LoginError as error:
            self.close()
            raise refused(self._server, error) from error
        except (IMAPClientError, imaplib.IMAP4.error, OSError, EOFError, ValueError) as error:
            self.close()
            raise TransientError(f"{self._server.host}: {type(error).__name__}: {error}") from error

    def _connect(self) -> Any:
        """The signed-in client, out of IDLE; made anew after a failure."""
        if self._client is None:
            self._client, self._token = sign_in(self._server)
            self._selected = 0
        elif self._idle:
            self._idle = False
            self._client.idle_done()
        return self._client

    @contextmanager
    def session(self) -> Iterator[Any]:
        """The signed-in client, for other work on the account; failures are ours as everywhere here."""
        with self._errors():
            yield self._connect()

    def _select(self, client: Any) -> dict[bytes, Any]:
        """Select anew at each look: a deleted and recreated folder shows its new UIDVALIDITY only then."""
        try:
            found: dict[bytes, Any] = client.select_folder(self.folder, readonly=self._touch == "nothing")
        except IMAPClientError as error:
            if client.folder_exists(self.folder):
                raise
            raise PermanentError(f"{self._server.host} has no folder {self.folder}") from error
        self._selected = int(found[b"UIDVALIDITY"])
        return found

    def _open(self) -> Any:
        """The client with the folder selected, as `discover` saw it: a recreated folder's UIDs mean other mails."""
        client = self._connect()
        if not self._selected:
            self._select(client)
        if self._validity and self._selected != self._validity:
            raise TransientError(f"{self.folder} was recreated since the last look")
        return client

    def discover(self, cursor: Cursor | None) -> tuple[Cursor, list[str]]:
        """See `Mailbox.discover`."""
        with self._errors():
            if self._client is not None and self._server.tokens and self._server.tokens.outdated(self._token):
                self.close()  # rather now than when the server ends the session, perhaps in the middle of a fetch
            client = self._connect()
            folder = self._select(client)
            self._validity = self._selected
            validity, following = int(folder[b"UIDVALIDITY"]), int(folder.get(b"UIDNEXT") or 0)
            cursor = self._cursor(cursor, validity, following)
            if following and following <= cursor.position + 1:
                return cursor, []
            return cursor, [str(uid) for uid in self._new(client, cursor)]

    def _cursor(self, cursor: Cursor | None, validity: int, following: int) -> Cursor:
        now = self._clock.now()
        if cursor is None:
            if self._start == "now":
                return Cursor(validity, max(following - 1, 0), now, following, now)
            since = self._start if isinstance(self._start, datetime) else None
            return Cursor(validity, 0, now, following, since)
        if cursor.uidvalidity != validity:
            # All UIDs are new: what we hold already is known by its digest, and what was old at our
            # first start is still old.
            return Cursor(validity, 0, cursor.started_at, following, cursor.since)
        return cursor

    def _new(self, client: Any, cursor: Cursor) -> list[int]:
        first = cursor.position + 1
        uids = {uid for uid in client.search(["UID", f"{first}:*"]) if uid >= first}
        if cursor.since is not None and first < cursor.backlog:
            # SINCE knows only days, in the server's own zone: ask a day too early, then look at the moments.
            day: date = (cursor.since - timedelta(days=1)).date()
            recent = client.search(["UID", f"{first}:{cursor.backlog - 1}", "SINCE", day])
            facts = client.fetch(recent, ["INTERNALDATE"]) if recent else {}
            fresh = {uid for uid, fact in facts.items() if self._received(fact) >= cursor.since}
            uids = {uid for uid in uids if uid >= cursor.backlog or uid in fresh}
        return sorted(uids)

    def fetch(self, uids: Sequence[str]) -> tuple[list[Fetched], list[str]]:
        """See `Mailbox.fetch`."""
        with self._errors():
            client = self._open()
            wanted = [int(uid) for uid in uids[: self._batch]]
            facts = client.fetch(wanted, ["RFC822.SIZE", "INTERNALDATE"])
            whole: list[int] = []
            large: list[int] = []
            settled: list[int] = []
            total = 0
            for uid in wanted:
                size = facts[uid][b"RFC822.SIZE"] if uid in facts else 0
                if settled and total + min(size, self._max_bytes) > self._batch_bytes:
                    break
                total += min(size, self._max_bytes)
                settled.append(uid)
                if uid in facts:
                    (large if size > self._max_bytes else whole).append(uid)
            bodies = {uid: (body, False) for uid, body in self._bodies(client, whole, "BODY.PEEK[]", b"BODY[]")}
            part = f"BODY.PEEK[]<0.{self._max_bytes}>"
            bodies |= {uid: (body, True) for uid, body in self._bodies(client, large, part, b"BODY[]<0>")}
            mails = [
                Fetched(str(uid), bodies[uid][0], self._received(facts[uid]), bodies[uid][1])
                for uid in settled
                if uid in bodies
            ]
            silent = [uid for uid in settled if uid in facts and uid not in bodies]
            gone = set(silent) - self._still_there(client, silent)
            return mails, [str(uid) for uid in settled if uid in bodies or uid not in facts or uid in gone]

    def _still_there(self, client: Any, uids: list[int]) -> set[int]:
        """Which mails the folder still has; a server may answer from a view it had before an expunge."""
        if not uids:
            return set()
        client.noop()
        return set(client.fetch(uids, ["UID"]))

    def _bodies(self, client: Any, uids: list[int], item: str, key: bytes) -> Iterator[tuple[int, bytes]]:
        if uids:
            for uid, found in client.fetch(uids, [item]).items():
                if found.get(key) is not None:
                    yield uid, found[key]

    def _received(self, facts: dict[bytes, Any]) -> datetime:
        at = facts.get(b"INTERNALDATE")
        return at.astimezone(UTC) if isinstance(at, datetime) else self._clock.now()

    def touch(self, uids: Sequence[str]) -> None:
        """See `Mailbox.touch`."""
        if self._touch == "nothing" or not uids:
            return
        with self._errors():
            client = self._open()
            numbers = sorted(self._still_there(client, [int(uid) for uid in uids]))
            if not numbers:
                return
            action, _, value = self._touch.partition(" ")
            if action == "move":
                if not client.folder_exists(value):
                    client.create_folder(value)
                if client.has_capability("MOVE"):
                    client.move(numbers, value)
                else:
                    client.copy(numbers, value)
                    client.delete_messages(numbers, silent=True)
                    if client.has_capability("UIDPLUS"):
                        client.uid_expunge(numbers)
                return
            flag = {"seen": b"\\Seen", "flagged": b"\\Flagged"}.get(action, value.encode())
            client.add_flags(numbers, [flag], silent=True)

    def quota(self) -> Quota | None:
        """See `Metered.quota`."""
        with self._errors():
            client = self._connect()
            if not client.has_capability("QUOTA"):
                return None
            try:
                _, found = client.get_quota_root(client._normalise_folder(self.folder))
                stores = [q for q in found if q.resource.upper() == "STORAGE" and q.limit > 0]
            except (OSError, IMAPClientAbortError):
                raise
            except Exception:  # refused for this folder, or an odd answer: a quota is not worth a mailbox
                return None
            fullest = max(stores, key=lambda q: q.usage / q.limit, default=None)
            return Quota(fullest.usage * 1024, fullest.limit * 1024) if fullest else None

    def wait(self, seconds: float) -> bool:
        """See `Mailbox.wait`; without IDLE, or without a connection, only the time passes."""
        if self._client is None:
            return self._sleep(seconds)
        with self._errors():
            client = self._open()
            if not (self._use_idle and client.has_capability("IDLE")):
                return self._sleep(seconds)
            if self._announced():
                return True
            client.idle()
            self._idle = True
            return self._buffered() or self._listen(min(seconds, IDLE_RENEW))

    def _announced(self) -> bool:
        """Whether a mail was announced in the answer to another command since the folder was selected: a server
        says each EXISTS once (RFC 3501 section 7.3.1), so IDLE would not tell of it.
        """  # noqa: D205
        return len(self._client._imap.untagged_responses.get("EXISTS", ())) > 1

    def _sleep(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._wake_read], [], [], seconds)
        return self._drain() if ready else False

    def _listen(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select([self._client.socket(), self._wake_read], [], [], left)
            if self._wake_read in ready:
                return self._drain()
            if ready:
                said = self._client.idle_check(timeout=0)
                if any(
                    isinstance(line, tuple) and len(line) > 1 and line[1] in (b"EXISTS", b"RECENT") for line in said
                ):
                    return True
                if not said or any(line[0] == b"BYE" for line in said):
                    raise TransientError("the server ended IDLE")
        return False

    def _buffered(self) -> bool:
        """Whether bytes were read already that `select` cannot see: in the file's buffer, or decrypted by TLS."""
        connection = self._client.socket()
        if getattr(connection, "pending", int)():
            return True
        file = getattr(self._client._imap, "file", None)
        if file is None or not hasattr(file, "peek"):
            return False
        connection.setblocking(False)
        try:
            return bool(file.peek(1))
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        finally:
            connection.settimeout(self._server.timeout)

    def _drain(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake_read, 64):
                pass
        return True

    def interrupt(self) -> None:
        """See `Mailbox.interrupt`."""
        os.write(self._wake_write, b"!")

    def close(self) -> None:
        """See `Mailbox.close`."""
        client, self._client, self._idle = self._client, None, False
        if client is not None:
            with contextlib.suppress(Exception):
                client.shutdown()
