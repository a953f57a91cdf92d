"""Look into opaque signed S/MIME: the signature wraps the mail (RFC 8551 section 3.5.2, RFC 5652)."""

from __future__ import annotations

SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, EXPLICIT = 0x06, 0x04, 0x30, 0xA0
CONSTRUCTED = 0x20
MAX_CHUNKS = 200_000  # pieces of an octet string sent in BER's indefinite form


class _NotThis(Exception):
    """The bytes are no signed-data that holds its content."""


def open_signed(content: bytes) -> bytes | None:
    """The MIME entity inside signed-data; None for encrypted, detached or damaged ones.

    The signature is not checked: who signed a mail changes nothing about who sent it.
    """
    try:
        return _open(content)
    except (_NotThis, IndexError):
        return None


def _open(content: bytes) -> bytes:
    at, _ = _enter(content, 0, SEQUENCE)  # ContentInfo
    at = _identifier(content, at, SIGNED_DATA)
    at, _ = _enter(content, at, EXPLICIT)
    at, _ = _enter(content, at, SEQUENCE)  # SignedData: version, digest algorithms, content, …
    at = _skip(content, _skip(content, at))
    at, _ = _enter(content, at, SEQUENCE)  # EncapsulatedContentInfo
    at = _identifier(content, at, b"")
    at, _ = _enter(content, at, EXPLICIT)
    found = b"".join(_octets(content, at))
    if not found.strip():
        raise _NotThis
    return found


def _header(content: bytes, at: int) -> tuple[int, int, int | None]:
    """Tag, where the value begins, and its length (None: indefinite)."""
    tag, first = content[at], content[at + 1]
    if first < 0x80:
        return tag, at + 2, first
    if first == 0x80:
        return tag, at + 2, None
    size = first & 0x7F
    if size > 8:
        raise _NotThis
    return tag, at + 2 + size, int.from_bytes(content[at + 2 : at + 2 + size], "big")


def _enter(content: bytes, at: int, wanted: int) -> tuple[int, int | None]:
    tag, begin, length = _header(content, at)
    if tag != wanted:
        raise _NotThis
    return begin, length


def _identifier(content: bytes, at: int, wanted: bytes) -> int:
    """Pass an object identifier, any when `wanted` is empty."""
    begin, length = _enter(content, at, OBJECT_IDENTIFIER)
    end = begin + (length or 0)
    if wanted and content[begin:end] != wanted:
        raise _NotThis
    return end


def _skip(content: bytes, at: int) -> int:
    """Where the value after this one begins; small values of definite length are all that stand here."""
    _, begin, length = _header(content, at)
    if length is not None:
        return begin + length
    end = content.find(b"\0\0", begin)
    if end < 0:
        raise _NotThis
    return end + 2


def _octets(content: bytes, at: int) -> list[bytes]:
    """The bytes of an octet string, primitive or in pieces."""
    tag, begin, length = _header(content, at)
    if tag == OCTET_STRING:
        return [content[begin : begin + (length or 0)]]
    if tag != OCTET_STRING | CONSTRUCTED:
        raise _NotThis
    end = len(content) if length is None else begin + length
    pieces: list[bytes] = []
    while begin < end and len(pieces) < MAX_CHUNKS:
        tag, inside, size = _header(content, begin)
        if tag != OCTET_STRING or size is None:
            break
        pieces.append(content[inside : inside + size])
        begin = inside + size
    return pieces
