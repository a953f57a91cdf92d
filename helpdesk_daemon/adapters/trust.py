"""Whose certificates we believe."""

from __future__ import annotations

import ssl

from helpdesk_daemon.errors import ConfigError


def trust(ca_file: str) -> ssl.SSLContext:
    """A context that trusts the system's certificates and those of `ca_file`.

    Raises:
        ConfigError: the file is missing or holds no certificate.
    """
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(ca_file, "", f"cannot be used as certificates: {error}", "Name a PEM file") from error
    return context
