"""Write a mail down as bytes (RFC 5322, RFC 2045 to 2047).

The standard library's older generator is used on purpose: `EmailMessage` parses each header it is
given and takes six times as long for the same bytes.
"""

from __future__ import annotations

import base64
import io
import quopri
import re
import secrets
from collections.abc import Sequence
from email.generator import BytesGenerator
from email.message import Message as Part
from email.mime.multipart import MIMEMultipart
from email.policy import Compat32
from email.utils import encode_rfc2231

from helpdesk_daemon.mail.message import Attachment
from helpdesk_daemon.outgoing.headers import Field, written


class Written(Compat32):
    """Writes fields as they are: they were encoded and folded by `written`, once."""

    def fold(self, name: str, value: str) -> str:
        """The field with its line end."""
        return f"{name}: {value}".replace("\r\n", "\n").replace("\n", "\r\n") + "\r\n"

    def fold_binary(self, name: str, value: str) -> bytes:
        """The field with its line end, as bytes."""
        return self.fold(name, value).encode("ascii", "surrogateescape")


POLICY = Written(linesep="\r\n", max_line_length=0)


class PlainGenerator(BytesGenerator):
    """Writes a part's text at one stroke, as all of ours are ASCII with LF: a third of the time line by line takes.

    The names are the library's own; under other names it would write the same bytes its own way.
    """

    def _handle_text(self, msg: Part) -> None:
        self.write(str(msg.get_payload()).replace("\n", "\r\n"))

    _writeBody = _handle_text  # noqa: N815  what the library calls for parts of no other kind


def _text(text: str, subtype: str) -> Part:
    part = Part(policy=POLICY)
    part["Content-Type"] = f'text/{subtype}; charset="utf-8"'
    part["Content-Transfer-Encoding"] = "quoted-printable"
    content = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace")
    part.set_payload(quopri.encodestring(content).decode("ascii"))
    return part


def _parameter(name: str, value: str) -> str:
    if value.isascii():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{name}="{escaped}"'
    return f"{name}*={encode_rfc2231(value, 'utf-8')}"


def _shown(attachment: Attachment) -> bool:
    """Whether a part may be shown inside the text: pictures only, and none written in XML, which may hold scripts."""
    return attachment.inline and attachment.content_type.startswith("image/") and "xml" not in attachment.content_type


def _attachment(attachment: Attachment) -> Part:
    part = Part(policy=POLICY)
    kind = attachment.content_type
    plain = re.fullmatch(r"(?!multipart/|message/)[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}", kind)
    safe_kind = kind if plain else "application/octet-stream"
    part["Content-Type"] = f"{safe_kind}; {_parameter('name', attachment.name)}"
    part["Content-Transfer-Encoding"] = "base64"
    disposition = "inline" if _shown(attachment) else "attachment"
    part["Content-Disposition"] = f"{disposition}; {_parameter('filename', attachment.name)}"
    if re.fullmatch(r"[!-;=?-~]{1,200}", attachment.content_id):
        part["Content-ID"] = f"<{attachment.content_id}>"
    part.set_payload(base64.encodebytes(attachment.content).decode("ascii"))
    return part


def _original(raw: bytes) -> Part:
    """A received mail inside ours, byte for byte, where message/rfc822 cannot carry it: under base64, which
    RFC 2046 section 5.2.1 forbids for that type, so as a file that mail clients save and open.
    """  # noqa: D205
    return _attachment(Attachment("original.eml", "application/octet-stream", raw))


def _rfc822(raw: bytes, placeholder: str) -> Part:
    """A received mail inside ours as message/rfc822 (RFC 2046 section 5.2.1), shown by mail clients.

    The generator cannot write 8-bit text there, so a placeholder stands for it until all else is written.
    """
    part = Part(policy=POLICY)
    part["Content-Type"] = "message/rfc822"
    part["Content-Disposition"] = 'attachment; filename="original.eml"'
    part["Content-Transfer-Encoding"] = "7bit" if raw.isascii() else "8bit"
    part.set_payload(placeholder)
    return part


def _crlf(raw: bytes) -> bytes:
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def _multi(subtype: str, parts: Sequence[Part]) -> Part:
    if len(parts) == 1:
        return parts[0]
    # "=_" stands in no quoted-printable or base64 text; the random part keeps our own mails apart.
    multi = MIMEMultipart(subtype, boundary=f"=_{secrets.token_hex(12)}", policy=POLICY)
    del multi["MIME-Version"]
    for part in parts:
        multi.attach(part)
    return multi


def _embeddable(raw: bytes) -> bool:
    """Whether a mail can stand as it is inside another: lines within RFC 5321's 998 octets, no NUL."""
    return b"\x00" not in raw and max((len(line) for line in raw.split(b"\n")), default=0) <= 998


def write(
    fields: Sequence[Field],
    text: str,
    html: str,
    attachments: Sequence[Attachment] = (),
    original: bytes = b"",
) -> bytes:
    """Write one mail.

    Args:
        fields: header fields in order, values as plain text; encoding and folding happen here.
        text: the plain body.
        html: the HTML body, empty for none.
        attachments: parts to carry; inline ones go beside the HTML.
        original: a received mail to attach whole, empty for none.

    Returns:
        The mail with CRLF line ends.
    """
    inline = [a for a in attachments if html and _shown(a)]
    body = [_text(text, "plain")]
    if html:
        body.append(_multi("related", [_text(html, "html"), *map(_attachment, inline)]))
    parts = [_multi("alternative", body), *(_attachment(a) for a in attachments if a not in inline)]
    placeholder = f"original-{secrets.token_hex(12)}"
    if original:
        parts.append(_rfc822(original, placeholder) if _embeddable(original) else _original(original))
    whole = _multi("mixed", parts)
    body_fields = list(whole.items())
    for name, _ in body_fields:
        del whole[name]
    for name, value in fields:
        whole[name] = written(name, value)
    whole["MIME-Version"] = "1.0"
    for name, value in body_fields:
        whole[name] = value
    out = io.BytesIO()
    PlainGenerator(out, mangle_from_=False, policy=POLICY).flatten(whole)
    return out.getvalue().replace(placeholder.encode(), _crlf(original)) if original else out.getvalue()
