"""What serving pages costs the pipeline, and how fast pages are meanwhile; `scripts.bench --with-web` runs it.

One daemon over Dovecot, the real model and an SMTP sink; its database already holds many tickets. It is given as many
mails without anybody looking and with five pages a second asked for, in turn, the order changing from pair to pair.
"""

from __future__ import annotations

import http.client
import os
import secrets
import socket
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.store.access import tokens
from helpdesk_daemon.adapters.store.access.users import Sessions, Users
from helpdesk_daemon.adapters.store.engine import open_engine, transaction
from helpdesk_daemon.adapters.store.migrate import migrate
from helpdesk_daemon.ports.people import User
from helpdesk_daemon.ports.web import token_digest
from tests.harness.crowd import fill
from tests.harness.dovecot import Dovecot
from tests.harness.mails import mail

PAGES_A_SECOND = 5
SEED = 23
QUIET = 20.0  # seconds of pages without mail
LONGEST = 600.0  # seconds for the mails of one measurement
COMMON, RARE = "Printer", "nothing+like+it"  # a search that soon has a page full, and one that reads all

Start = Callable[[Path, Dovecot, int, int], AbstractContextManager[Callable[[], float]]]


@dataclass(slots=True)
class Visitor:
    """Somebody who asks for one page after the other, at fixed times, however long an answer takes.

    Attributes:
        port: of the daemon.
        headers: that show who asks.
        paths: by the name of a page, its address.
        took: by the name of a page, milliseconds from the moment it was due to the last byte.
        failures: answers that were no success.
    """

    port: int
    headers: dict[str, str]
    paths: dict[str, str]
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: list[str] = field(default_factory=list)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask while the block runs, with a dashboard open beside it."""
        over = threading.Event()
        threads = [threading.Thread(target=work, args=(over,)) for work in (self._ask, self._watch)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def _ask(self, over: threading.Event) -> None:
        due = time.monotonic()
        for name, path in cycle(self.paths.items()):
            if over.wait(max(0.0, due - time.monotonic())):
                return
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            connection.request("GET", path, headers=self.headers)
            answer = connection.getresponse()
            answer.read()
            self.took[name].append((time.monotonic() - due) * 1000)
            if answer.status != 200:
                self.failures.append(f"{path}: {answer.status}")
            connection.close()
            due += 1 / PAGES_A_SECOND

    def _watch(self, over: threading.Event) -> None:
        while not over.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
            connection.request("GET", "/dashboard/live/?days=30", headers=self.headers)
            try:
                answer = connection.getresponse()
                while not over.is_set() and answer.readline():
                    pass
            except TimeoutError:
                continue
            finally:
                connection.close()


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def filled(folder: Path, tickets: int) -> Path:
    """A database with so many tickets."""
    path = folder / "data" / "helpdesk.db"
    path.parent.mkdir(parents=True)
    engine = open_engine(path)
    migrate(engine)
    fill(engine, SystemClock().now(), tickets)
    engine.dispose()
    return path


def visitor(database: Path, port: int) -> Visitor:
    """Somebody who is signed in and holds a token."""
    engine = open_engine(database)
    clock, secret = SystemClock(), secrets.token_urlsafe(32)
    Users(engine, clock).add("bench@helpdesk.example", "viewer", secrets.token_urlsafe(16), "bench")
    with transaction(engine) as connection:
        number = connection.execute(text("select id from users")).scalar_one()
        ticket = connection.execute(text("select id from tickets order by created_at desc limit 1")).scalar_one()
    Sessions(engine, engine, clock).begin(User(number, "bench@helpdesk.example", "viewer"), token_digest(secret))
    token = tokens.create(engine, clock, "bench", ("read",), "bench")
    engine.dispose()
    paths = {
        "list": "/admin/tickets/", "search": f"/admin/tickets/?text={COMMON}", "dashboard": "/dashboard/?days=30",
        "ticket": f"/admin/tickets/{ticket}/", "api": "/api/tickets/", "rare search": f"/admin/tickets/?text={RARE}",
    }  # fmt: skip
    return Visitor(port, {"Cookie": f"hd_session={secret}", "Authorization": f"Bearer {token}"}, paths)


def pass_mails(server: Dovecot, mails: list[bytes], engine: Engine) -> float:
    """Put mails into INBOX at one stroke; how many a second went all the way."""
    server.append(mails, "Staging")
    with transaction(engine) as connection:
        last = connection.execute(text("select max(id) from outbox")).scalar() or 0
    client = server.client()
    client.select_folder("Staging")
    began = time.monotonic()
    client.move("1:*", "INBOX")
    wanted = text("select count(*) from outbox where id > :last and state = 'sent'")
    sent = 0
    while sent < 2 * len(mails):
        if time.monotonic() - began > LONGEST:
            raise RuntimeError(f"only {sent} of {2 * len(mails)} mails left within {LONGEST:.0f} s")
        time.sleep(0.1)
        with transaction(engine) as connection:
            sent = connection.execute(wanted, {"last": last}).scalar_one()
    seconds = time.monotonic() - began
    client.logout()
    return len(mails) / seconds


def measure(start: Start, number: int, pairs: int, tickets: int, say: Callable[[str], None]) -> dict[str, Any]:
    """All figures.

    Args:
        start: starts sink and daemon in a folder for a mail server, a port and so many mails; gives what tells the
            processor seconds that the daemon has used.
        number: mails of each half of a pair.
        pairs: how often both halves are measured.
        tickets: that are there before.
        say: told what is going on.
    """
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="helpdesk-bench-") as scratch:
        folder, port = Path(scratch), free_port()
        say(f"a database with {tickets:,} tickets")
        database = filled(folder, tickets)
        engine = open_engine(database, readonly=True)
        with Dovecot(folder / "dovecot") as server:
            server.append([])
            with start(folder, server, port, number * (2 * pairs + 1)) as cpu:
                somebody = visitor(database, port)
                found = figures(measure_pairs(server, engine, somebody, number, pairs, say), somebody)
                say("pages without mail")
                found["web_core_percent"] = round(100 * core_of_pages(somebody, cpu), 1)
        engine.dispose()
    return found | {
        "mails": number, "tickets": tickets, "pages_per_second": PAGES_A_SECOND,
        "load_average_before": round(load, 2), "load_average_after": round(os.getloadavg()[0], 2),
    }  # fmt: skip


def measure_pairs(
    server: Dovecot, engine: Engine, somebody: Visitor, number: int, pairs: int, say: Callable[[str], None]
) -> list[tuple[float, float]]:
    """Mails a second without pages and with them, pair by pair."""
    numbers = count()

    def half(asked: bool) -> float:
        mails = [mail(n, SEED) for n in islice(numbers, number)]
        with somebody.asking() if asked else nullcontext():
            return pass_mails(server, mails, engine)

    say("warming up")
    half(False)
    found = []
    for pair in range(pairs):
        order = (False, True) if pair % 2 == 0 else (True, False)
        rates = {asked: half(asked) for asked in order}
        found.append((rates[False], rates[True]))
        say(f"{rates[False]:.1f} mails a second alone, {rates[True]:.1f} with pages")
    return found


def core_of_pages(somebody: Visitor, cpu: Callable[[], float]) -> float:
    """The share of a core that the daemon needs for the pages, when there is no mail."""
    used, began = cpu(), time.monotonic()
    with somebody.asking():
        time.sleep(QUIET)
    return (cpu() - used) / (time.monotonic() - began)


def figures(found: list[tuple[float, float]], somebody: Visitor) -> dict[str, Any]:
    """Medians over the pairs, and how long pages took."""
    took = [each for page in somebody.took.values() for each in page]
    return {
        "alone_per_second": round(statistics.median(alone for alone, _ in found), 1),
        "with_web_per_second": round(statistics.median(served for _, served in found), 1),
        "cost_percent": round(statistics.median(100 * (1 - served / alone) for alone, served in found), 1),
        "pairs": [{"alone": round(alone, 1), "with_web": round(served, 1)} for alone, served in found],
        "pages": len(took), "failed_pages": somebody.failures[:5], "page_p50_ms": round(statistics.median(took), 1),
        "page_p95_ms": percentile(took, 0.95), "page_max_ms": round(max(took), 1),
        "p95_ms_by_page": {name: percentile(each, 0.95) for name, each in somebody.took.items()},
    }  # fmt: skip


def percentile(values: list[float], share: float) -> float:
    """The value that a share of all do not exceed."""
    return round(sorted(values)[min(int(len(values) * share), len(values) - 1)], 1)
