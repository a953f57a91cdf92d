"""Measure the daemon end to end: Dovecot, the real model, SMTP to a light sink, all on this machine.

Run by `make bench`; `make bench ARGS="--mails 2000 --json"` for more mails and one JSON object, `ARGS=--with-web` for
what serving pages costs, beside many tickets.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.model.embedder import OpenVinoEmbedder
from helpdesk_daemon.adapters.oauth.tokens import Tokens
from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.settings import MailboxTable
from helpdesk_daemon.triage.text import text_of
from helpdesk_daemon.wiring.accounts import mailbox_of
from helpdesk_daemon.wiring.places import ensure_model, prepared_model
from scripts import web_load
from tests.harness.dovecot import PASSWORD, USER, Dovecot
from tests.harness.mails import mail
from tests.harness.sink import LightSink

SINGLES = 30  # mails sent one by one for the latency
SEED = 11


@dataclass(slots=True)
class Daemon:
    """The daemon as a process of its own, its JSON log read as it comes."""

    settings: Path
    process: subprocess.Popen[bytes] | None = None
    lines: list[tuple[float, bytes]] = field(default_factory=list)
    started_at: float = 0.0

    def start(self) -> None:
        """Start it."""
        self.started_at = time.time()
        command = [sys.executable, "-m", "helpdesk_daemon", "--settings", str(self.settings), "run"]
        environment = os.environ | {"BENCH_PASSWORD": PASSWORD}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process and self.process.stderr
        for line in self.process.stderr:
            if line.startswith(b"{"):
                self.lines.append((time.time(), line))
            else:
                sys.stderr.buffer.write(line)

    def wait_for(self, event: str, seconds: float = 60) -> float:
        """When an event was first logged."""
        until = time.time() + seconds
        while time.time() < until:
            found = next((at for at, line in list(self.lines) if json.loads(line)["event"] == event), None)
            if found is not None:
                return found
            time.sleep(0.01)
        raise RuntimeError(f"the daemon did not say {event} within {seconds} s")

    def peak_memory(self) -> float:
        """Peak resident memory in MB."""
        assert self.process
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def cpu(self) -> float:
        """Processor seconds used so far, all threads."""
        assert self.process
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> float:
        """Ask it to end; how long that took."""
        assert self.process
        began = time.time()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        return time.time() - began


def write_settings(folder: Path, server: Dovecot, sink_port: int, mails: int) -> Path:
    """Settings for the servers of this run; limits wide enough for its mails."""
    path = folder / "settings.toml"
    path.write_text(
        f'data_dir = "data"\n[identity]\naddress = "support@helpdesk.example"\n'
        f'[[mailbox]]\nurl = "{server.url}"\nuser = "{USER}"\npassword_env = "BENCH_PASSWORD"\nstart = "all"\n'
        f'[smtp]\nurl = "smtp://127.0.0.1:{sink_port}"\n'
        f"[limits]\ntotal_burst = {mails * 2 + 1000}\nmail_burst = 1000000\n"
        f'[log]\nformat = "json"\n'
    )
    return path


def embedding_rate(texts: list[str]) -> float:
    """Texts a second of the embedder alone, best of three, with the machine to itself."""
    embedder = OpenVinoEmbedder(prepared_model())
    embedder.embed(texts[:16])
    times = []
    for _ in range(3):
        began = time.perf_counter()
        embedder.embed(texts)
        times.append(time.perf_counter() - began)
    return len(texts) / min(times)


def end_to_end(server: Dovecot, mails: list[bytes], daemon: Daemon, database: Path) -> tuple[float, float]:
    """Put all mails into INBOX at one stroke; seconds until all is sent, and the daemon's processor seconds."""
    server.append(mails, "Staging")
    client = server.client()
    client.select_folder("Staging")
    watching = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    cpu, began = daemon.cpu(), time.time()
    client.copy("1:*", "INBOX")
    while True:
        (sent,) = watching.execute("select count(*) from outbox where state = 'sent'").fetchone()
        if sent >= 2 * len(mails):
            break
        if time.time() - began > 600:
            raise RuntimeError(f"only {sent} of {2 * len(mails)} mails left within 600 s")
        time.sleep(0.05)
    seconds = time.time() - began
    client.logout()
    watching.close()
    return seconds, daemon.cpu() - cpu


def single_mails(server: Dovecot) -> dict[str, float]:
    """Send mails one by one; when each was in the mailbox, by its sender's address."""
    client, sent = server.client(), {}
    for number in range(SINGLES):
        address = f"single{number}@latency.example.net"
        client.append("INBOX", mail(900_001 + number * 10, SEED, sender=address))
        sent[address] = time.time()
        time.sleep(0.25)
    client.logout()
    time.sleep(2)
    return sent


def poll_cost(server: Dovecot, folder: str) -> float:
    """Median milliseconds of a look at a folder with nothing new."""
    os.environ["BENCH_PASSWORD"] = PASSWORD
    url = server.url.replace("INBOX", folder)
    table = MailboxTable(url=url, user=USER, password_env="BENCH_PASSWORD", start="now")
    clock = SystemClock()
    box = mailbox_of(table, clock, Tokens(server.folder, clock))
    cursor, _ = box.discover(None)
    times = []
    for _ in range(30):
        began = time.perf_counter()
        box.discover(cursor)
        times.append((time.perf_counter() - began) * 1000)
    box.close()
    return statistics.median(times)


@contextmanager
def stage(words: str, quiet: bool) -> Iterator[None]:
    """Say what is being measured, on standard error."""
    if not quiet:
        click.echo(f"{words} …", err=True)
    yield


def measure(number: int, big_folder: int, quiet: bool) -> dict[str, Any]:
    """All figures of one run."""
    mails = [mail(i, SEED) for i in range(number)]
    texts = [text_of(parse(raw)) for raw in mails]
    ensure_model(prepared_model())
    with tempfile.TemporaryDirectory(prefix="helpdesk-bench-") as scratch:
        folder = Path(scratch)
        with stage("embedding alone", quiet):
            alone = embedding_rate(texts)
        with Dovecot(folder / "dovecot") as server:
            with LightSink(folder) as sink:
                server.append([])
                daemon = Daemon(write_settings(folder, server, sink.port, number))
                with stage("starting the daemon", quiet):
                    daemon.start()
                    start = daemon.wait_for("mailbox.opened") - daemon.started_at
                    daemon.wait_for("index.loaded")
                with stage(f"{number} mails end to end", quiet):
                    seconds, cpu = end_to_end(server, mails, daemon, folder / "data" / "helpdesk.db")
                with stage("single mails", quiet):
                    put = single_mails(server)
                memory, stop = daemon.peak_memory(), daemon.stop()
            with stage(f"polls of a folder with 10 and {big_folder} mails", quiet):
                server.append([mail(i, SEED) for i in range(10)], "Small")
                server.append((mail(i * 10 + 1, SEED) for i in range(big_folder)), "Big")
                small, big = poll_cost(server, "Small"), poll_cost(server, "Big")
    acknowledged = {to: at for at, to, _ in sink.rows}
    waits = sorted(acknowledged[to] - at for to, at in put.items() if to in acknowledged)
    return {
        "mails": number,
        "end_to_end_per_second": round(number / seconds, 1),
        "embedding_per_second": round(alone, 1),
        "ratio": round(number / seconds / alone, 3),
        "daemon_cpu_ms_per_mail": round(cpu / number * 1000, 2),
        "acknowledged_singles": len(waits),
        "arrival_to_acknowledgement_median_s": round(statistics.median(waits), 3),
        "arrival_to_acknowledgement_p95_s": round(waits[int(len(waits) * 0.95)], 3),
        "start_to_first_poll_s": round(start, 2),
        "stop_s": round(stop, 2),
        "peak_memory_mb": round(memory),
        "poll_small_folder_ms": round(small, 2),
        "poll_big_folder_ms": round(big, 2),
        "big_folder": big_folder,
    }


@contextmanager
def serving(folder: Path, server: Dovecot, port: int, mails: int) -> Iterator[Callable[[], float]]:
    """Sink and daemon, with its pages at a port; gives what tells the daemon's processor seconds."""
    with LightSink(folder) as sink:
        settings = write_settings(folder, server, sink.port, mails)
        settings.write_text(f"{settings.read_text()}[web]\nenabled = true\nport = {port}\n")
        daemon = Daemon(settings)
        daemon.start()
        try:
            for event in ("mailbox.opened", "index.loaded", "web.started"):
                daemon.wait_for(event)
            yield daemon.cpu
        finally:
            daemon.stop()


@click.command()
@click.option("--with-web", is_flag=True, help="What serving five pages a second costs, median of five")
@click.option("--tickets", default=100_000, show_default=True, help="With --with-web: tickets that are there before")
@click.option("--pairs", default=5, show_default=True, help="With --with-web: measurements with and without")
@click.option("--mails", default=500, show_default=True)
@click.option("--big-folder", default=10_000, show_default=True, help="Mails in the folder polled with nothing new")
@click.option("--json", "json_", is_flag=True, help="One JSON object")
def main(with_web: bool, tickets: int, pairs: int, mails: int, big_folder: int, json_: bool) -> None:
    """Measure and print."""
    if with_web:
        ensure_model(prepared_model())
        say = (lambda words: None) if json_ else (lambda words: click.echo(f"{words} …", err=True))
        found = web_load.measure(serving, mails, pairs, tickets, say)
    else:
        found = measure(mails, big_folder, json_)
    if json_:
        click.echo(json.dumps(found))
        return
    for name, value in found.items():
        click.echo(f"{name.replace('_', ' '):<38} {value}")


if __name__ == "__main__":
    main()
