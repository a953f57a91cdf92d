"""settings.toml and the environment, checked once, before anything starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.outgoing.form import FORM
from helpdesk_daemon.settings.secret import OAUTH_FILES, OAuthTable, Secret, Table
from helpdesk_daemon.settings.servers import (
    Email,
    Endpoint,
    IdentityTable,
    MailboxTable,
    ScreeningTable,
    SmtpTable,
)
from helpdesk_daemon.settings.tables import (
    AlertsTable,
    DigestTable,
    HealthTable,
    IndexTable,
    LimitsTable,
    LogTable,
    ModelTable,
    RetentionTable,
    WatchingTable,
)
from helpdesk_daemon.settings.web import WebTable
from helpdesk_daemon.tomlfile import complaint, load_toml

__all__ = [
    "AlertsTable", "DigestTable", "Endpoint", "HealthTable", "IdentityTable", "IndexTable", "LimitsTable", "LogTable",
    "MailboxTable", "ModelTable", "OAuthTable", "RetentionTable", "ScreeningTable", "Secret", "Settings",
    "SmtpTable", "WatchingTable", "WebTable", "load_settings",
]  # fmt: skip

PREFIX = "HELPDESK_"
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
    """Database, keys, refresh tokens; back it up."""
    rules: Path | None = None
    """The routing file; unset: the shipped one."""
    templates: Path | None = None
    """Folder of templates that come before the shipped ones."""
    operator: Email | None = None
    """Hears of trouble, and gets the digest."""
    identity: IdentityTable = IdentityTable()
    mailbox: list[MailboxTable] = Field(default_factory=lambda: [MailboxTable(url="maildir:var/inbox", start="all")])
    smtp: SmtpTable = SmtpTable()
    screening: ScreeningTable = ScreeningTable()
    limits: LimitsTable = LimitsTable()
    alerts: AlertsTable = AlertsTable()
    watching: WatchingTable = WatchingTable()
    digest: DigestTable = DigestTable()
    health: HealthTable = HealthTable()
    retention: RetentionTable = RetentionTable()
    model: ModelTable = ModelTable()
    index: IndexTable = IndexTable()
    web: WebTable = WebTable()
    log: LogTable = LogTable()

    @model_validator(mode="after")
    def _names(self) -> Settings:
        names = [m.name for m in self.mailbox]
        if "smtp" in names and self.smtp.oauth:
            raise ValueError('Give the [[mailbox]] another name than "smtp", which sign-in takes for [smtp]')
        if FORM in names:
            raise ValueError(f'Give the [[mailbox]] another name than "{FORM}", under which forms are kept')
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
        return (*self.mailbox, *self.senders.values())

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
    people = {"operator": [settings.operator] if settings.operator else [], "digest.to": settings.digest.to}
    for key, address in ((key, address) for key, addresses in people.items() for address in addresses):
        if _is_read(settings, address):
            problem = f"{address} is read by this program, and an alert must not become a ticket"
            raise ConfigError(str(path), key, problem, "Name a person's own address")
    _resolve(settings, folder or path.resolve().parent)
    return settings


def _is_read(settings: Settings, address: str) -> bool:
    """Whether mail to an address, or to the one before its `+`, ends in a mailbox of this program."""
    local, _, domain = address.partition("@")
    return bool({address, f"{local.partition('+')[0]}@{domain}"} & settings.polled)


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
        (settings.model, ("folder", "weights")),
        (settings.index, ("token_file",)),
        *((table, ("password_file", "ca_file")) for table in settings.accounts),
        *((table.oauth, OAUTH_FILES) for table in settings.accounts if table.oauth),
        (settings.alerts, ("webhook_url_file", "webhook_secret_file", "webhook_ca_file")),
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
    | {f"{PREFIX}SETTINGS", f"{PREFIX}TEST_ENDEE_URL", f"{PREFIX}TEST_ENDEE_TOKEN", f"{PREFIX}TEST_ENDEE_EXCHANGES"}
)
