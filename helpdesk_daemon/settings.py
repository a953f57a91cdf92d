"""settings.toml and the environment, checked once, before anything starts."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import quote, unquote, urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.tomlfile import complaint, load_toml

PREFIX = "HELPDESK_"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
PORTS = {"imaps": 993, "imap": 143, "smtps": 465, "smtp": 587}


def _email(value: object) -> object:
    if isinstance(value, str):
        local, at, domain = value.strip().rpartition("@")
        if not (local and at and domain) or any(c.isspace() for c in value.strip()):
            raise ValueError("Write an address such as support@example.com")
        return value.strip().lower()
    return value


Email = Annotated[str, BeforeValidator(_email)]


class Table(BaseModel):
    """Refuses unknown keys."""

    model_config = ConfigDict(extra="forbid")


class Secret(Table):
    """Where a password is read from, anew at each sign-in: a file, or an environment variable."""

    password_file: Path | None = None
    password_env: str = ""

    def read(self) -> str:
        """The secret as it is now.

        Raises:
            ConfigError: the file cannot be read, or the variable is not set.
        """
        if self.password_file is not None:
            try:
                return self.password_file.read_text().strip()
            except OSError as error:
                problem, mend = f"cannot be read: {error.strerror}", "Write the password into it, readable by this user"
                raise ConfigError(str(self.password_file), "", problem, mend) from error
        if self.password_env and self.password_env not in os.environ:
            raise ConfigError("environment", self.password_env, "is not set", "Set it to the password")
        return os.environ.get(self.password_env, "") if self.password_env else ""


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
    identity: IdentityTable = Field(default_factory=lambda: IdentityTable())
    screening: ScreeningTable = Field(default_factory=lambda: ScreeningTable())
    smtp: SmtpTable = Field(default_factory=lambda: SmtpTable())

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
        """Who signs in."""
        return self.user or self.endpoint.user


class SmtpTable(Secret):
    """`[smtp]`: where outgoing mail is handed over."""

    url: str = "maildir:var/outgoing"
    user: str = ""
    connections: int = Field(default=4, ge=1, le=50)
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


class IdentityTable(Table):
    """`[identity]`: who we are to customers."""

    name: str = "Support"
    address: Email = "support@helpdesk.example"
    also: list[Email] = []
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
    people: list[str] = []
    own_lists: list[str] = []
    authserv_id: str = ""
    ack_max_age_hours: float = Field(default=48.0, gt=0)
    reopen_days: float = Field(default=14.0, ge=0)


class LimitsTable(Table):
    """`[limits]`: automatic mail, as token buckets: a burst, and what flows back each hour."""

    per_address_burst: int = Field(default=5, ge=1)
    per_address_hourly: float = Field(default=10.0, gt=0)
    per_ticket_burst: int = Field(default=5, ge=1)
    per_ticket_hourly: float = Field(default=10.0, gt=0)
    total_burst: int = Field(default=2_000, ge=1)
    total_hourly: float = Field(default=2_000.0, gt=0)


class ModelTable(Table):
    """`[model]`: the embedder."""

    folder: Path | None = None
    threads: int = Field(default=0, ge=0)
    wait_seconds: float = Field(default=60.0, ge=0)


class LogTable(Table):
    """`[log]`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "pretty", "json"] = "auto"


SIGN_IN = (*Secret.model_fields, "user")
# What is not taken over from the top-level table where a mailbox's own table has one of these keys.
BELONGS = {"address": ("also",), "url": SIGN_IN} | dict.fromkeys(SIGN_IN, SIGN_IN)
T = TypeVar("T", bound=Table)


def _over(top: T, own: T) -> T:
    """A mailbox's table, with what it leaves out taken from the top-level one; that one itself where it has none."""
    given = own.model_fields_set
    if not given:
        return top
    kept = {name for key in given for name in BELONGS.get(key, ()) if name in type(own).model_fields} | given
    return top.model_copy(update={name: getattr(own, name) for name in kept})


class Settings(BaseSettings):
    """Everything an operator sets. Environment `HELPDESK_SMTP__URL` overrides `[smtp] url`."""

    model_config = SettingsConfigDict(extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__")

    data_dir: Path = Path("var")
    rules: Path | None = None
    templates: Path | None = None
    operator: Email | None = None
    identity: IdentityTable = IdentityTable()
    mailbox: list[MailboxTable] = Field(default_factory=lambda: [MailboxTable(url="maildir:var/inbox", start="all")])
    smtp: SmtpTable = SmtpTable()
    screening: ScreeningTable = ScreeningTable()
    limits: LimitsTable = LimitsTable()
    model: ModelTable = ModelTable()
    log: LogTable = LogTable()

    @model_validator(mode="after")
    def _names(self) -> Settings:
        names = [m.name for m in self.mailbox]
        if len(set(names)) < len(names):
            raise ValueError("Give each [[mailbox]] its own name")
        if not names:
            raise ValueError("Add a [[mailbox]] table")
        return self

    @model_validator(mode="after")
    def _complete(self) -> Settings:
        """Each mailbox has all its tables from here on: its own, over the top-level ones."""
        for box in self.mailbox:
            box.rules, box.templates = box.rules or self.rules, box.templates or self.templates
            box.identity = _over(self.identity, box.identity)
            box.screening = _over(self.screening, box.screening)
            box.smtp = _over(self.smtp, box.smtp)
        return self

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:  # fmt: skip
        """The environment wins over the file, which is passed at construction."""
        return (env_settings, init_settings)

    @property
    def own_addresses(self) -> frozenset[str]:
        """Every address that customers may write to, of all mailboxes."""
        identities = (self.identity, *(box.identity for box in self.mailbox))
        return frozenset(address for who in identities for address in (who.address, *who.also))

    @property
    def polled(self) -> frozenset[str]:
        """Addresses whose mail comes back to us: ours, and the accounts whose INBOX is read."""
        logins = {box.login.lower() for box in self.mailbox if box.folder.upper() == "INBOX"}
        return self.own_addresses | {login for login in logins if "@" in login}

    @property
    def senders(self) -> dict[str, SmtpTable]:
        """The ways out: by name, the mailboxes that have their own; under an empty name, that of all others."""
        return {"": self.smtp} | {box.name: box.smtp for box in self.mailbox if box.smtp is not self.smtp}


def load_settings(path: Path, folder: Path | None = None) -> Settings:
    """Read settings.toml and the environment.

    Args:
        path: the file.
        folder: what relative paths in it are taken from; its own folder when None.

    Raises:
        ConfigError: naming the file or variable, the key and the mend.
    """
    tables = load_toml(path)
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name.split("__")[0] not in KNOWN_ENVIRONMENT:
            raise ConfigError(
                "environment", name, "no such setting", "Unset it, or mind the two underscores between levels"
            )
    try:
        settings = Settings(**tables)
    except (ValidationError, SettingsError) as error:
        if isinstance(error, SettingsError):
            raise ConfigError("environment", "", str(error), "Write lists and tables as JSON there") from error
        raise complaint(_source(path, error), Settings, error) from error
    _resolve(settings, folder or path.resolve().parent)
    return settings


def _source(path: Path, error: ValidationError) -> Path:
    """Where a wrong value stands: in a variable of the environment when there is one for its key, else in the file."""
    words = [str(part).upper() for part in error.errors()[0]["loc"]]
    names = [PREFIX + "__".join(words[:length]) for length in range(len(words), 0, -1)]
    return next((Path(f"environment {name}") for name in names if name in os.environ), path)


def _resolve(settings: Settings, folder: Path) -> None:
    """Make every path absolute, from the folder of the file it stands in."""
    settings.data_dir = folder / settings.data_dir
    senders = settings.senders
    for holder, names in (
        *((table, ("rules", "templates")) for table in (settings, *settings.mailbox)),
        (settings.model, ("folder",)),
        *((secret, ("password_file", "ca_file")) for secret in (*settings.mailbox, *senders.values())),
    ):
        for name in names:
            if getattr(holder, name) is not None:
                setattr(holder, name, folder / getattr(holder, name))
    with_url: list[tuple[str, MailboxTable | SmtpTable]] = [(f"mailbox.{box.name}", box) for box in settings.mailbox]
    with_url += [(f"mailbox.{name}.smtp" if name else "smtp", table) for name, table in senders.items()]
    for place, table in with_url:
        if table.ca_file is not None and not table.ca_file.is_file():
            key = f"{place}.ca_file"
            raise ConfigError(str(table.ca_file), key, "the file does not exist", "Name a PEM file")
        if table.endpoint.scheme == "maildir":
            table.url = f"maildir:{quote(str(folder / table.endpoint.path))}"


KNOWN_ENVIRONMENT = frozenset(
    {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    | {f"{PREFIX}SETTINGS", f"{PREFIX}TEST_ENDEE_URL", f"{PREFIX}TEST_ENDEE_TOKEN"}
)
