"""Secrets this installation makes for itself, in files only its user can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.tickets.tracking import Signer

AUDIT_KEY = "audit.key"


def _write_new(path: Path, text: str) -> None:
    """Create a file whole, with its bytes on the disk before anything is signed with them."""
    scratch = path.with_suffix(".new")
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)


def _read(path: Path) -> list[bytes]:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_new(path, secrets.token_hex(32) + "\n")
    try:
        keys = [bytes.fromhex(line) for line in path.read_text().split()]
    except ValueError:
        keys = []
    if not keys or min(map(len, keys)) < 16:
        raise ConfigError(str(path), "", "holds no usable key", "Restore it from a backup: without it no reply can be "
                          "tied to its ticket")  # fmt: skip
    return keys


def signing_file(folder: Path) -> Path:
    """Where a data folder keeps its signing keys, one a line; the first signs, all verify."""
    return folder / "keys" / "signing.keys"


def rotate_signing(folder: Path) -> int:
    """Put a new signing key before the others; a process that runs keeps the keys it has read.

    Returns:
        How many keys there are now.

    Raises:
        ConfigError: the key file is damaged.
    """
    path = signing_file(folder)
    kept = [key.hex() for key in _read(path)]
    _write_new(path, "\n".join([secrets.token_hex(32), *kept]) + "\n")
    return len(kept) + 1


def load_signer(folder: Path) -> Signer:
    """The signer of a data folder; a key is made at the first call.

    Raises:
        ConfigError: the key file is damaged.
    """
    return Signer(tuple(_read(signing_file(folder))))


def load_digest_key(folder: Path) -> bytes:
    """The key of mail digests. It is never rotated: digests of kept mail must stay comparable."""
    return _read(folder / "keys" / "digest.key")[0]


def load_audit_key(folder: Path) -> bytes:
    """The key that signs both ends of the audit log; made at the first call.

    Raises:
        ConfigError: the key file is damaged.
    """
    return _read(folder / "keys" / AUDIT_KEY)[0]


def has_audit_key(folder: Path) -> bool:
    """Whether the audit log of a data folder can be checked against its signatures."""
    return (folder / "keys" / AUDIT_KEY).exists()
