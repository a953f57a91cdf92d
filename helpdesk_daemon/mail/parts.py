"""Sort the parts of a MIME tree into text, HTML and attachments (RFC 2045 to 2049, RFC 2183)."""

from __future__ import annotations

import email.generator
import io
import mimetypes
import re
from dataclasses import dataclass, field
from email.message import Message as Part

from helpdesk_daemon.mail.charset import decode
from helpdesk_daemon.mail.headers import decode_words, one_line
from helpdesk_daemon.mail.html import html_to_text
from helpdesk_daemon.mail.message import Attachment
from helpdesk_daemon.mail.tnef import open_tnef

NAME_CHARS = 150
EXTENSIONS = {"message/rfc822": ".eml", "text/calendar": ".ics", "text/plain": ".txt", "text/html": ".html"}


@dataclass(slots=True)
class Parts:
    """What a MIME tree holds, sorted; filled while walking.

    Attributes:
        text: all body text in reading order.
        html: all HTML bodies in reading order, as sent; empty when no part was HTML.
        attachments: everything that is not body.
        report: the message/delivery-status text.
        defects: what went wrong.
    """

    text: str = ""
    html: str = ""
    attachments: list[Attachment] = field(default_factory=list)
    report: str = ""
    defects: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Piece:
    """One stretch of the body: its plain form, its HTML form, or both (multipart/alternative)."""

    plain: str = ""
    html: str = ""

    @property
    def text(self) -> str:
        return self.plain if self.plain.strip() or not self.html else html_to_text(self.html)


class _Walk:
    def __init__(self, depth: int, parts: int) -> None:
        self.depth, self.left = depth, parts
        self.tnef: list[_Piece] = []
        self.found = Parts()

    def visit(self, part: Part, depth: int = 0, related: bool = False) -> list[_Piece]:
        self.left -= 1
        if self.left < 0 or depth > self.depth:
            if "parts beyond the limits left in the raw mail" not in self.found.defects:
                self.found.defects.append("parts beyond the limits left in the raw mail")
            return []
        kind = media_type(part)
        children = _children(part)
        self.found.defects += [_describe(d) for d in part.defects]
        if kind == "message/delivery-status" and children is not None:
            self.found.report += "\n\n".join(_headers_text(child) for child in children)
            return []
        if part.get_content_maintype() == "message" and children is not None:
            self.attach(part, kind, _flatten(children[0]) if children else b"")
            return []
        if children is not None:
            return self.visit_multipart(kind, children, depth, related)
        return self.visit_leaf(part, kind, related)

    def visit_multipart(self, kind: str, children: list[Part], depth: int, related: bool) -> list[_Piece]:
        related = related or kind == "multipart/related"
        pieces = [p for child in children for p in self.visit(child, depth + 1, related)]
        if kind != "multipart/alternative" or not pieces:
            return pieces
        plain = next((p.plain for p in pieces if p.plain.strip()), "")
        return [_Piece(plain, "\n".join(p.html for p in pieces if p.html.strip()))]

    def visit_leaf(self, part: Part, kind: str, related: bool) -> list[_Piece]:
        known = len(part.defects)
        content = _content(part)
        self.found.defects += [_describe(d) for d in part.defects[known:]]
        disposition = str(part.get("Content-Disposition", "")).split(";")[0].strip().lower()
        is_body = kind in ("text/plain", "text/html") and disposition != "attachment" and not _name(part)
        if not is_body:
            self.attach(part, kind, content, related or disposition == "inline")
            return []
        text, defect = decode(content, _charset(part, content))
        if defect:
            self.found.defects.append(defect)
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
        if kind == "text/html":
            return [_Piece(html=text)]
        if str(part.get_param("format", "")).lower() == "flowed":
            text = unflow(text, str(part.get_param("delsp", "")).lower() == "yes")
        return [_Piece(plain=text)]

    def attach(self, part: Part, kind: str, content: bytes, inline: bool = False) -> None:
        if kind in ("application/ms-tnef", "application/vnd.ms-tnef") and self.open_tnef(content):
            return
        name = safe_name(_name(part), kind, len(self.found.attachments) + 1)
        content_id = one_line(str(part.get("Content-ID", ""))).strip("<> ")
        shown = inline and bool(content_id)
        self.found.attachments.append(Attachment(name, kind, content, content_id, shown))

    def open_tnef(self, content: bytes) -> bool:
        """Take a winmail.dat apart; False leaves it an attachment, whole."""
        opened = open_tnef(content)
        if opened is None:
            self.found.defects.append("TNEF part cannot be opened")
            return False
        for name, data in opened.files:
            number = len(self.found.attachments) + 1
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            self.found.attachments.append(Attachment(safe_name(name, kind, number), kind, data))
        self.tnef.append(_Piece(opened.text, opened.html))
        return True


def collect(root: Part, depth: int, parts: int) -> Parts:
    """Walk a MIME tree.

    Args:
        root: the parsed mail.
        depth: how deep multiparts may nest.
        parts: how many parts are looked at.

    Returns:
        Body text, HTML, attachments, delivery report, defects.
    """
    walk = _Walk(depth, parts)
    pieces = [p for p in walk.visit(root) if p.plain.strip() or p.html.strip()]
    pieces = pieces or [p for p in walk.tnef if p.plain.strip() or p.html.strip()]
    walk.found.text = "\n\n".join(p.text.strip("\n") for p in pieces)
    if any(p.html for p in pieces):
        walk.found.html = "\n<hr>\n".join(p.html or _as_html(p.plain) for p in pieces)
    return walk.found


def _children(part: Part) -> list[Part] | None:
    """The parts of a multipart or attached message, None for a leaf."""
    if not part.is_multipart():
        return None
    return [child for child in part.get_payload() if isinstance(child, Part)]


def media_type(part: Part) -> str:
    """The media type, `type/subtype` in lower case whatever the field looks like (RFC 2045 section 5.2)."""
    kind = "".join(part.get_content_type().split())
    return kind if re.fullmatch(r"[!-.0-~]{1,100}/[!-.0-~]{1,100}", kind) else "application/octet-stream"


def _as_html(plain: str) -> str:
    from html import escape

    return f"<pre>{escape(plain)}</pre>"


def _describe(defect: object) -> str:
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", type(defect).__name__.removesuffix("Defect"))
    return f"MIME: {words.lower()}"


def _content(part: Part) -> bytes:
    """The decoded bytes of a leaf; the payload as it stands when its encoding is broken."""
    try:
        content = part.get_payload(decode=True)
    except Exception:  # the codecs raise all sorts on broken base64 and uuencode
        content = None
    if isinstance(content, bytes):
        return content
    # Undecoded; asking the part for its text would run into the same failure.
    return str(getattr(part, "_payload", "") or "").encode("utf-8", "surrogateescape")


def _charset(part: Part, content: bytes) -> str:
    try:
        named = part.get_content_charset("") or ""
    except Exception:  # RFC 2231 values in an unknown charset
        named = ""
    if not named and part.get_content_type() == "text/html":
        meta = re.search(rb"<meta[^>]{0,200}charset=[\"']?([\w-]{1,40})", content[:4_000], re.IGNORECASE)
        named = meta.group(1).decode("ascii", "replace") if meta else ""
    return named


def _name(part: Part) -> str:
    """The file name of a part: filename, else name; RFC 2231 or (against the rule, but common) RFC 2047."""
    try:
        name = part.get_filename() or ""
    except Exception:  # a charset nobody knows in an RFC 2231 parameter
        name = str(part.get_param("filename", "", "content-disposition"))
    return decode_words(str(name))


def safe_name(name: str, content_type: str, number: int) -> str:
    """A file name that cannot leave its folder or deceive a shell.

    Args:
        name: as the mail gives it.
        content_type: used for an ending when the name is empty.
        number: position among the attachments, used when the name is empty.
    """
    name = one_line(name).replace("\\", "/").rpartition("/")[2]
    name = re.sub(r"[<>:\"|?*\x00-\x1f\u202a-\u202e\u2066-\u2069]", "_", name).strip(" .")
    if not name:
        return f"attachment-{number}{EXTENSIONS.get(content_type, '.bin')}"
    stem, dot, ending = name.rpartition(".")
    if len(name) > NAME_CHARS:
        name = f"{stem[: NAME_CHARS - len(ending) - 1]}.{ending}" if dot and len(ending) < 12 else name[:NAME_CHARS]
    return name


def _headers_text(part: Part) -> str:
    return "\n".join(f"{name}: {decode_words(str(value))}" for name, value in part.items())


def _flatten(part: Part) -> bytes:
    """An attached message as bytes, near enough as it was; the tree may be one nobody can write back."""
    out = io.BytesIO()
    try:
        email.generator.BytesGenerator(out, mangle_from_=False, maxheaderlen=0).flatten(part)
    except Exception:
        return (_headers_text(part) + "\n\n" + str(part.get_payload())).encode("utf-8", "surrogateescape")
    return out.getvalue()


def unflow(text: str, delsp: bool) -> str:
    """Join the soft line breaks of format=flowed (RFC 3676 section 4)."""
    out: list[str] = []
    open_depth = -1  # quote depth of the paragraph that may go on, -1 when none
    for line in text.split("\n"):
        quoted = re.match(r">*", line)
        depth = len(quoted.group()) if quoted else 0
        content = line[depth:].removeprefix(" ")
        signature = content == "-- "
        soft = content.endswith(" ") and not signature
        if soft and delsp:
            content = content[:-1]
        if out and open_depth == depth and not signature:
            out[-1] += content
        else:
            out.append((">" * depth + " " if depth else "") + content)
        open_depth = depth if soft else -1
    return "\n".join(out)
