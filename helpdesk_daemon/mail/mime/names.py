"""Safe, telling names for attachments, also for those that come without one."""

from __future__ import annotations

import re

from helpdesk_daemon.mail.mime.headers import decode_words, one_line
from helpdesk_daemon.mail.mime.parameters import Typed

NAME_CHARS = 200
NAME_BYTES = 230  # of UTF-8: file systems take 255, and whoever saves a file may put a number before it
ENDING_CHARS = 12
FORBIDDEN = re.compile(r"[<>:\"|?*\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
# Stated here rather than asked of `mimetypes`, which reads the system's tables.
ENDINGS = {
    "message/rfc822": ".eml", "message/global": ".eml", "text/rfc822-headers": ".txt",
    "text/plain": ".txt", "text/html": ".html", "text/calendar": ".ics", "text/csv": ".csv", "text/vcard": ".vcf",
    "text/x-vcard": ".vcf", "text/xml": ".xml", "text/rtf": ".rtf", "text/markdown": ".md", "image/jpeg": ".jpg",
    "image/jpg": ".jpg", "image/pjpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/bmp": ".bmp",
    "image/tiff": ".tif", "image/webp": ".webp", "image/svg+xml": ".svg", "image/heic": ".heic", "audio/mpeg": ".mp3",
    "audio/wav": ".wav", "audio/x-wav": ".wav", "audio/mp4": ".m4a", "audio/ogg": ".ogg", "video/mp4": ".mp4",
    "video/mpeg": ".mpg", "video/quicktime": ".mov", "video/x-msvideo": ".avi", "application/pdf": ".pdf",
    "application/zip": ".zip", "application/x-zip-compressed": ".zip", "application/gzip": ".gz",
    "application/rtf": ".rtf",
    "application/json": ".json", "application/xml": ".xml", "application/msword": ".doc",
    "application/vnd.ms-excel": ".xls", "application/vnd.ms-powerpoint": ".ppt", "application/pgp-signature": ".asc",
    "application/pgp-keys": ".asc", "application/pkcs7-mime": ".p7m", "application/x-pkcs7-mime": ".p7m",
    "application/pkcs7-signature": ".p7s", "application/x-pkcs7-signature": ".p7s", "application/ms-tnef": ".dat",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
}  # fmt: skip
TYPES = {ending: kind for kind, ending in reversed(ENDINGS.items())} | {".jpeg": "image/jpeg", ".htm": "text/html"}
STEMS = {"image": "image", "audio": "audio", "video": "video", "text": "document", "message": "message"}


def type_of(name: str) -> str:
    """The media type that a file name's ending tells."""
    return TYPES.get("." + name.rpartition(".")[2].lower(), "application/octet-stream")


def given_name(kind: Typed, shown: Typed) -> str:
    """The name a part gives itself, decoded: filename, else name (RFC 2183 section 2.3).

    Some senders write a filename in a charset that lacks its letters; a name without question marks is then better.
    """
    filename, name = (decode_words(value) for value in (shown.get("filename"), kind.get("name")))
    if filename and name and any(mark in filename and mark not in name for mark in "?\ufffd"):
        return name
    return filename or name


def implied_name(kind: str, content_id: str, subject: str) -> str:
    """A name for a part that gives itself none.

    Args:
        kind: its media type.
        content_id: mailers often begin it with the file's name.
        subject: of an attached mail.
    """
    local = content_id.partition("@")[0]
    if type_of(local) != "application/octet-stream":
        return local
    if subject:
        return f"{subject[:120]}{ENDINGS['message/rfc822']}"
    main, _, below = kind.partition("/")
    if main == "message" and kind not in ENDINGS:  # reports: lines of text
        return f"{below}.txt"
    return f"{STEMS[main]}{ENDINGS.get(kind, '.bin')}" if main in STEMS else ""


def free_name(name: str, taken: set[str]) -> str:
    """The name, with a number before its ending when it is taken."""
    stem, dot, ending = name.rpartition(".")
    stem, ending = (stem, dot + ending) if stem else (ending, "")
    number, found = 0, name
    while found in taken:
        number += 1
        found = f"{stem}{number}{ending}"
    return found


def safe_name(name: str, content_type: str, number: int) -> str:
    """A file name that cannot leave its folder or deceive a shell.

    Args:
        name: as the mail gives it.
        content_type: used for an ending when the name is empty.
        number: position among the attachments, used when the name is empty.
    """
    name = one_line(name).replace("\\", "/").rpartition("/")[2]
    name = FORBIDDEN.sub("_", name).strip(" .")
    if not name:
        return f"attachment-{number}{ENDINGS.get(content_type, '.bin')}"
    return _shortened(name)


def _shortened(name: str) -> str:
    """The name within the limits, its ending kept."""
    if len(name) <= NAME_CHARS and len(name.encode("utf-8", "replace")) <= NAME_BYTES:
        return name
    stem, dot, ending = name.rpartition(".")
    tail = f".{ending}" if dot and len(ending) < ENDING_CHARS else ""
    stem = (stem if tail else name)[: NAME_CHARS - len(tail)]
    room = NAME_BYTES - len(tail.encode("utf-8", "replace"))
    stem = stem.encode("utf-8", "replace")[:room].decode("utf-8", "ignore")
    return f"{stem.strip(' .')}{tail}"
