"""The values that describe one received mail; everything after parsing reads only these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

BRACKETS = str.maketrans("", "", "<>")


def harmless(name: str) -> str:
    """A display name that cannot pass for an address."""
    return name.translate(BRACKETS).replace("@", " at ").strip() if set(name) & set("<>@") else name


def base_address(email: str) -> str:
    """An address without its detail (RFC 5233): `ann+shop@x` and `ann@x` are one mailbox."""
    local, at, domain = email.rpartition("@")
    return f"{local.partition('+')[0] or local}{at}{domain}"


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox of RFC 5322 section 3.4: a display name and an addr-spec.

    Attributes:
        name: display name, decoded, one line; may be empty.
        email: addr-spec, lower-cased: helpdesks compare addresses, and no provider tells cases apart.
    """

    name: str
    email: str

    @property
    def domain(self) -> str:
        """The part after the last @, empty when there is none."""
        return self.email.rpartition("@")[2] if "@" in self.email else ""

    def __str__(self) -> str:
        """Name and address for people; no name can pass for an address."""
        name = harmless(self.name)
        return f"{name} <{self.email}>" if name else self.email


@dataclass(frozen=True, slots=True)
class Headers:
    """Header fields in order, names as written, values unfolded and decoded (RFC 2047)."""

    fields: tuple[tuple[str, str], ...] = ()

    def get(self, name: str, default: str = "") -> str:
        """The first value of `name` in any case, or `default`."""
        return next(iter(self.get_all(name)), default)

    def get_all(self, name: str) -> list[str]:
        """All values of `name` in any case, in order."""
        wanted = name.lower()
        return [value for key, value in self.fields if key.lower() == wanted]

    def __contains__(self, name: str) -> bool:
        wanted = name.lower()
        return any(key.lower() == wanted for key, _ in self.fields)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.fields)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that is not the text: its bytes are kept as sent.

    Attributes:
        name: safe file name: no path, no control characters, never empty.
        content_type: lower-cased media type, `type/subtype`.
        content: decoded bytes.
        content_id: Content-ID without angle brackets, empty when absent.
        inline: shown inside the HTML body rather than listed beside it.
    """

    name: str
    content_type: str
    content: bytes = field(repr=False)
    content_id: str = ""
    inline: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One mail, parsed. Parsing never fails: what could not be read stands in `defects`.

    Attributes:
        headers: every header field.
        sender: who wrote: From, or what was recovered in its place.
        sender_source: the header the sender was taken from, `none` when nothing was found.
        reply_to: Reply-To addresses.
        to: To addresses.
        cc: Cc addresses.
        subject: decoded, one line.
        message_id: with angle brackets, empty when absent.
        in_reply_to: message identifiers of In-Reply-To.
        references: message identifiers of References, oldest first.
        content_type: media type of the whole mail.
        text: the whole body as text; quotes and signature included.
        html: the HTML body as sent, empty when there was none.
        new_text: the part the sender wrote now, without quotes and signature.
        attachments: everything else.
        report: text of the message/delivery-status part (RFC 3464), empty otherwise.
        defects: what was wrong, in words an operator understands.
        language: ISO 639-1 code of what it is written in, empty when unknown.
    """

    headers: Headers
    sender: Address
    sender_source: str
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    subject: str
    message_id: str
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    content_type: str
    text: str
    html: str
    new_text: str
    attachments: tuple[Attachment, ...] = ()
    report: str = ""
    defects: tuple[str, ...] = ()
    language: str = ""

    @property
    def answers(self) -> tuple[str, ...]:
        """Identifiers of the mails this one answers, nearest first (RFC 5322 section 3.6.4)."""
        return tuple(dict.fromkeys((*self.in_reply_to, *reversed(self.references))))

    @property
    def recipients(self) -> tuple[str, ...]:
        """Every address the mail names as its recipient, envelope traces included."""
        traced = [
            value.strip().strip("<>").lower()
            for name in ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To")
            for value in self.headers.get_all(name)
        ]
        return tuple(dict.fromkeys([a.email for a in (*self.to, *self.cc)] + traced))
