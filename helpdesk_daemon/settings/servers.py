"""Where mail comes from and goes to, and who we are there."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from helpdesk_daemon.settings.secret import LOOPBACK, Secret, Table

PORTS = {"imaps": 993, "imap": 143, "smtps": 465, "smtp": 587}


def _email(value: object) -> object:
    if isinstance(value, str):
        local, at, domain = value.strip().rpartition("@")
        if not (local and at and domain) or any(c.isspace() for c in value.strip()):
            raise ValueError("Write an address such as support@example.com")
        return value.strip().lower()
    return value


Email = Annotated[str, BeforeValidator(_email)]


class Endpoint(Table):
    """A URL taken apart: scheme, host, port, path."""

    scheme: str
    host: str = ""
    port: int = 0
    user: str = ""
    path: str = ""

    @property
    def security(self) -> str:
        """`tls`, `starttls`, or `none` on loopback only."""
        if self.scheme in ("imaps", "smtps"):
            return "tls"
        return "none" if self.host in LOOPBACK else "starttls"


def _endpoint(url: str, schemes: tuple[str, ...]) -> Endpoint:
    parts = urlsplit(url)
    if parts.scheme not in schemes:
        raise ValueError(f"Begin it with one of {', '.join(s + ':' for s in schemes)}")
    if parts.scheme == "maildir":
        if not parts.path:
            raise ValueError("Name a folder, such as maildir:var/inbox")
        return Endpoint(scheme="maildir", path=unquote(parts.netloc + parts.path))
    if not parts.hostname:
        raise ValueError(f"Name a host, such as {parts.scheme}://mail.example.com")
    if parts.password:
        raise ValueError("Take the password out of the URL; use password_file, or the environment")
    return Endpoint(scheme=parts.scheme, host=parts.hostname, port=parts.port or PORTS[parts.scheme],
                    user=unquote(parts.username or ""), path=unquote(parts.path.strip("/")))  # fmt: skip


def _start(value: object) -> object:
    if value in ("now", "all") or isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except ValueError:
            pass
    raise ValueError('Write "now", "all" or a date such as 2026-11-22')


class IdentityTable(Table):
    """`[identity]`: who we are to customers."""

    name: str = "Support"
    address: Email = "support@helpdesk.example"
    also: list[Email] = Field(default_factory=list)
    plus_addressing: bool = True
    language: str = "en"


class ScreeningTable(Table):
    """`[screening]`: what may become a ticket or be acknowledged."""

    auto_replies: Literal["ignore", "ticket"] = "ignore"
    auto_generated: Literal["ignore", "ticket"] = "ticket"
    complaints: Literal["ignore", "ticket"] = "ticket"
    forged: Literal["ignore", "ticket"] = "ticket"
    spam: Literal["ignore", "ticket"] = "ticket"
    spam_score: float | None = None
    people: list[str] = Field(default_factory=list)
    own_lists: list[str] = Field(default_factory=list)
    authserv_id: str = ""
    ack_max_age_hours: float = Field(default=48.0, gt=0)
    reopen_days: float = Field(default=14.0, ge=0)


class SmtpTable(Secret):
    """`[smtp]`: where outgoing mail is handed over."""

    url: str = "maildir:var/outgoing"
    user: str = ""
    connections: int = Field(default=4, ge=1, le=50)
    per_minute: int = Field(default=0, ge=0)
    null_sender: bool = True
    timeout: float = Field(default=60.0, gt=0)
    ca_file: Path | None = None

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        _endpoint(value, ("smtps", "smtp", "maildir"))
        return value

    @property
    def endpoint(self) -> Endpoint:
        """Where it is."""
        return _endpoint(self.url, ("smtps", "smtp", "maildir"))

    @property
    def login(self) -> str:
        """Whom to sign in as, empty for nobody."""
        return self.user or self.endpoint.user


class MailboxTable(Secret):
    """`[[mailbox]]`: a folder that customers' mail arrives in."""

    name: str = "support"
    url: str
    user: str = ""
    start: Annotated[Literal["now", "all"] | datetime, BeforeValidator(_start)] = "now"
    touch: str = "nothing"
    poll_seconds: float = Field(default=60.0, ge=0.05, le=86_400)
    idle: bool = True
    timeout: float = Field(default=30.0, gt=0)
    ca_file: Path | None = None
    sent_folder: str = ""
    sent_copies: Literal["answers", "all"] = "answers"
    rules: Path | None = None
    templates: Path | None = None
    identity: IdentityTable = Field(default_factory=IdentityTable)
    screening: ScreeningTable = Field(default_factory=ScreeningTable)
    smtp: SmtpTable = Field(default_factory=SmtpTable)

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        _endpoint(value, ("imaps", "imap", "maildir"))
        return value

    @field_validator("touch")
    @classmethod
    def _touch(cls, value: str) -> str:
        word, _, name = value.partition(" ")
        if value in ("nothing", "seen", "flagged") or (word in ("keyword", "move") and name.strip()):
            return value
        raise ValueError('Write "nothing", "seen", "flagged", "keyword NAME" or "move FOLDER"')

    @model_validator(mode="after")
    def _possible(self) -> MailboxTable:
        if self.url.startswith("maildir:") and self.touch.startswith("keyword "):
            raise ValueError('A Maildir has no keywords: write touch = "nothing", "seen", "flagged" or "move FOLDER"')
        if self.sent_folder and self.sent_folder.upper() == self.folder.upper():
            raise ValueError("Name another sent_folder: mail is read from that one")
        return self

    @property
    def endpoint(self) -> Endpoint:
        """Where it is."""
        return _endpoint(self.url, ("imaps", "imap", "maildir"))

    @property
    def folder(self) -> str:
        """The IMAP folder that is read; empty for a Maildir."""
        return "" if self.endpoint.scheme == "maildir" else self.endpoint.path or "INBOX"

    @property
    def login(self) -> str:
        """Whom to sign in as, empty for nobody."""
        return self.user or self.endpoint.user
