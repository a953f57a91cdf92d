"""The media type and parameters of Content-Type and Content-Disposition (RFC 2045, RFC 2183, RFC 2231), as found."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from helpdesk_daemon.mail.mime.charset import decode
from helpdesk_daemon.mail.mime.headers import raw_text

MAX_VALUE = 8_000  # characters of a field that are looked at
MAX_PARAMETERS = 200
MAX_QUOTED = 4_000  # characters of a quoted value
TYPE = re.compile(r"[\s\"']*([!#$%&'*+\-.^_`{|}~0-9A-Za-z]{1,100})\s*/\s*([!#$%&'*+\-.^_`{|}~0-9A-Za-z]{1,100})")
WORD = re.compile(r"[^\s;=\"]{0,100}")
NAME = re.compile(r"[;\s]*([^\s;=\"]{1,100})\s*=\s*")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
AFTER_QUOTED = re.compile(r"\s*(?:;|$|[^\s;=\"]{1,100}\s*=)")
UNQUOTED = re.compile(r"[^;]*")
EXTENDED = re.compile(r"([\w.:-]{1,60})'([\w-]{0,20})'(.*)", re.DOTALL)
PIECE = re.compile(r"([^*]+)\*(?:(\d{1,3})(\*)?)?$")
# A word that is no media type, and what its sender meant (RFC 2045 section 5.2 says text/plain for the rest).
BARE = {"html": "text/html", "multipart": "multipart/mixed", "image": "application/octet-stream"}


@dataclass(frozen=True, slots=True)
class Typed:
    """A field of the form `value; name=value`.

    Attributes:
        value: what stands before the first parameter, lower-cased.
        parameters: by lower-cased name, decoded.
    """

    value: str
    parameters: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """A parameter, empty when absent."""
        return self.parameters.get(name, "")


def media_type(value: str, default: str = "text/plain") -> Typed:
    """Read a Content-Type field.

    Args:
        value: the field, unfolded.
        default: what an absent field means.
    """
    value = value[:MAX_VALUE].replace("\r", "").replace("\n", "")
    found = TYPE.match(value)
    if found:
        return Typed(f"{found[1]}/{found[2]}".lower(), _parameters(value, found.end()))
    word = WORD.match(value.strip())
    kind = BARE.get(word.group().lower().strip("/"), "text/plain") if word and value.strip() else default
    return Typed(kind, _parameters(value, value.find(";") if ";" in value else len(value)))


def disposition(value: str) -> Typed:
    """Read a Content-Disposition field; one that is a bare parameter list has an empty value."""
    value = value[:MAX_VALUE].replace("\r", "").replace("\n", "")
    head = re.match(r"\s*([A-Za-z-]{1,40})\s*(?=;|$|\s)", value)
    if head and not value[head.end() :].lstrip().startswith("="):
        return Typed(head[1].lower(), _parameters(value, head.end()))
    return Typed("", _parameters(value, 0))


def _parameters(value: str, at: int) -> dict[str, str]:
    """Walk `; name=value` pairs; repeated names keep the first."""
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for _ in range(MAX_PARAMETERS):
        name = NAME.match(value, at) if at < len(value) else None
        if not name:
            at = value.find(";", at) + 1
            if not at:
                break
            continue
        content, at = _value(value, name.end())
        key = name[1].lower()
        if part := PIECE.match(key):
            numbered = pieces.setdefault(part[1], {})
            numbered.setdefault(int(part[2] or 0), (content, bool(part[3]) or part[2] is None))
        else:
            plain.setdefault(key, content)
    joined = {key: _join(numbered) for key, numbered in pieces.items()}
    return {key: _extended(content) for key, content in plain.items()} | joined


def _value(value: str, at: int) -> tuple[str, int]:
    """One parameter value from `at` on, and where the next begins."""
    quoted = QUOTED.match(value, at) if value.find('"', at + 1, at + MAX_QUOTED) >= 0 else None
    if quoted:
        if AFTER_QUOTED.match(value, quoted.end()):
            return re.sub(r'\\(["\\])', r"\1", quoted[1]), quoted.end()
        # Quotes nobody escaped: all up to the last one before the next parameter.
        end = value.find(";", quoted.end())
        end = len(value) if end < 0 else end
        return value[at:end].strip().removeprefix('"').removesuffix('"'), end
    bare = UNQUOTED.match(value, at)
    end = bare.end() if bare else at
    return value[at:end].strip().removeprefix('"'), end


def _join(numbered: dict[int, tuple[str, bool]]) -> str:
    """The continuations of RFC 2231 section 3, put together as bytes before they are decoded."""
    charset, out = "", b""
    for position, (_, (content, encoded)) in enumerate(sorted(numbered.items())):
        prefix = EXTENDED.match(content) if position == 0 else None
        if prefix and ("%" in prefix[3] or encoded):
            charset, content, encoded = prefix[1], prefix[3], True
        out += _percent(content) if encoded else content.encode("utf-8", "surrogateescape")
    return decode(out, charset)[0]


def _extended(content: str) -> str:
    """A value; one that has the form of RFC 2231 without the `*` that announces it is decoded too."""
    found = EXTENDED.fullmatch(content)
    if found and "%" in found[3]:
        return decode(_percent(found[3]), found[1])[0]
    return raw_text(content)


def _percent(content: str) -> bytes:
    return unquote_to_bytes(content.encode("utf-8", "surrogateescape"))
