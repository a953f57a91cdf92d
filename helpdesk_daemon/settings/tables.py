"""The other tables of settings.toml: limits, alerts, model, index, log."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.settings.secret import Table, read_secret
from helpdesk_daemon.settings.servers import Email

WEEK = 7  # days


def web_address(url: str) -> str:
    """A URL as it is, if it is one that can be posted to.

    Raises:
        ValueError: it is not; the text says what to write.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("Write an address such as https://chat.example.com/hooks/…")
    return url


class LimitsTable(Table):
    """`[limits]`: mail that leaves by itself, as token buckets: a burst, and what flows back each hour."""

    per_address_burst: int = Field(default=5, ge=1)
    """Acknowledgements to one address."""
    per_address_hourly: float = Field(default=2.0, gt=0)
    """What flows back."""
    per_ticket_burst: int = Field(default=5, ge=1)
    """Notices on one ticket."""
    per_ticket_hourly: float = Field(default=10.0, gt=0)
    """What flows back."""
    total_burst: int = Field(default=2_000, ge=1)
    """Acknowledgements in all; over it the circuit breaker holds all mail."""
    total_hourly: float = Field(default=2_000.0, gt=0)
    """What flows back."""
    conversation_burst: int = Field(default=20, ge=1)
    """Mails received on one ticket that are sent on; what follows is held."""
    conversation_hourly: float = Field(default=20.0, gt=0)
    """What flows back."""
    sender_burst: int = Field(default=200, ge=1)
    """New tickets of one requester that are forwarded; what follows is held."""
    sender_hourly: float = Field(default=200.0, gt=0)
    """What flows back."""
    mail_burst: int = Field(default=10_000, ge=1)
    """Mail in all; over it the circuit breaker holds all mail."""
    mail_hourly: float = Field(default=10_000.0, gt=0)
    """What flows back."""


class AlertsTable(Table):
    """`[alerts]`: from when on people are told, and a webhook that is told besides the operator.

    A threshold of 0 switches its alert off.
    """

    webhook_url: str = ""
    """Takes each alert as JSON, with a `text` that Slack and Mattermost show."""
    webhook_url_file: Path | None = None
    """File with that address, instead."""
    webhook_secret_file: Path | None = None
    """File with a key that signs each post: X-Helpdesk-Signature."""
    webhook_ca_file: Path | None = None
    """PEM file of certificates to trust besides the system's."""
    look_seconds: float = Field(default=30.0, ge=1, le=3_600)
    """Between two looks for trouble."""
    silent_minutes: float = Field(default=15.0, ge=0)
    """A mailbox that was not read for so long."""
    waiting_minutes: float = Field(default=15.0, ge=0)
    """New mail that is not decided for so long."""
    stuck_minutes: float = Field(default=15.0, ge=0)
    """Outgoing mail that does not leave for so long."""
    event_minutes: float = Field(default=60.0, ge=0)
    """How long a bounce, a refusal or a quarantined mail is news."""
    quota_percent: float = Field(default=90.0, ge=0, le=100)
    """A mailbox that is so full."""
    disk_free_mb: float = Field(default=500.0, ge=0)
    """A disk with less room than that."""

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
            return web_address(read_secret("URL", self.webhook_url_file))
        except ValueError as error:
            raise ConfigError(str(self.webhook_url_file), "", "holds no URL", str(error)) from error

    def webhook_secret(self) -> str:
        """The key that posts are signed with, as it is now; empty for none.

        Raises:
            ConfigError: the file cannot be read.
        """
        return read_secret("secret", self.webhook_secret_file)

    @property
    def secret_files(self) -> list[Path]:
        """The files that hold secrets."""
        return [file for file in (self.webhook_url_file, self.webhook_secret_file) if file]


class WatchingTable(Table):
    """`[watching]`: how the daemon watches its own decisions, by what people correct, confirm and close."""

    closed_weight: float = Field(default=1.0, ge=0, le=1)
    """What a ticket counts as a right decision that a person closed without correcting it."""
    window_days: float = Field(default=90.0, gt=0)
    """For how long such a verdict counts for the accuracy that is shown."""
    burst_people: int = Field(default=5, ge=0)
    """People who write the same within an hour before it is an incident; 0 looks for none."""
    topic_people: int = Field(default=8, ge=0)
    """People who write of what no example knows before it is a new topic; 0 looks for none, nor for mail like none."""
    tell_known: bool = False
    """While many write the same, their acknowledgements say that others reported it, too."""


class HealthTable(Table):
    """`[health]`: a small HTTP server with /metrics, /healthz and /livez."""

    host: str = "127.0.0.1"
    """Where it listens; beyond loopback anybody who reaches the port may ask."""
    port: int = Field(default=0, ge=0, le=65_535)
    """0: it does not listen."""


class DigestTable(Table):
    """`[digest]`: a mail a day about how it went."""

    at: str = Field(default="07:00", pattern=r"^(([01]\d|2[0-3]):[0-5]\d)?$")
    """Local time of day; empty: no digest."""
    zone: str = "UTC"
    """Of that time, and of the days that digest and dashboard count (IANA name)."""
    to: list[Email] = Field(default_factory=list)
    """Who gets it; empty: `operator`."""
    monthly: bool = True
    """On the first of a month, at that time, also a report on how well routing went."""

    @field_validator("zone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError('Write a zone of the IANA list, such as "Europe/Berlin"') from error
        return value


class RetentionTable(Table):
    """`[retention]`: after how many days what is forgotten; 0 keeps it for ever."""

    raw_days: float = 0
    """Mails as they were received, and as they were sent."""
    attachment_days: float = 0
    """Attachments, in mails that are kept otherwise."""
    body_days: float = 0
    """The texts of mails on tickets."""
    audit_days: float = 0
    """Rows of the audit log; a signed checkpoint takes their place."""

    @field_validator("*")
    @classmethod
    def _not_at_once(cls, value: float) -> float:
        if value and value < WEEK:
            raise ValueError("Write 0 to keep it, or 7 and more: retries, bounces and alerts take up to a week")
        return value

    @property
    def ages(self) -> dict[str, timedelta]:
        """By kind, how old it may become; without what is kept."""
        days = {
            "attachments": self.attachment_days, "raw": self.raw_days, "bodies": self.body_days,
            "audit": self.audit_days,
        }  # fmt: skip
        return {what: timedelta(days=number) for what, number in days.items() if number}


class ModelTable(Table):
    """`[model]`: the embedder."""

    name: str = Field(default="all-MiniLM-L6-v2", min_length=1)
    """What decisions and vectors are marked with; another one makes all vectors anew."""
    weights: Path | None = None
    """Folder of another sentence-transformers model with mean pooling, exported once; unset: the shipped one."""
    prefix: str = ""
    """Put before every text, as some models were trained: `query: ` for multilingual-e5."""
    languages: tuple[str, ...] = ("en",)
    """What the model was made for; mail in others is sorted only by examples in them. []: all."""
    folder: Path | None = None
    """Where the exported model is; unset: where `make setup` put it, else `data_dir/model`."""
    threads: int = Field(default=0, ge=0)
    """Processor threads; 0: as many as there are."""
    wait_seconds: float = Field(default=60.0, ge=0)
    """Mail waits so long for a model that fails, then goes to triage unclassified."""
    second_opinions: bool = True
    """Whether heads are fitted once labels suffice, besides the neighbours' vote."""
    balance: float = Field(default=0.0, ge=0, le=1)
    """Power of the class size that votes are divided by: 0.5 or 1 where small categories matter."""
    confirmation_weight: float = Field(default=0.2, ge=0, le=1)
    """A ticket closed under its category is an example of it, of this weight; 0: only what people say is one."""

    @property
    def trust(self) -> float:
        """Weight of such examples in votes; where they are no longer wanted, next to nothing is left of it."""
        return max(self.confirmation_weight, 0.01)


class IndexTable(Table):
    """`[index]`: what finds the nearest examples."""

    kind: Literal["exact", "endee"] = "exact"
    """`exact`: in memory. `endee`: the vector database, see endee.md."""
    url: str = "http://127.0.0.1:8080"
    """Of the vector database."""
    name: str = Field(default="helpdesk", pattern=r"^_?[A-Za-z0-9][A-Za-z0-9_]{0,46}$")
    """Of the index there."""
    token_file: Path | None = None
    """File with the token, where the server wants one."""
    token_env: str = ""
    """Variable with the token, instead of the file."""
    timeout: float = Field(default=2.0, gt=0, le=60)
    """Seconds a vote waits for it, once; then exact search answers."""
    write_timeout: float = Field(default=60.0, gt=0)
    """Seconds a sync waits for it."""
    ef: int = Field(default=512, ge=1, le=1024)
    """Candidates it looks at: more finds more, slower."""
    min_recall: float = Field(default=0.9, ge=0, le=1)
    """Below this share of the true neighbours it is not asked."""
    sync_seconds: float = Field(default=300.0, ge=1)
    """Between two comparisons with the examples."""

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            raise ValueError("Write http:// or https://, a host and a port, and no path")
        if parts.username or parts.password:
            raise ValueError("Take the token out of the URL; use token_file, or token_env")
        return value.rstrip("/")

    def read(self) -> str:
        """The token as it is now, empty when none is configured or needed.

        Raises:
            ConfigError: the file cannot be read, or the variable is not set.
        """
        return read_secret("token", self.token_file, self.token_env) if self.kind == "endee" else ""

    @property
    def secret_files(self) -> list[Path]:
        """The files that hold secrets."""
        return [self.token_file] if self.kind == "endee" and self.token_file else []


class LogTable(Table):
    """`[log]`: what is written to standard error, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is written; `debug` shows addresses instead of digests."""
    format: Literal["auto", "pretty", "json"] = "auto"
    """`json`, `pretty`, or `auto`: pretty on a terminal."""
