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
    """Name that customers see."""
    address: Email = "support@helpdesk.example"
    """Customers write here, answers come from here."""
    also: list[Email] = Field(default_factory=list)
    """Further addresses of the same mailbox."""
    plus_addressing: bool = True
    """Mail to `support+anything@` reaches the same mailbox; `check --probe` tries it."""
    language: str = "en"
    """Of the templates; English stands in for those that are missing."""


class ScreeningTable(Table):
    """`[screening]`: what may become a ticket or be acknowledged."""

    auto_replies: Literal["ignore", "ticket"] = "ignore"
    """Vacation notices that answer no ticket."""
    auto_generated: Literal["ignore", "ticket"] = "ticket"
    """Mail that says a machine wrote it, and is no reply."""
    complaints: Literal["ignore", "ticket"] = "ticket"
    """Feedback reports of mail providers (ARF)."""
    forged: Literal["ignore", "ticket"] = "ticket"
    """Mail that fails DMARC, by the field of our own server: to triage, or ignored."""
    spam: Literal["ignore", "ticket"] = "ticket"
    """Mail over `spam_score`: to triage, or ignored."""
    spam_score: float | None = None
    """From this score of a spam header on; unset: scores are not looked at."""
    people: list[str] = Field(default_factory=list)
    """Senders that are people, whatever automatic headers they stamp: addresses, or `@domain`."""
    own_lists: list[str] = Field(default_factory=list)
    """List-Ids that our own group address stamps on everything."""
    authserv_id: str = ""
    """Name of our server in Authentication-Results; `*` trusts the topmost field; empty: none is trusted."""
    ack_max_age_hours: float = Field(default=48.0, gt=0)
    """Older mail is not acknowledged."""
    reopen_days: float = Field(default=14.0, ge=0)
    """A reply reopens a closed ticket within so many days; later it opens a linked one."""


class SmtpTable(Secret):
    """`[smtp]`: where outgoing mail is handed over."""

    url: str = "maildir:var/outgoing"
    """`smtps://HOST`, `smtp://HOST` (STARTTLS, except on loopback) or `maildir:FOLDER`."""
    user: str = ""
    """Whom to sign in as; empty: nobody."""
    connections: int = Field(default=4, ge=1, le=50)
    """Kept at once."""
    per_minute: int = Field(default=0, ge=0)
    """Mails that may leave within any minute; 0: no bound."""
    null_sender: bool = True
    """Acknowledgements leave with the null reverse-path (RFC 3834); false where the server refuses that."""
    timeout: float = Field(default=60.0, gt=0)
    """Seconds a server may take to answer."""
    ca_file: Path | None = None
    """PEM file of certificates to trust besides the system's."""

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
    """In the log, in tables and on tickets."""
    url: str
    """`imaps://HOST/FOLDER`, `imap://HOST/FOLDER` (STARTTLS, except on loopback) or `maildir:FOLDER`."""
    user: str = ""
    """Whom to sign in as; empty: the one in the URL."""
    start: Annotated[Literal["now", "all"] | datetime, BeforeValidator(_start)] = "now"
    """Mail that is there already: `now` leaves it, `all` takes it, a date takes what came since."""
    touch: str = "nothing"
    """After a mail is kept: `nothing`, `seen`, `flagged`, `keyword NAME` or `move FOLDER`."""
    poll_seconds: float = Field(default=60.0, ge=0.05, le=86_400)
    """Between two looks; with IDLE only the safety net."""
    idle: bool = True
    """Let the server tell of new mail, where it can."""
    timeout: float = Field(default=30.0, gt=0)
    """Seconds a server may take to answer."""
    ca_file: Path | None = None
    """PEM file of certificates to trust besides the system's."""
    sent_folder: str = ""
    """Keeps copies of what was sent: a folder's name, or `auto`; empty: none."""
    sent_copies: Literal["answers", "all"] = "answers"
    """Of agents' answers, or of acknowledgements, too."""
    rules: Path | None = None
    """This mailbox's routing rules; unset: those of the top of the file."""
    templates: Path | None = None
    """This mailbox's templates, before those of the top of the file."""
    identity: IdentityTable = Field(default_factory=IdentityTable)
    """This mailbox's own; what it leaves out comes from `[identity]`."""
    screening: ScreeningTable = Field(default_factory=ScreeningTable)
    """This mailbox's own; what it leaves out comes from `[screening]`."""
    smtp: SmtpTable = Field(default_factory=SmtpTable)
    """This mailbox's own way out; what it leaves out comes from `[smtp]`, but never a sign-in."""

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
