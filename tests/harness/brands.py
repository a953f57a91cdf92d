"""Two brands at one daemon: an account and an SMTP server each, own identity, templates and rules."""

from __future__ import annotations

from pathlib import Path

from tests.harness.dovecot import PASSWORD
from tests.harness.world import ROOT

NORTH, SOUTH = "care@north.example", "hilfe@south.example"
MAILBOX = """
[[mailbox]]
name = "{name}"
url = "{url}"
{account}start = "all"
timeout = 5
{more}
"""
SOUTH_TABLES = """rules = "south.toml"
templates = "south"
identity = {{ name = "South", address = "hilfe@south.example", language = "de" }}
[mailbox.smtp]
url = "smtp://127.0.0.1:{port}"
null_sender = false
"""


def write_brands(
    folder: Path, urls: tuple[str, str], ports: tuple[int, int], more: tuple[str, str] = ("", ""), sort: int = 1
) -> Path:
    """settings.toml of the two.

    Args:
        folder: of the test.
        urls: of the mailboxes, north first.
        ports: of their SMTP servers.
        more: further lines for each mailbox table.
        sort: -1 puts south first.
    """
    (folder / "secret").write_text(PASSWORD)
    (folder / "secret").chmod(0o600)
    shipped = (ROOT / "rules" / "routing.toml").read_text()
    (folder / "south.toml").write_text(shipped.replace("@helpdesk.example", "@team.south.example"))
    (folder / "south" / "de").mkdir(parents=True, exist_ok=True)
    (folder / "south" / "de" / "acknowledgement.txt").write_text("Guten Tag, Ihre Nummer ist {{ ticket.id }}.\n")
    (folder / "south" / "de" / "acknowledgement.html").write_text(
        "<p>Guten Tag, Ihre Nummer ist {{ ticket.id }}.</p>\n"
    )
    own = ("", SOUTH_TABLES.format(port=ports[1]))
    boxes = [
        MAILBOX.format(name=name, url=url, account=_account(name, url), more=lines + tables)
        for name, url, lines, tables in zip(("north", "south"), urls, more, own, strict=True)
    ]
    path = folder / "settings.toml"
    path.write_text(
        'data_dir = "data"\noperator = "operator@north.example"\n'
        f'[identity]\nname = "North"\naddress = "{NORTH}"\n[smtp]\nurl = "smtp://127.0.0.1:{ports[0]}"\n'
        f'{"".join(boxes[::sort])}\n[log]\nformat = "json"\n'
    )  # fmt: skip
    return path


def _account(name: str, url: str) -> str:
    return f'user = "{name}"\npassword_file = "secret"\n' if url.startswith("imap") else ""
