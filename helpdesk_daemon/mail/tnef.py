"""Open winmail.dat, in which Outlook wraps attachments and sometimes the text (MS-OXTNEF)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from helpdesk_daemon.mail.charset import decode


@dataclass(frozen=True, slots=True)
class Opened:
    """What a TNEF part holds: plain text, HTML, and files as (name, bytes)."""

    text: str
    html: str
    files: tuple[tuple[str, bytes], ...]


def open_tnef(content: bytes) -> Opened | None:
    """Take a TNEF part apart; None when it cannot be read."""
    from tnefparse import TNEF

    try:
        tnef = TNEF(content, do_checksum=False)
        files = tuple((_text(a.long_filename()), bytes(a.data)) for a in tnef.attachments if a.data)
        html, text = _text(tnef.htmlbody), _text(tnef.body)
        if not (html or text) and tnef.rtfbody:
            text = _plain_rtf(_text(tnef.rtfbody))
    except Exception:  # the library raises all sorts on damaged parts
        return None
    return Opened(text, html, files)


def _text(value: object) -> str:
    if isinstance(value, list):
        value = b"".join(v if isinstance(v, bytes) else str(v).encode() for v in value)
    if isinstance(value, bytes):
        return decode(value)[0].replace("\x00", "")
    return str(value or "").replace("\x00", "")


def _plain_rtf(rtf: str) -> str:
    """The words of an RTF text; groups that hold fonts, colours and the like are left out."""
    rtf = re.sub(r"\{\\(?:fonttbl|colortbl|stylesheet|info|\*)[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", "", rtf)
    rtf = re.sub(r"\\(?:par|line)\b ?", "\n", rtf)
    rtf = re.sub(r"\\'([0-9a-fA-F]{2})", lambda m: bytes.fromhex(m.group(1)).decode("cp1252", "replace"), rtf)
    rtf = re.sub(r"\\u(-?\d{1,5})\??", lambda m: chr(int(m.group(1)) % 65536), rtf)
    rtf = re.sub(r"\\[a-zA-Z]{1,32}-?\d* ?|\\[^a-zA-Z]|[{}]", "", rtf)
    return rtf.strip()
