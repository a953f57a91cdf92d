"""`users`, as an operator uses it."""

from __future__ import annotations

import io
from pathlib import Path

import pexpect

from tests.acceptance.command import at_terminal, document, out, run

PASSWORD = b"a long enough password\n"


def test_accounts_are_made_listed_changed_and_ended(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(
        'data_dir = "data"\n[[mailbox]]\nurl = "maildir:in"\n[smtp]\nurl = "maildir:out"\n'
    )
    empty = run(tmp_path, "users", "list")
    assert (empty.returncode, b"no database" in empty.stderr) == (78, True)
    made = run(tmp_path, "users", "add", "Ada@Helpdesk.example", "--role", "admin", "--password-stdin", stdin=PASSWORD)
    assert "ada@helpdesk.example may sign in as admin" in out(made)
    short = run(tmp_path, "users", "add", "ben@helpdesk.example", "--password-stdin", stdin=b"short\n")
    assert (short.returncode, b"12 characters" in short.stderr) == (1, True)
    out(run(tmp_path, "users", "add", "ben@helpdesk.example", "--password-stdin", stdin=PASSWORD))
    (ada, ben) = document(run(tmp_path, "users", "list", "--json"))
    assert (ada["role"], ben["role"], "password" in ada) == ("admin", "agent", False)
    assert "ben@helpdesk.example" in out(run(tmp_path, "users", "list"))
    out(run(tmp_path, "users", "role", "ben@helpdesk.example", "viewer"))
    out(run(tmp_path, "users", "passwd", "ben@helpdesk.example", "--password-stdin", stdin=b"another long password\n"))
    last = run(tmp_path, "users", "remove", "ada@helpdesk.example")
    assert (last.returncode, b"last administrator" in last.stderr) == (1, True)
    out(run(tmp_path, "users", "remove", "ben@helpdesk.example"))
    assert len(document(run(tmp_path, "users", "list", "--json"))) == 1
    told = run(tmp_path, "users", "add", "eve@helpdesk.example", "a-password-as-an-argument")
    assert told.returncode == 2, "a password in a command line would stand in histories and process lists"


def test_a_password_is_typed_unseen_and_twice(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(
        'data_dir = "data"\n[[mailbox]]\nurl = "maildir:in"\n[smtp]\nurl = "maildir:out"\n'
    )
    typed = at_terminal(tmp_path, "users", "add", "ada@helpdesk.example")
    seen = typed.logfile_read = io.StringIO()
    typed.expect("Password: ")
    typed.sendline(PASSWORD.decode().strip())
    typed.expect("[Rr]epeat")
    typed.sendline(PASSWORD.decode().strip())
    typed.expect("may sign in as agent")
    typed.expect(pexpect.EOF)
    typed.close()
    assert typed.exitstatus == 0
    assert "Password" in seen.getvalue()
    assert "long enough" not in seen.getvalue()
    assert len(document(run(tmp_path, "users", "list", "--json"))) == 1
