"""`tokens` and `web`, as an operator uses them."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.command import BIN, document, environment, out, run
from tests.harness.web import JOHN

SETTINGS = '[[mailbox]]\nurl = "maildir:in"\nstart = "all"\n[smtp]\nurl = "maildir:out"\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with settings and an empty inbox."""
    (tmp_path / "settings.toml").write_text(f'data_dir = "data"\n{SETTINGS}[log]\nformat = "json"\n')
    for part in ("new", "cur", "tmp"):
        (tmp_path / "in" / part).mkdir(parents=True)
    return tmp_path


@contextmanager
def served(home: Path) -> Iterator[str]:
    """`web` alone; where it listens. It ends on SIGTERM, with 0."""
    command = [str(BIN), "web", "--port", "0"]
    process = subprocess.Popen(command, cwd=home, env=environment(), stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        yield str(json.loads(process.stderr.readline())["url"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


def test_tokens_are_made_listed_and_revoked(home: Path) -> None:
    made = run(home, "tokens", "create", "shop", "--scope", "submit", "--scope", "read")
    token = out(made).strip()
    assert re.fullmatch(r"hdt_[\w-]{43}", token)
    assert b"cannot be shown again" in made.stderr
    (listed,) = document(run(home, "tokens", "list", "--json"))
    assert (listed["id"], listed["name"], listed["scopes"], listed["revoked_at"]) == (1, "shop", "submit read", None)
    assert "shop" in out(run(home, "tokens", "list"))
    assert token.encode() not in (home / "data" / "helpdesk.db").read_bytes()
    out(run(home, "tokens", "revoke", "1"))
    assert run(home, "tokens", "revoke", "1").returncode == 1
    assert document(run(home, "tokens", "list", "--json")) == []
    events = [line["event"] for line in document(run(home, "audit", "tail", "--json"))]
    assert events == ["token.created", "token.revoked"]


def test_what_is_submitted_beside_the_daemon_is_decided_by_it(home: Path) -> None:
    token = out(run(home, "tokens", "create", "shop", "--scope", "submit", "--scope", "read")).strip()
    headers = {"Authorization": f"Bearer {token}"}
    with served(home) as url:
        answer = httpx2.post(f"{url}/api/tickets/submit/", json=JOHN, headers=headers, timeout=20)
        assert (answer.status_code, answer.json()["classification"]) == (201, None)
        ticket = answer.json()["ticket"]["ticket_id"]
        out(run(home, "once"))
        shown = httpx2.get(f"{url}/api/tickets/{ticket}/", headers=headers).json()
        assert (shown["predicted_category"], shown["status"]) == ("Account", "open")
    assert ticket in out(run(home, "tickets", "show", ticket))
    assert document(run(home, "tickets", "list", "--json"))[0]["id"] == ticket
    assert document(run(home, "audit", "reconcile", "--json"))


def test_a_port_in_use_is_named(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run(home, "web", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 78
    assert b"web.port" in done.stderr
    assert b"Name a free port" in done.stderr
