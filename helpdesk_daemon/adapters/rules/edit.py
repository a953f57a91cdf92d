"""Edits of routing.toml that keep its comments, and saving it so that nothing is lost."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from helpdesk_daemon.errors import Refused


def digest(content: bytes) -> str:
    """The version of a text of rules."""
    return hashlib.sha256(content).hexdigest()


def edited(text: str, table: str, name: str, values: Mapping[str, object]) -> str:
    """A text of rules with other values in `[table.name]`; what has the value already is not touched.

    Raises:
        Refused: there is no such table, or the text is no TOML.
    """
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise Refused(f"the file is no TOML: {error}") from error
    tables = document.get(table)
    found = tables.get(name) if isinstance(tables, Mapping) else None
    if not isinstance(found, Table):
        raise Refused(f"the file has no [{table}.{name}]")
    for key, value in values.items():
        if found.get(key) != value:
            found[key] = value
    return tomlkit.dumps(document)


def save(path: Path, text: str, version: str) -> str:
    """Put a text into a file's place at once; what it held is then in `NAME.bak`.

    Args:
        path: the file.
        text: what it is to hold.
        version: digest of what it is believed to hold.

    Returns:
        The new digest.

    Raises:
        Refused: it holds something else by now, or cannot be written.
    """
    path = path.resolve()  # a link stays one
    try:
        before = path.read_bytes()
        if digest(before) != version:
            raise Refused(
                f"{path.name} was saved by somebody else meanwhile: look at it again, and edit what it says now"
            )
        if b"\r\n" in before:
            text = text.replace("\n", "\r\n")
        _replace(path.with_name(f"{path.name}.bak"), before, path)
        _replace(path, text.encode(), path)
    except OSError as error:
        mend = "give the daemon's user the right to write there"
        raise Refused(f"{path} cannot be written: {error.strerror}; {mend}") from error
    return digest(text.encode())


def _replace(path: Path, content: bytes, like: Path) -> None:
    """Write a file whole or not at all, with the mode of another."""
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as made:
        try:
            made.write(content)
            made.flush()
            os.fsync(made.fileno())
            shutil.copymode(like, made.name)
            os.replace(made.name, path)
        except BaseException:
            with suppress(OSError):
                Path(made.name).unlink()
            raise
