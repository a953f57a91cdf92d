"""The `[web]` table of settings.toml: the REST API and the pages."""

from __future__ import annotations

from ipaddress import ip_network
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from helpdesk_daemon.settings.secret import Table


class WebTable(Table):
    """`[web]`: where API and pages listen, how customers reach them, and how much one caller may ask.

    Rates are token buckets of a minute's or an hour's worth.
    """

    enabled: bool = False
    """Whether `run` serves them."""
    host: str = "127.0.0.1"
    """Where they listen; put a server with TLS in front."""
    port: int = Field(default=8080, ge=0, le=65_535)
    """0: any that is free."""
    base_url: str = ""
    """As customers open it; then acknowledgements link to the tracking page."""
    proxies: list[str] = Field(default_factory=list)
    """Addresses or networks whose X-Forwarded-For is believed."""
    open_submit: bool = False
    """Whether the API takes tickets without a token."""
    submissions_hourly: int = Field(default=20, ge=1)
    """Forms from one address."""
    requests_minutely: int = Field(default=120, ge=1)
    """Other requests from one address."""
    token_requests_minutely: int = Field(default=600, ge=1)
    """Requests with one token."""
    attachments_mb: float = Field(default=20.0, gt=0, le=50)
    """Of one form, in megabytes."""

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("Write the address that customers open, such as https://help.example.com")
        return value.rstrip("/")

    @field_validator("proxies")
    @classmethod
    def _proxies(cls, values: list[str]) -> list[str]:
        for value in values:
            try:
                ip_network(value)
            except ValueError:
                raise ValueError(f"{value!r} is no address; write such as 127.0.0.1 or 10.0.0.0/8") from None
        return values
