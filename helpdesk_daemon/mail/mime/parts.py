"""Sort the parts of a MIME tree into text, HTML and attachments (RFC 2045 to 2049, RFC 2183)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from html import escape
from urllib.parse import unquote

from helpdesk_daemon.mail.formats.html import MAX_HTML, html_to_text
from helpdesk_daemon.mail.formats.signed import open_signed
from helpdesk_daemon.mail.formats.tnef import open_tnef
from helpdesk_daemon.mail.message import Attachment
from helpdesk_daemon.mail.mime.charset import decode
from helpdesk_daemon.mail.mime.entity import Budget, Entity, read_entity
from helpdesk_daemon.mail.mime.head import read_head
from helpdesk_daemon.mail.mime.headers import decode_words, one_line
from helpdesk_daemon.mail.mime.names import free_name, given_name, implied_name, safe_name, type_of
from helpdesk_daemon.mail.mime.texts import calendar_text, unenriched, unflow
from helpdesk_daemon.mail.mime.transfer import Embedded, take_embedded

MAX_TNEF = 10  # winmail.dat parts of one mail that are opened
TEXT_BYTES = 4_000_000  # of all text parts together; the rest stays in the raw mail
REPORT_CHARS = 500_000
TNEF = frozenset(["application/ms-tnef", "application/vnd.ms-tnef"])
SEALED = frozenset(["application/pkcs7-mime", "application/x-pkcs7-mime"])
REPORTS = frozenset(["message/delivery-status", "message/global-delivery-status"])
EXCUSE_CHARS = 400  # a plain part this short may only say that the mail is to be read as HTML
BODIES = frozenset(["text/plain", "text/html", "text/enriched", "text/richtext"])
MESSAGES = frozenset(["message/rfc822", "message/global"])
META_CHARSET = re.compile(
    rb"<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s{0,9}=\s{0,9}[\"']?([\w-]{1,40})", re.IGNORECASE
)
MEDIA_TYPE = re.compile(r"[a-z0-9.+_-]{1,100}/[a-z0-9.+_-]{1,100}")


@dataclass(slots=True)
class Parts:
    """What a MIME tree holds, sorted; filled while walking.

    Attributes:
        text: all body text in reading order.
        html: all HTML bodies in reading order, as sent; empty when no part was HTML.
        attachments: everything that is not body.
        report: the message/delivery-status text.
        signed: an opaque signature was opened.
        defects: what went wrong.
    """

    text: str = ""
    html: str = ""
    attachments: list[Attachment] = field(default_factory=list)
    report: str = ""
    signed: bool = False
    defects: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Piece:
    """One stretch of the body: its plain form, its HTML form, or both (multipart/alternative)."""

    plain: str = ""
    html: str = ""

    @property
    def filled(self) -> bool:
        return bool(self.plain.strip() or self.html.strip())


class _Walk:
    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.text_left = TEXT_BYTES
        self.found = Parts()
        # What stands in when no part is body text, best first: TNEF text, a text file shown inline, an invitation.
        self.tnef: list[_Piece] = []
        self.shown: list[_Piece] = []
        self.invitations: list[_Piece] = []
        self.messages: list[bytes] = []

    def visit(self, entity: Entity, depth: int = 0) -> list[_Piece]:
        pieces = self._visit(entity, depth)
        self.found.defects += entity.defects
        return pieces

    def _visit(self, entity: Entity, depth: int) -> list[_Piece]:
        kind = entity.kind.value
        if entity.children is not None:
            return self.multipart(kind, entity.children, depth)
        if kind in REPORTS:
            content = entity.content()
            self.found.report += report_text(content[:REPORT_CHARS])
            self.keep(given_name(entity.kind, entity.shown), kind, content)
            return []
        if kind in SEALED and (inner := self.unseal(entity)) is not None:
            return self.visit(inner, depth + 1) if depth < self.budget.depth else []
        name = given_name(entity.kind, entity.shown)
        if kind in BODIES and entity.shown.value != "attachment" and not name:
            return self.body(entity, kind)
        self.attach(entity, kind, name)
        return []

    def multipart(self, kind: str, children: tuple[Entity, ...], depth: int) -> list[_Piece]:
        pieces = [p for child in children for p in self.visit(child, depth + 1)]
        if kind != "multipart/alternative" or not pieces:
            return pieces
        plain = next((p.plain for p in pieces if p.plain.strip()), "")
        return [_Piece(plain, "\n".join(p.html for p in pieces if p.html.strip()))]

    def body(self, entity: Entity, kind: str) -> list[_Piece]:
        """A part that is text to read, files that were written into it taken out."""
        content = self.text_bytes(entity)
        files: list[Embedded] = []
        if kind == "text/plain":
            content, files = take_embedded(content)
        for file in files:
            self.keep(decode_words(decode(file.name)[0]), "", file.content)
        return [self.piece(entity, kind, content)]

    def text_bytes(self, entity: Entity) -> bytes:
        size = entity.end - entity.start
        content = entity.content(self.text_left + self.text_left // 2)
        if len(content) > self.text_left or size > self.text_left + self.text_left // 2:
            content = content[: self.text_left]
            self.note(f"text part of {size} bytes cut to {len(content)}")
        self.text_left -= len(content)
        return content

    def piece(self, entity: Entity, kind: str, content: bytes) -> _Piece:
        charset = entity.kind.get("charset")
        if not charset and kind == "text/html" and (meta := META_CHARSET.search(content[:4_000])):
            charset = meta[1].decode("ascii", "replace")
        text, defect = decode(content, charset)
        self.note(defect)
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
        if kind == "text/html":
            return _Piece(html=text)
        if kind in ("text/enriched", "text/richtext"):
            return _Piece(unenriched(text))
        if entity.kind.get("format").lower() == "flowed":
            text = unflow(text, entity.kind.get("delsp").lower() == "yes")
        return _Piece(text)

    def attach(self, entity: Entity, kind: str, name: str) -> None:
        content = entity.content()
        if (kind in TNEF or name.lower() == "winmail.dat") and self.open_tnef(content):
            return
        content_id = one_line(decode_words(entity.head.get("Content-ID"))).strip("<> ")
        subject = ""
        if kind in MESSAGES:
            subject = subject_of(content)
            self.messages.append(content)
        self.keep(name, kind, content, content_id, subject)
        if kind in BODIES and entity.shown.value == "inline":
            self.shown.append(self.piece(entity, kind, content[: self.text_left]))
        elif kind == "text/calendar":
            self.invitations.append(
                _Piece(calendar_text(decode(content[:REPORT_CHARS], entity.kind.get("charset"))[0]))
            )

    def keep(self, name: str, kind: str, content: bytes, content_id: str = "", subject: str = "") -> None:
        """Keep an attachment under a safe name."""
        kind = kind or type_of(name)
        if not MEDIA_TYPE.fullmatch(kind):
            kind = "application/octet-stream"
        number = len(self.found.attachments) + 1
        if not name:
            name = safe_name(implied_name(kind, content_id, subject), kind, number)
            name = free_name(name, {a.name for a in self.found.attachments})
        self.found.attachments.append(Attachment(safe_name(name, kind, number), kind, content, content_id))

    def unseal(self, entity: Entity) -> Entity | None:
        """The entity inside an opaque signature; the part itself is kept as it came."""
        content = entity.content()
        inner = open_signed(content)
        if inner is None:
            return None
        self.found.signed = True
        self.keep(given_name(entity.kind, entity.shown) or "smime.p7m", entity.kind.value, content)
        return read_entity(inner, self.budget, root=False)

    def open_tnef(self, content: bytes) -> bool:
        """Take a winmail.dat apart; False leaves it an attachment, whole."""
        opened = open_tnef(content) if len(self.tnef) < MAX_TNEF else None
        if opened is None:
            self.note("TNEF part cannot be opened")
            return False
        for name, data, content_id in opened.files:
            self.keep(name, "", data, content_id)
        self.tnef.append(_Piece(opened.text, opened.html))
        return True

    def note(self, defect: str) -> None:
        if defect:
            self.found.defects.append(defect)

    def stand_in(self) -> list[_Piece]:
        """Text from elsewhere, for a mail whose parts hold none."""
        for pieces in (self.tnef, self.shown, self.invitations):
            filled = [p for p in pieces if p.filled]
            if filled:
                return filled
        if len(self.messages) == 1:
            inner = _Walk(replace(self.budget, depth=self.budget.depth // 2))
            inner.text_left = self.text_left
            pieces = [p for p in inner.visit(read_entity(self.messages[0], inner.budget)) if p.filled]
            return pieces or (inner.stand_in() if inner.budget.depth else [])
        return []


def collect(root: Entity, budget: Budget) -> Parts:
    """Walk a MIME tree.

    Args:
        root: the mail.
        budget: what may still be spent.

    Returns:
        Body text, HTML, attachments, delivery report, defects.
    """
    walk = _Walk(budget)
    pieces = [p for p in walk.visit(root) if p.filled] or walk.stand_in()
    found = walk.found
    found.text = "\n\n".join(text for text in _texts(pieces, found.defects) if text)
    if any(p.html for p in pieces):
        found.html = "\n<hr>\n".join(p.html or f"<pre>{escape(p.plain)}</pre>" for p in pieces)[: 2 * MAX_HTML]
    shown = set(_shown_ids(found.html))
    found.attachments = [replace(a, inline=bool(a.content_id) and a.content_id in shown) for a in found.attachments]
    return found


def _texts(pieces: list[_Piece], defects: list[str]) -> list[str]:
    """Each piece as text; HTML is turned into text as far as the mail's whole allowance goes."""
    out = []
    left = MAX_HTML
    for piece in pieces:
        plain = piece.plain.strip("\n")
        short = len(plain) <= EXCUSE_CHARS
        if not piece.html or (plain.strip() and not short):
            out.append(plain)
            continue
        shown = html_to_text(piece.html[:left])
        if plain.strip() and not _is_excuse(plain, shown):
            out.append(plain)
            continue
        if len(piece.html) > left:
            defects.append(f"HTML of {len(piece.html)} characters read up to {left}")
        out.append(shown)
        left -= min(left, len(piece.html))
    return out


def _is_excuse(plain: str, shown: str) -> bool:
    """Whether a plain part only excuses itself: it speaks of HTML, and says little of what the HTML form says."""
    said, meant = re.findall(r"\w+", plain.lower()), re.findall(r"\w+", shown.lower())
    return "html" in said and len(meant) >= len(said) and 2 * sum(word in meant for word in said) < len(said)


def _shown_ids(html: str) -> list[str]:
    """The Content-IDs that HTML shows (RFC 2392)."""
    return [unquote(found) for found in re.findall(r"[\"'(=\s]cid:([^\"'\s>)]{1,500})", html, re.IGNORECASE)]


def subject_of(message: bytes) -> str:
    """The subject of an attached mail."""
    return decode_words(read_head(message, 0, len(message), 64_000, 500).get("Subject"))


def report_text(content: bytes) -> str:
    """A delivery report as groups of unfolded, decoded fields with empty lines between (RFC 3464 section 2.1)."""
    text = decode(content)[0].replace("\r\n", "\n").replace("\r", "\n")
    lines = re.sub(r"\n[ \t]+(?=\S)", " ", text).split("\n")
    return "\n".join(decode_words(line) for line in lines).strip("\n") + "\n"
