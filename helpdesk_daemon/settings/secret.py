"""Where secrets are read from, and the ways to sign in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from helpdesk_daemon.errors import ConfigError

LOOPBACK = ("localhost", "127.0.0.1", "::1")
OAUTH_FILES = ("client_secret_file", "refresh_token_file", "ca_file")


class Table(BaseModel):
    """Refuses unknown keys."""

    model_config = ConfigDict(extra="forbid")


def read_secret(what: str, file: Path | None, variable: str = "") -> str:
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
    """Whose addresses are used; a `token_url` instead names any other."""
    tenant: str = Field(default="common", pattern=r"^[A-Za-z0-9.-]+$")
    """Microsoft's directory: its ID, or one of its names."""
    token_url: str = ""
    """Where tokens come from, without a `provider`."""
    device_url: str = ""
    """Where `sign-in` asks for a code, where the provider has such a page."""
    authorize_url: str = ""
    """Where a person consents in the browser."""
    client_id: str = Field(min_length=1)
    """Of the app that was registered with the provider."""
    client_secret_file: Path | None = None
    """File with the app's secret; none for a public client."""
    client_secret_env: str = ""
    """Variable with the app's secret, instead of the file."""
    grant: Literal["refresh_token", "client_credentials"] = "refresh_token"
    """`refresh_token`: a person consented. `client_credentials`: an administrator allowed the app."""
    refresh_token_file: Path | None = None
    """File with a refresh token that was got elsewhere; `sign-in` gets one, too."""
    scope: str = ""
    """What is asked for; empty: what the provider wants for mail."""
    ca_file: Path | None = None
    """PEM file of certificates to trust besides the system's."""

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
        return read_secret("client secret", self.client_secret_file, self.client_secret_env)

    def seed(self) -> str:
        """The operator's refresh token as it is now, empty when consent comes by `sign-in`.

        Raises:
            ConfigError: it cannot be read.
        """
        return read_secret("refresh token", self.refresh_token_file)


class Secret(Table):
    """How to sign in; secrets are read anew at each sign-in, from a file or the environment."""

    auth: Literal["password", "xoauth2"] = "password"
    """How to sign in; `xoauth2` needs an `oauth` table."""
    password_file: Path | None = None
    """File with the password; it is read again at each sign-in."""
    password_env: str = ""
    """Variable with the password, instead of the file."""
    oauth: OAuthTable | None = None
    """Where access tokens come from."""

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
        return read_secret("password", self.password_file, self.password_env)

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
