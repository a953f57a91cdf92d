"""Read a TOML file against a pydantic model; every complaint names the file, the key and the mend."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from helpdesk_daemon.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)


def load_toml(path: Path) -> dict[str, Any]:
    """The tables of a file.

    Raises:
        ConfigError: the file is missing, unreadable or not TOML.
    """
    return parse_toml(read_file(path), str(path))


def read_file(path: Path) -> bytes:
    """What a file holds.

    Raises:
        ConfigError: it is missing or unreadable.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(str(path), "", "the file does not exist", "Create it, or name another one") from error
    except OSError as error:
        raise ConfigError(str(path), "", f"cannot be read: {error.strerror}", "Check its owner and mode") from error


def parse_toml(content: bytes, file: str) -> dict[str, Any]:
    """The tables in what a file holds.

    Raises:
        ConfigError: it is not TOML.
    """
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(file, "", f"is not valid TOML: {error}", "Mend that line") from error


def _known_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys that would have been right where an unknown one stood."""
    here: Any = model
    for step in location[:-1]:
        if isinstance(step, int):
            continue
        field = here.model_fields.get(str(step)) if hasattr(here, "model_fields") else None
        if field is None:
            continue
        found = _models(field.annotation)
        here = found[0] if found else here
    return list(here.model_fields) if hasattr(here, "model_fields") else []


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for inner in getattr(annotation, "__args__", ()) for m in _models(inner)]


def complaint(path: Path, model: type[BaseModel], error: ValidationError, number: int = 0) -> ConfigError:
    """A finding of pydantic, the first unless said otherwise, as a `ConfigError`."""
    first = error.errors()[number]
    location = first["loc"]
    key = ".".join(str(part) for part in location)
    if first["type"] == "extra_forbidden":
        known = _known_keys(model, location)
        near = difflib.get_close_matches(str(location[-1]), known, 1)
        mend = f"Did you mean {near[0]!r}?" if near else f"Known here: {', '.join(known)}"
        return ConfigError(str(path), key, "unknown key", mend.rstrip("."))
    if first["type"] == "missing":
        return ConfigError(str(path), key, "is missing", "Add it")
    mend = first["msg"].removeprefix("Value error, ")
    return ConfigError(str(path), key, f"{_shown(first['input'])} is not usable", mend)


def _shown(value: object) -> str:
    value = re.sub(r"//[^/@]*@", "//…@", value) if isinstance(value, str) else value  # a password may stand there
    return repr(value) if len(repr(value)) < 60 else repr(value)[:57] + "..."


def check(path: Path, model: type[Model], tables: dict[str, Any]) -> Model:
    """Tables as a model.

    Raises:
        ConfigError: the first thing that is wrong.
    """
    try:
        return model.model_validate(tables)
    except ValidationError as error:
        raise complaint(path, model, error) from error
