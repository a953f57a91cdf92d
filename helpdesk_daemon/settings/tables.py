"""The other tables of settings.toml: limits, alerts, model, index, log."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.settings.secret import Table, read_secret


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


class ModelTable(Table):
    """`[model]`: the embedder."""

    folder: Path | None = None
    threads: int = Field(default=0, ge=0)
    wait_seconds: float = Field(default=60.0, ge=0)
    second_opinions: bool = True
    balance: float = Field(default=0.0, ge=0, le=1)


class IndexTable(Table):
    """`[index]`: what finds the nearest examples."""

    kind: Literal["exact", "endee"] = "exact"
    url: str = "http://127.0.0.1:8080"
    name: str = Field(default="helpdesk", pattern=r"^_?[A-Za-z0-9][A-Za-z0-9_]{0,46}$")
    token_file: Path | None = None
    token_env: str = ""
    timeout: float = Field(default=2.0, gt=0, le=60)
    write_timeout: float = Field(default=60.0, gt=0)
    ef: int = Field(default=512, ge=1, le=1024)
    min_recall: float = Field(default=0.9, ge=0, le=1)
    sync_seconds: float = Field(default=300.0, ge=1)

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
    """`[log]`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "pretty", "json"] = "auto"
