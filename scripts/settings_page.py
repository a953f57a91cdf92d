"""Writes docs/settings.md from the settings model: each key with its type, its default and its docstring.

python -m scripts.settings_page
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from helpdesk_daemon.settings import PREFIX, Settings

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
HEAD = f"""# Settings

Written by `make settings-page` from the model that checks them; a test fails when this page is not up to date.

`settings.toml` holds these tables. Unknown keys are refused. Relative paths are taken from the file's folder. Each
value can be overridden by the environment: `{PREFIX}SMTP__URL` stands for `[smtp] url`, lists and tables as JSON.
Secrets come by file or variable, never in the file itself. The shipped [settings.toml](../settings.toml) is a commented
example.
"""
NAMES = {str: "text", int: "integer", float: "number", bool: "true or false", Path: "path", datetime: "date"}
BOUNDS = {"ge": "≥ {}", "gt": "> {}", "le": "≤ {}", "lt": "< {}"}


def page() -> str:
    """The whole page."""
    return HEAD + "".join(f"\n## {title}\n\n{words}\n\n{_table(rows)}" for title, words, rows in _sections())


def _sections() -> Iterator[tuple[str, str, list[str]]]:
    """Title, introduction and rows of each table, the keys at the top of the file first."""
    plain = [name for name, field in Settings.model_fields.items() if _inner(field.annotation) is None]
    yield "The top of the file", "Before the first table.", [_row(Settings, name) for name in plain]
    for name, field in Settings.model_fields.items():
        if (table := _inner(field.annotation)) is not None:
            title = f"`[[{name}]]`" if get_origin(field.annotation) is list else f"`[{name}]`"
            yield title, _words(table), [_row(table, key) for key in table.model_fields]
            for key, inner in table.model_fields.items():
                if key == "oauth" and name == "mailbox":
                    known = _inner(inner.annotation)
                    assert known
                    yield "`oauth`", _words(known), [_row(known, word) for word in known.model_fields]


def _words(table: type[BaseModel]) -> str:
    """What a table is for: its class's docstring after the name it begins with."""
    words = " ".join(inspect.cleandoc(table.__doc__ or "").split())
    _, colon, rest = words.partition(": ")
    return rest[:1].upper() + rest[1:] if colon and words.startswith("`") else ""


def _inner(annotation: Any) -> type[BaseModel] | None:
    """The table an annotation speaks of, in a list or perhaps missing; None for a plain value."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _row(table: type[BaseModel], name: str) -> str:
    field = table.model_fields[name]
    cells = (f"`{name}`", _type(field), _default(field), documented(table)[name])
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _table(rows: list[str]) -> str:
    return "\n".join(("| Key | Value | Default | |", "|---|---|---|---|", *rows)) + "\n"


def documented(table: type[BaseModel]) -> dict[str, str]:
    """The docstring below each field, of this class and those it comes from (PEP 257); one without has none here."""
    found: dict[str, str] = {}
    for kind in reversed(table.__mro__):
        if issubclass(kind, BaseModel) and kind.__module__.startswith("helpdesk_daemon"):
            (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
            assert isinstance(body, ast.ClassDef)
            found |= _below(body.body)
    return found


def _below(body: list[ast.stmt]) -> dict[str, str]:
    return {
        field.target.id: " ".join(inspect.cleandoc(words.value.value).split())
        for field, words in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(words, ast.Expr) and isinstance(words.value, ast.Constant) and isinstance(words.value.value, str)
    }


def _type(field: FieldInfo) -> str:
    bounds = [
        words.format(f"{getattr(rule, key):,g}".replace(",", " "))
        for rule in field.metadata
        for key, words in BOUNDS.items()
        if hasattr(rule, key)
    ]
    return ", ".join((_name(field.annotation), *bounds))


def _name(annotation: Any) -> str:
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{json.dumps(value)}`" for value in inside)
    if origin in (Union, UnionType):
        return " or ".join(_name(kind) for kind in inside if kind is not NoneType)
    if origin is list:
        return f"list of {_name(inside[0])}"
    if origin is not None:  # Annotated
        return _name(inside[0])
    return "table" if _inner(annotation) else NAMES[annotation]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    value = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, BaseModel):
        return ""
    return f"`{json.dumps(value, default=str, ensure_ascii=False)}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
