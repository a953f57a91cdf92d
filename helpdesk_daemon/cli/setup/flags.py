"""What the command line of `init` answers already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

NONE = "-"  # how a person answers "nobody"


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line answers already; None where a person is asked."""

    address: str | None
    name: str | None
    mailbox: str | None
    user: str | None
    password_file: Path | None
    start: str | None
    smtp: str | None
    smtp_user: str | None
    smtp_password_file: Path | None
    operator: str | None
    department: tuple[str, ...]
    agents: tuple[str, ...]
    plus: bool | None
    probe: bool | None
    ca_file: Path | None
    test: bool
