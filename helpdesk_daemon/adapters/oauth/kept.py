"""The refresh token on the disk: what the operator gave, or what the provider put in its place since."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from helpdesk_daemon.errors import SignInError


def digest(secret: str) -> str:
    """Tells one secret from another without showing it."""
    return hashlib.sha256(secret.encode()).hexdigest()


class KeptToken:
    """A refresh token in a file of its own.

    The file says which of the operator's tokens it came from, so that one the operator puts in place
    later wins over it, whatever the files' times.

    Args:
        folder: where such files lie.
        name: for people, to find it.
        key: tells this token from others.
        seed: reads the operator's token, empty for none.
    """

    def __init__(self, folder: Path, name: str, key: str, seed: Callable[[], str]) -> None:
        readable = re.sub(r"[^A-Za-z0-9@._-]", "_", name)[:80].lstrip(".")
        self.path = folder / f"{readable}-{digest(key)[:8]}.json"
        self._seed = seed

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from using the token meanwhile: a provider may take each one only once."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def read(self) -> tuple[str, str]:
        """The token to use, and the digest of the operator's token it came from.

        Raises:
            ConfigError: the operator's file cannot be read.
            SignInError: the file is damaged.
        """
        seed = self._seed()
        origin = digest(seed)
        try:
            kept = json.loads(self.path.read_text())
            token, came_from = str(kept["refresh_token"]), kept["from"]
        except FileNotFoundError:
            return seed, origin
        except (ValueError, KeyError, TypeError) as error:
            mend = "Delete it to begin again with refresh_token_file, or with helpdesk-daemon sign-in"
            raise SignInError(f"{self.path} holds no refresh token. {mend}") from error
        return (token if came_from == origin else seed), origin

    def origin(self) -> str:
        """The digest of the operator's token as it is now."""
        return digest(self._seed())

    def write(self, token: str, origin: str) -> None:
        """Keep a token; it is on the disk, whole, when this returns.

        Raises:
            OSError: it is not.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        scratch = self.path.with_suffix(".new")
        with contextlib.suppress(FileNotFoundError):
            scratch.unlink()
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump({"refresh_token": token, "from": origin}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
