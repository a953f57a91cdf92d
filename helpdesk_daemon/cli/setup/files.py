"""The files that `init` writes: the shipped ones with the answers in place, comments kept; all of them or none."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.container import Container
from tomlkit.items import Item, Table

HEAD = """\
# Settings of the helpdesk daemon, written by `init`. Relative paths are taken from this file's folder.
# Any value can be overridden by the environment: HELPDESK_SMTP__URL=smtps://mail.example.com
"""
COMMENT_COLUMN = 44  # where comments begin, as in the shipped file


@dataclass(slots=True)
class Answers:
    """What a person said, or flags did.

    Attributes:
        address: customers write to it.
        name: they see.
        mailbox: URL of where mail arrives.
        mailbox_user: signs in there, empty for none.
        mailbox_password: the same.
        start: `now`, `all` or a date.
        smtp: URL of where mail is handed over.
        smtp_user: signs in there, empty for none.
        smtp_password: the same.
        null_sender: the server takes mail with a null reverse-path.
        operator: hears of trouble, empty for nobody.
        plus_addressing: support+anything@ reaches the mailbox.
        ca_file: certificates to trust besides the system's, empty for none.
        departments: name to address.
        agents: who may answer for all of them.
    """

    address: str = ""
    name: str = ""
    mailbox: str = ""
    mailbox_user: str = ""
    mailbox_password: str = field(default="", repr=False)
    start: str = "now"
    smtp: str = ""
    smtp_user: str = ""
    smtp_password: str = field(default="", repr=False)
    null_sender: bool = True
    operator: str = ""
    plus_addressing: bool = True
    ca_file: str = ""
    departments: dict[str, str] = field(default_factory=dict)
    agents: list[str] = field(default_factory=list)

    @property
    def smtp_secret(self) -> str:
        """The file that the password for sending is read from, empty for none."""
        if not self.smtp_user:
            return ""
        return "secrets/imap" if self.smtp_password == self.mailbox_password else "secrets/smtp"


def uncommented(text: str, table: str, *keys: str) -> str:
    """TOML text with the example lines of some keys made real.

    Args:
        text: as shipped, where an unset key stands as `# key = value`.
        table: header line of its table, `[smtp]` say; empty for the keys above the first one.
        keys: to bring to life.
    """
    begin = text.index(f"\n{table}") + 1 if table else 0
    end = text.find("\n[", begin + 1)
    end = len(text) if end < 0 else end
    part = text[begin:end]
    for key in keys:
        part = re.sub(rf"^# ({re.escape(key)} = )", r"\1", part, count=1, flags=re.MULTILINE)
    return text[:begin] + part + text[end:]


def _put(table: Table | Container, values: Mapping[str, Any]) -> None:
    """Set values; what stands behind them as a comment stays where it was."""
    for key, value in values.items():
        table[key] = value
        item = table.item(key)
        assert isinstance(item, Item)
        if item.trivia.comment:
            written = f"{key} = {item.as_string()}"
            item.trivia.comment_ws = " " * max(2, COMMENT_COLUMN - len(written))


def settings_text(shipped: str, answers: Answers) -> str:
    """The text of settings.toml.

    Args:
        shipped: the text of the shipped one.
        answers: to put in.
    """
    text = HEAD + re.sub(r"\A(?:#.*\n)+", "", shipped)
    text = uncommented(text, "", "rules", *(["operator"] if answers.operator else []))
    text = uncommented(text, "[[mailbox]]", *(["user", "password_file"] if answers.mailbox_user else []))
    text = uncommented(text, "[smtp]", *(["user", "password_file"] if answers.smtp_user else []))
    document = tomlkit.parse(text)
    _put(document, {"rules": "rules/routing.toml"} | ({"operator": answers.operator} if answers.operator else {}))
    identity, mailbox, smtp = document["identity"], document["mailbox"], document["smtp"]
    assert isinstance(identity, Table)
    assert isinstance(smtp, Table)
    _put(identity, {"name": answers.name, "address": answers.address, "plus_addressing": answers.plus_addressing})
    start = answers.start if answers.start in ("now", "all") else date.fromisoformat(answers.start)
    ca_file = {"ca_file": answers.ca_file}
    arriving = {"url": answers.mailbox, "start": start, "user": answers.mailbox_user, "password_file": "secrets/imap"}
    if not answers.mailbox_user:
        del arriving["user"], arriving["password_file"]
    _put(mailbox[0], arriving | (ca_file if answers.ca_file and answers.mailbox.startswith("imap") else {}))
    leaving: dict[str, Any] = {"url": answers.smtp}
    if answers.smtp_user:
        leaving |= {"user": answers.smtp_user, "password_file": answers.smtp_secret}
    if not answers.null_sender:
        leaving["null_sender"] = tomlkit.item(False).comment("this server refuses the null reverse-path")
    _put(smtp, leaving | (ca_file if answers.ca_file and answers.smtp.startswith("smtp") else {}))
    return tomlkit.dumps(document)


def routing_text(shipped: str, answers: Answers) -> str:
    """The text of routing.toml: the shipped one with the addresses of the departments."""
    document = tomlkit.parse(shipped)
    departments = document["department"]
    for name, address in answers.departments.items():
        _put(departments[name], {"address": address, "agents": answers.agents})
    return tomlkit.dumps(document)


def shipped_departments(shipped: str) -> dict[str, str]:
    """Name and address of each department in the text of a routing file, in its order."""
    return {name: str(table["address"]) for name, table in tomlkit.parse(shipped)["department"].items()}


def write_all(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """Write files into a folder, in order, each readable by this user only where its path says `secrets` or `keys`.

    Whatever ends this early, Ctrl-C included, takes back what was made. A file that was there is kept as `NAME.old`,
    a secret is not.

    Args:
        folder: made when missing.
        files: relative path to text. The last one should be the one that makes the others count.

    Returns:
        Where they lie.
    """
    made: list[Path] = []
    staged: list[tuple[Path, Path, bool]] = []
    try:
        for name, text in files.items():
            path = folder / name
            private = Path(name).parts[0] == "secrets" or "keys" in Path(name).parts
            _make_folders(path.parent, private, made)
            scratch = path.with_name(f".{path.name}.new")
            made.append(scratch)
            _write(scratch, text, 0o600 if private else 0o644)
            staged.append((scratch, path, private))
        for scratch, path, private in staged:
            if not path.exists():
                made.append(path)
            elif not private:
                shutil.copy2(path, path.with_name(f"{path.name}.old"))
            os.replace(scratch, path)
    except BaseException:
        _take_back(made)
        raise
    return [path for _, path, _ in staged]


def _make_folders(folder: Path, private: bool, made: list[Path]) -> None:
    for parent in reversed([folder, *folder.parents]):
        if not parent.exists():
            parent.mkdir(mode=0o700 if private else 0o755)
            made.append(parent)


def _write(path: Path, text: str, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _take_back(made: list[Path]) -> None:
    for path in reversed(made):
        with contextlib.suppress(OSError):
            path.rmdir() if path.is_dir() else path.unlink()
