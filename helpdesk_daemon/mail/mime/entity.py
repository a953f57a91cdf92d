"""Cut a mail into its tree of MIME entities (RFC 2045, RFC 2046): slices of the bytes, nothing decoded twice.

The standard library's parser asks every open multipart about every line, raises on damaged fields and
writes attached mails anew; here a level is one search over its bytes, and an attached mail stays as it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from helpdesk_daemon.mail.mime.head import Head, read_head
from helpdesk_daemon.mail.mime.parameters import Typed, disposition, media_type
from helpdesk_daemon.mail.mime.transfer import transfer_decode

MAX_BOUNDARY = 2_000  # characters; RFC 2046 allows 70
PART_HEAD = 32_000  # bytes of a part's head
MAX_MARKS = 20_000  # lines of one mail that look like boundaries
TAIL = re.compile(rb"(--)?[ \t]{0,200}(?:\r?\n|\r|\Z)")
# A boundary line is followed by the head of a part: how to find one that no field names.
GUESS = re.compile(rb"(?:^|\n)--([^\s][^\r\n]{1,200})\r?\n(?=Content-[A-Za-z-]{2,40}[ \t]?:)", re.IGNORECASE)
HTML = re.compile(rb"\s*<(?:!doctype|html|head|body|div|p|table)\b", re.IGNORECASE)
PREAMBLE = 400  # bytes of "This is a multi-part message in MIME format"
GUESS_WITHIN = 20_000  # bytes in which the first of them must stand
FEW = 20  # parts, after which a boundary line without a part's head is looked at no more
BEYOND = "parts beyond the limits left in the raw mail"


@dataclass(slots=True)
class Budget:
    """What may still be spent on one mail."""

    depth: int = 40
    parts: int = 500
    marks: int = MAX_MARKS
    head_bytes: int = 512_000
    head_fields: int = 2_000
    bytes_searched: int = 1_500_000_000


@dataclass(slots=True)
class Entity:
    """One node of the tree.

    Attributes:
        head: its header fields.
        kind: Content-Type.
        shown: Content-Disposition.
        children: parts of a multipart, None for a leaf.
        defects: what was wrong here.
    """

    head: Head
    kind: Typed
    shown: Typed
    raw: bytes = field(repr=False)
    start: int
    end: int
    children: tuple[Entity, ...] | None = None
    defects: list[str] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        """The bytes below the head, as sent."""
        return self.raw[self.start : self.end]

    def content(self, limit: int | None = None) -> bytes:
        """The body with its transfer encoding undone; defects are noted.

        Args:
            limit: bytes of the encoded body that are enough.
        """
        end = self.end if limit is None else min(self.end, self.start + limit)
        decoded, defect = transfer_decode(self.raw[self.start : end], self.head.get("Content-Transfer-Encoding"))
        if defect:
            self.defects.append(defect)
        return decoded


def read_entity(raw: bytes, budget: Budget, start: int = 0, end: int | None = None, *, root: bool = True,
                default: str = "text/plain", depth: int = 0) -> Entity:  # fmt: skip
    """Read one entity and what is in it. Never raises for what stands in the mail.

    Args:
        raw: the bytes it is part of.
        budget: what may still be spent; is drawn down.
        start: where it begins in `raw`.
        end: where it ends.
        root: whether it is the mail itself, whose head may have any fields.
        default: its media type when it does not say.
        depth: how many multiparts it is in.
    """
    end = len(raw) if end is None else end
    most = budget.head_bytes if root else min(budget.head_bytes, PART_HEAD)
    head = read_head(raw, start, end, most, budget.head_fields, root=root)
    kind = media_type(head.get("Content-Type"), default)
    entity = Entity(head, kind, disposition(head.get("Content-Disposition")), raw, head.end, end)
    entity.defects += head.defects
    if kind.value.startswith("multipart/"):
        _split(entity, budget, depth)
    elif root and not head.get("Content-Type") and (guessed := _guess(raw, head.end, end, closed=True)):
        entity.kind = Typed("multipart/mixed", {"boundary": guessed.decode("latin-1")})
        entity.defects.append("MIME: parts without a Content-Type that announces them")
        _split(entity, budget, depth)
    return entity


def _split(entity: Entity, budget: Budget, depth: int) -> None:
    """Find the children of a multipart; one that has none becomes a leaf of text."""
    if depth >= budget.depth:
        entity.defects.append(BEYOND)
        entity.children = ()
        return
    if entity.head.get("Content-Transfer-Encoding").strip().lower() in ("base64", "quoted-printable"):
        _decode_whole(entity)
    boundary = entity.kind.get("boundary").rstrip()[:MAX_BOUNDARY].encode("utf-8", "surrogateescape")
    slices = _slices(entity, boundary, budget) if boundary else []
    if not slices:
        guessed = _guess(entity.raw, entity.start, entity.end)
        slices = _slices(entity, guessed, budget) if guessed else []
        if slices:
            entity.defects.append(
                f"MIME: {'the boundary named is not the one used' if boundary else 'no boundary named'}"
            )
    if not slices:
        entity.defects.append("MIME: multipart without parts, read as text")
        html = HTML.match(entity.raw, entity.start, entity.end)
        entity.kind = Typed("text/html" if html else "text/plain", entity.kind.parameters)
        return
    default = "message/rfc822" if entity.kind.value == "multipart/digest" else "text/plain"
    children = []
    for start, end in slices:
        if budget.parts <= 0:
            entity.defects.append(BEYOND)
            break
        budget.parts -= 1
        children.append(read_entity(entity.raw, budget, start, end, root=False, default=default, depth=depth + 1))
    entity.children = tuple(children)


def _decode_whole(entity: Entity) -> None:
    """Undo a transfer encoding that a multipart must not have (RFC 2045 section 6.4), where it really has it."""
    if b"\n--" in entity.raw[entity.start : min(entity.end, entity.start + 100_000)]:
        return
    content = entity.content()
    entity.raw, entity.start, entity.end = content, 0, len(content)


def _slices(entity: Entity, boundary: bytes, budget: Budget) -> list[tuple[int, int]]:
    """Where the parts lie, empty ones left out. Text before the first counts when there is nothing else."""
    raw, start, end = entity.raw, entity.start, entity.end
    marks = _marks(raw, start, end, b"--" + boundary, budget)
    if not marks:
        return []
    found: list[tuple[int, int]] = []
    for number, (_, after, closing) in enumerate(marks):
        until = marks[number + 1][0] if number + 1 < len(marks) else end
        if not closing:
            found.append((after, until))
    if not marks[-1][2]:
        entity.defects.append("MIME: the last boundary is missing")
    found = [(a, _before_line_end(raw, a, b)) for a, b in found]
    found = [(a, b) for a, b in found if (a < b and not raw[a : min(b, a + 2_000)].isspace()) or b - a > 2_000]
    preamble = (start, marks[0][0])
    if raw[preamble[0] : preamble[0] + 8].lower() == b"content-" or not found:
        found.insert(0, preamble)
    return found


def _marks(raw: bytes, start: int, end: int, mark: bytes, budget: Budget) -> list[tuple[int, int, bool]]:
    """Boundary lines as (start, end, closing)."""
    found: list[tuple[int, int, bool]] = []
    budget.bytes_searched -= end - start
    if budget.bytes_searched < 0:
        return found
    at = start if raw.startswith(mark, start, end) else _next_mark(raw, mark, start, end)
    while at >= 0 and budget.marks > 0:
        budget.marks -= 1
        tail = TAIL.match(raw, at + len(mark), end)
        if tail:
            found.append((at, tail.end(), bool(tail[1])))
            if len(found) > budget.parts + FEW:
                break
        at = _next_mark(raw, mark, max(tail.end() - 1, at + len(mark)) if tail else at + len(mark), end)
    return found


def _next_mark(raw: bytes, mark: bytes, start: int, end: int) -> int:
    """Where the next line that begins with `mark` begins, -1 when there is none."""
    at = raw.find(b"\n" + mark, start, end)
    return at + 1 if at >= 0 else -1


def _before_line_end(raw: bytes, start: int, end: int) -> int:
    """The line end before a boundary belongs to the boundary (RFC 2046 section 5.1.1)."""
    if end > start and raw[end - 1 : end] == b"\n":
        end -= 1
        if end > start and raw[end - 1 : end] == b"\r":
            end -= 1
    return end


def _guess(raw: bytes, start: int, end: int, closed: bool = False) -> bytes:
    """A boundary read off the body itself, empty when there is none.

    Args:
        raw: the bytes.
        start: where the body begins.
        end: where it ends.
        closed: only one that the body begins with, and that has its closing line.
    """
    window = raw[start : min(end, start + GUESS_WITHIN)]
    found = GUESS.search(window)
    boundary = found[1].rstrip() if found else b""
    if closed and found:
        before = window[: found.start()].strip().lower()  # a returned mail has its parts below other words
        announced = not before or (len(before) <= PREAMBLE and b"mime" in before)
        if not announced or raw.find(b"\n--" + boundary + b"--", start, end) < 0:
            return b""
    return boundary
