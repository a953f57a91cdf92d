"""Tracking IDs people can read out, and signatures nobody can guess."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32: no I, L, O, U
PREFIX = "HD-"
LENGTH = 8
READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1"})
TAG_CHARS = 16  # 80 bits of HMAC-SHA256: short enough for a local part, long enough for ever
# ASCII: otherwise the Turkish dotted I and the long s would count as letters of ours.
ASCII = re.IGNORECASE | re.ASCII
SPOKEN_ID = re.compile(r"(?:HD[-\u2010-\u2015 ]?)?([0-9A-Z]{8})", ASCII)
TOKEN = re.compile(r"^(hd-?[0-9a-z]{8})-([car])-([0-9a-z]{16})$", ASCII)
LINK = re.compile(r"^(hd-?[0-9a-z]{8})-([0-9a-z]{16})$", ASCII)
SIGNED_ID = re.compile(r"^<?hd([0-9a-z]{8})\.([car])\.([0-9a-z]{8,20})\.([0-9a-z]{16})@", ASCII)


NO_TICKET = "HD-00000000"  # stands in the Message-IDs of mail about no ticket


class Party(StrEnum):
    """Whose side of the conversation a token opens, or a mail was for."""

    CUSTOMER = "c"
    AGENT = "a"
    ANSWERED = "r"  # the customer's side, too, but of a person's answer: its bounce must be seen


def _base32(number: int, length: int) -> str:
    return "".join(ALPHABET[(number >> (5 * i)) & 31] for i in reversed(range(length)))


def new_tracking_id() -> str:
    """A fresh random tracking ID: 40 bits, so that knowing one says nothing of another."""
    return PREFIX + _base32(secrets.randbits(5 * LENGTH), LENGTH)


def read_tracking_id(text: str) -> str:
    """Read an ID back as people write it: any case, O for 0, I or L for 1, the prefix optional.

    Returns:
        The canonical ID, empty when `text` is none.
    """
    match = SPOKEN_ID.fullmatch(text.strip().upper())
    core = match.group(1).translate(READ_AS) if match else ""
    return PREFIX + core if core and all(c in ALPHABET for c in core) else ""


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs and verifies with keys that never leave the data folder.

    Attributes:
        keys: secrets, the current one first; older ones still verify after a rotation.
    """

    keys: tuple[bytes, ...]

    def _tag(self, key: bytes, *words: str) -> str:
        # Not `hmac.digest`: that lets other threads run meanwhile, and getting its turn back takes longer than the sum.
        mac = hmac.new(key, "\x00".join(words).encode(), hashlib.sha256).digest()
        return _base32(int.from_bytes(mac[:10], "big"), TAG_CHARS).lower()

    def _verify(self, tag: str, *words: str) -> bool:
        return any(hmac.compare_digest(self._tag(key, *words), tag.lower()) for key in self.keys)

    def token(self, ticket: str, party: Party) -> str:
        """The plus-part of an address that leads back to a ticket, `HD-XXXXXXXX-c-…`."""
        return f"{ticket}-{party}-{self._tag(self.keys[0], 'token', ticket, party)}"

    def read_token(self, text: str) -> tuple[str, Party] | None:
        """The ticket and party of a genuine token, None for anything else."""
        match = TOKEN.match(text)
        if not match:
            return None
        ticket, party = read_tracking_id(match.group(1)), Party(match.group(2).lower())
        return (ticket, party) if ticket and self._verify(match.group(3), "token", ticket, party) else None

    def message_id(self, ticket: str, party: Party, domain: str) -> str:
        """A new Message-ID that proves, when it comes back, which ticket and party it was for."""
        nonce = _base32(secrets.randbits(60), 12).lower()
        tag = self._tag(self.keys[0], "id", ticket, party, nonce)
        return f"<hd{ticket.removeprefix(PREFIX).lower()}.{party}.{nonce}.{tag}@{domain}>"

    def read_message_id(self, identifier: str) -> tuple[str, Party] | None:
        """The ticket and party of a Message-ID we signed, None for anything else."""
        match = SIGNED_ID.match(identifier)
        if not match:
            return None
        ticket, party = read_tracking_id(match.group(1)), Party(match.group(2).lower())
        nonce, tag = match.group(3).lower(), match.group(4)
        return (ticket, party) if ticket and self._verify(tag, "id", ticket, party, nonce) else None

    def link(self, ticket: str) -> str:
        """What stands in a link that shows a ticket to whoever was sent it, `HD-XXXXXXXX-…`."""
        return f"{ticket}-{self._tag(self.keys[0], 'link', ticket)}"

    def read_link(self, text: str) -> str:
        """The ticket of a genuine link, empty for anything else."""
        match = LINK.match(text)
        ticket = read_tracking_id(match.group(1)) if match else ""
        return ticket if match and ticket and self._verify(match.group(2), "link", ticket) else ""

    def stamp(self, purpose: str, *words: str) -> str:
        """A tag that proves that this installation wrote some words for a purpose."""
        return self._tag(self.keys[0], f"stamp {purpose}", *words)

    def is_stamp(self, tag: str, purpose: str, *words: str) -> bool:
        """Whether `stamp` made a tag for these words."""
        return tag.isascii() and self._verify(tag, f"stamp {purpose}", *words)

    def loop_value(self, address: str) -> str:
        """A mark for X-Helpdesk-Loop by which we know our own mail, and others cannot make."""
        return self._tag(self.keys[-1], "loop", address)
