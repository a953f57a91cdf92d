"""settings.toml and the environment, checked once, before anything starts."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal
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
OAUTH_FILES = ("client_secret_file", "refresh_token_file", "ca_file")
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


def web_address(url: str) -> str:
    """A URL as it is, if it is one that can be posted to.

    Raises:
        ValueError: it is not; the text says what to write.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("Write an address such as https://chat.example.com/hooks/…")
    return url


def _secret(what: str, file: Path | None, variable: str = "") -> str:
    """A secret as it is now, from a file or a variable of the environment; empty when neither is named.

    Raises:
        ConfigError: the file cannot be read, or the variable is not set.
    """
    if file is not None:
        try:
            return file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not text"
            mend = f"Write the {what} into it, readable by this user"
            raise ConfigError(str(file), "", f"cannot be read: {why}", mend) from error
    if variable and variable not in os.environ:
        raise ConfigError("environment", variable, "is not set", f"Set it to the {what}")
    return os.environ.get(variable, "") if variable else ""


class OAuthTable(Table):
    """`oauth`, in `[[mailbox]]` and `[smtp]`: where access tokens come from."""

    provider: Literal["google", "microsoft"] | None = None
    tenant: str = Field(default="common", pattern=r"^[A-Za-z0-9.-]+$")
    token_url: str = ""
    device_url: str = ""
    authorize_url: str = ""
    client_id: str = Field(min_length=1)
    client_secret_file: Path | None = None
    client_secret_env: str = ""
    grant: Literal["refresh_token", "client_credentials"] = "refresh_token"
    refresh_token_file: Path | None = None
    scope: str = ""
    ca_file: Path | None = None

    @field_validator("token_url", "device_url", "authorize_url")
    @classmethod
    def _encrypted(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and not (parts.hostname and (parts.scheme == "https" or parts.hostname in LOOPBACK)):
            raise ValueError("Begin it with https:// and a host: secrets pass there")
        if parts.username or parts.password:
            raise ValueError("Take user and password out of it; use client_id and client_secret_file")
        return value

    @model_validator(mode="after")
    def _possible(self) -> OAuthTable:
        if bool(self.provider) == bool(self.token_url):
            raise ValueError('Write either provider = "google" or "microsoft", or a token_url')
        if self.grant == "client_credentials":
            if self.provider == "google":
                raise ValueError('Google gives no mail to client_credentials: write grant = "refresh_token"')
            if self.provider == "microsoft" and self.tenant in ("common", "organizations", "consumers"):
                raise ValueError("Add tenant, the directory's ID: client_credentials are given by one directory")
            if not (self.client_secret_file or self.client_secret_env):
                raise ValueError("Add client_secret_file: client_credentials need a secret")
            if self.refresh_token_file:
                raise ValueError("Take refresh_token_file out: client_credentials use none")
        return self

    def secret(self) -> str:
        """The client's secret as it is now, empty for a public client.

        Raises:
            ConfigError: it cannot be read.
        """
        return _secret("client secret", self.client_secret_file, self.client_secret_env)

    def seed(self) -> str:
        """The operator's refresh token as it is now, empty when consent comes by `sign-in`.

        Raises:
            ConfigError: it cannot be read.
        """
        return _secret("refresh token", self.refresh_token_file)


class Secret(Table):
    """How to sign in; secrets are read anew at each sign-in, from a file or the environment."""

    auth: Literal["password", "xoauth2"] = "password"
    password_file: Path | None = None
    password_env: str = ""
    oauth: OAuthTable | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Secret:
        if (self.auth == "xoauth2") != (self.oauth is not None):
            raise ValueError('auth = "xoauth2" and an oauth table belong together: add what is missing')
        if self.oauth and (self.password_file or self.password_env):
            raise ValueError('Take the password out, or write auth = "password" and no oauth table')
        return self

    def read(self) -> str:
        """The password as it is now.

        Raises:
            ConfigError: the file cannot be read, or the variable is not set.
        """
        return _secret("password", self.password_file, self.password_env)

    def read_all(self) -> None:
        """Try all secrets.

        Raises:
            ConfigError: one cannot be read.
        """
        self.read()
        if self.oauth:
            self.oauth.secret()
            self.oauth.seed()

    @property
    def secret_files(self) -> list[Path]:
        """The files that hold secrets."""
        oauth = self.oauth
        files = [self.password_file, *((oauth.client_secret_file, oauth.refresh_token_file) if oauth else ())]
        return [file for file in files if file]


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
        return self

    @property
    def endpoint(self) -> Endpoint:
        """Where it is."""
        return _endpoint(self.url, ("imaps", "imap", "maildir"))

    @property
    def login(self) -> str:
        """Whom to sign in as, empty for nobody."""
        return self.user or self.endpoint.user


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
    """`[limits]`: mail that leaves by itself, as token buckets: a burst, and what flows back each hour."""

    per_address_burst: int = Field(default=5, ge=1)
    per_address_hourly: float = Field(default=2.0, gt=0)
    per_ticket_burst: int = Field(default=5, ge=1)
    per_ticket_hourly: float = Field(default=10.0, gt=0)
    total_burst: int = Field(default=2_000, ge=1)
    total_hourly: float = Field(default=2_000.0, gt=0)
    conversation_burst: int = Field(default=20, ge=1)
    conversation_hourly: float = Field(default=20.0, gt=0)
    sender_burst: int = Field(default=200, ge=1)
    sender_hourly: float = Field(default=200.0, gt=0)
    mail_burst: int = Field(default=10_000, ge=1)
    mail_hourly: float = Field(default=10_000.0, gt=0)


class AlertsTable(Table):
    """`[alerts]`: from when on people are told, and a webhook that is told besides the operator.

    A threshold of 0 switches its alert off.
    """

    webhook_url: str = ""
    webhook_url_file: Path | None = None
    webhook_secret_file: Path | None = None
    webhook_ca_file: Path | None = None
    look_seconds: float = Field(default=30.0, ge=1, le=3_600)
    silent_minutes: float = Field(default=15.0, ge=0)
    waiting_minutes: float = Field(default=15.0, ge=0)
    stuck_minutes: float = Field(default=15.0, ge=0)
    event_minutes: float = Field(default=60.0, ge=0)
    quota_percent: float = Field(default=90.0, ge=0, le=100)
    disk_free_mb: float = Field(default=500.0, ge=0)

    @field_validator("webhook_url")
    @classmethod
    def _url(cls, value: str) -> str:
        return web_address(value) if value else value

    @property
    def has_webhook(self) -> bool:
        """Whether one is configured."""
        return bool(self.webhook_url or self.webhook_url_file)

    def webhook(self) -> str:
        """The webhook's URL as it is now; whoever knows it may post, so it can stand in a file.

        Raises:
            ConfigError: the file cannot be read or holds no URL.
        """
        if self.webhook_url_file is None:
            return self.webhook_url
        try:
            return web_address(_secret("URL", self.webhook_url_file))
        except ValueError as error:
            raise ConfigError(str(self.webhook_url_file), "", "holds no URL", str(error)) from error

    def webhook_secret(self) -> str:
        """The key that posts are signed with, as it is now; empty for none.

        Raises:
            ConfigError: the file cannot be read.
        """
        return _secret("secret", self.webhook_secret_file)

    @property
    def secret_files(self) -> list[Path]:
        """The files that hold secrets."""
        return [file for file in (self.webhook_url_file, self.webhook_secret_file) if file]


class ModelTable(Table):
    """`[model]`: the embedder."""

    folder: Path | None = None
    threads: int = Field(default=0, ge=0)
    wait_seconds: float = Field(default=60.0, ge=0)


class LogTable(Table):
    """`[log]`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "pretty", "json"] = "auto"


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
    alerts: AlertsTable = AlertsTable()
    model: ModelTable = ModelTable()
    log: LogTable = LogTable()

    @model_validator(mode="after")
    def _names(self) -> Settings:
        names = [m.name for m in self.mailbox]
        if "smtp" in names and self.smtp.oauth:
            raise ValueError('Give the [[mailbox]] another name than "smtp", which sign-in takes for [smtp]')
        if len(set(names)) < len(names):
            raise ValueError("Give each [[mailbox]] its own name")
        if not names:
            raise ValueError("Add a [[mailbox]] table")
        return self

    @model_validator(mode="after")
    def _accounts(self) -> Settings:
        """Tokens are shared by account, so one account has one table."""
        found: dict[tuple[object, ...], OAuthTable] = {}
        for table in self.accounts:
            if table.oauth is None:
                continue
            if table.endpoint.scheme == "maildir" or not table.login:
                raise ValueError(f'auth = "xoauth2" needs the url of a server and a user, at {table.url}')
            oauth = table.oauth
            account = (oauth.provider, oauth.token_url, oauth.client_id, table.login)
            if found.setdefault(account, oauth) != oauth:
                raise ValueError(f"Write the same oauth table wherever {table.login} signs in")
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
    def accounts(self) -> tuple[MailboxTable | SmtpTable, ...]:
        """Every table that signs in somewhere."""
        return (*self.mailbox, self.smtp)

    @property
    def own_addresses(self) -> frozenset[str]:
        """Every address that customers may write to."""
        return frozenset({self.identity.address, *self.identity.also})


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
    if settings.operator and _is_read(settings, settings.operator):
        problem = f"{settings.operator} is read by this program, and an alert must not become a ticket"
        raise ConfigError(str(path), "operator", problem, "Name a person's own address")
    _resolve(settings, folder or path.resolve().parent)
    return settings


def _is_read(settings: Settings, address: str) -> bool:
    """Whether mail to an address, or to the one before its `+`, ends in a mailbox of this program."""
    local, _, domain = address.partition("@")
    ours = settings.own_addresses | {mailbox.login.lower() for mailbox in settings.mailbox}
    return bool({address, f"{local.partition('+')[0]}@{domain}"} & ours)


def _source(path: Path, error: ValidationError) -> Path:
    """Where a wrong value stands: in a variable of the environment when there is one for its key, else in the file."""
    words = [str(part).upper() for part in error.errors()[0]["loc"]]
    names = [PREFIX + "__".join(words[:length]) for length in range(len(words), 0, -1)]
    return next((Path(f"environment {name}") for name in names if name in os.environ), path)


def _resolve(settings: Settings, folder: Path) -> None:
    """Make every path absolute, from the folder of the file it stands in."""
    settings.data_dir = folder / settings.data_dir
    for holder, names in (
        (settings, ("rules", "templates")),
        (settings.model, ("folder",)),
        *((table, ("password_file", "ca_file")) for table in settings.accounts),
        *((table.oauth, OAUTH_FILES) for table in settings.accounts if table.oauth),
        (settings.alerts, ("webhook_url_file", "webhook_secret_file", "webhook_ca_file")),
    ):
        for name in names:
            if getattr(holder, name) is not None:
                setattr(holder, name, folder / getattr(holder, name))
    for table in settings.accounts:
        if table.ca_file is not None and not table.ca_file.is_file():
            key = f"mailbox.{table.name}.ca_file" if isinstance(table, MailboxTable) else "smtp.ca_file"
            raise ConfigError(str(table.ca_file), key, "the file does not exist", "Name a PEM file")
        if table.endpoint.scheme == "maildir":
            table.url = f"maildir:{quote(str(folder / table.endpoint.path))}"


KNOWN_ENVIRONMENT = frozenset(
    {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    | {f"{PREFIX}SETTINGS", f"{PREFIX}TEST_ENDEE_URL", f"{PREFIX}TEST_ENDEE_TOKEN"}
)
