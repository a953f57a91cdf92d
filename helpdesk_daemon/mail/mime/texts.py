"""Text parts other than plain and HTML, turned into the text a person reads."""

from __future__ import annotations

import re

MAX_EVENTS = 20
CALENDAR_FIELDS = {
    "SUMMARY": "", "DTSTART": "Start: ", "DTEND": "End: ", "LOCATION": "Location: ", "DESCRIPTION": "",
}  # fmt: skip
ENRICHED_TAG = re.compile(r"<(<|/?[A-Za-z][A-Za-z0-9-]{0,60}>)")


def unflow(text: str, delsp: bool) -> str:
    """Join the soft line breaks of format=flowed (RFC 3676 section 4)."""
    out: list[str] = []
    paragraph: list[str] = []  # pieces of the paragraph that may go on
    open_depth = -1  # its quote depth, -1 when none
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        content = line[depth:].removeprefix(" ")
        signature = content == "-- "
        soft = content.endswith(" ") and not signature
        if soft and delsp:
            content = content[:-1]
        if not paragraph or open_depth != depth or signature:
            out += ["".join(paragraph)] if paragraph else []
            paragraph = [">" * depth + " " if depth else ""]
        paragraph.append(content)
        open_depth = depth if soft else -1
        if not soft:
            out.append("".join(paragraph))
            paragraph = []
    return "\n".join([*out, *(["".join(paragraph)] if paragraph else [])])


def unenriched(text: str) -> str:
    """The words of text/enriched and text/richtext (RFC 1896): commands go, `<<` is `<`, line breaks fold by one."""
    text = re.sub(r"<param>[^<]{0,500}</param>", "", text, flags=re.IGNORECASE)
    text = ENRICHED_TAG.sub(lambda m: "<" if m[1] == "<" else "", text)
    return re.sub(r"\n(\n*)", lambda m: m[1] or " ", text)


def calendar_text(calendar: str) -> str:
    """What an invitation says: its summary, times, place and description (RFC 5545)."""
    lines = re.sub(r"\r?\n[ \t]", "", calendar).splitlines()
    out: list[str] = []
    events = 0
    for line in lines:
        events += line.upper().startswith("BEGIN:VEVENT")
        name, _, value = line.partition(":")
        label = CALENDAR_FIELDS.get(name.partition(";")[0].upper())
        if events and events <= MAX_EVENTS and label is not None and value.strip():
            out.append(label + _unescaped(value.strip()))
    return "\n".join(out)


def _unescaped(value: str) -> str:
    """Undo the escapes of RFC 5545 section 3.3.11."""
    return re.sub(r"\\([nN,;\\])", lambda m: "\n" if m[1] in "nN" else m[1], value)
