"""Replies as mail clients write them: each quotes the mail it answers in its own way."""

from __future__ import annotations

import base64
from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import parseaddr
from html import escape
from itertools import count

NUMBERS = count(1)
Client = Callable[..., bytes]


def read(mail: bytes) -> EmailMessage:
    """A mail as a client reads it."""
    found = message_from_bytes(mail, policy=default)
    assert isinstance(found, EmailMessage)
    return found


def body(mail: bytes, kind: str) -> str:
    """The plain or HTML body, empty when there is none."""
    part = read(mail).get_body((kind,))
    return str(part.get_content()) if part else ""


def _rich(mail: bytes) -> str:
    return body(mail, "html") or f"<pre>{escape(body(mail, 'plain'))}</pre>"


def _write(answered: bytes, sender: str, text: str, html: str, extra: str, to: str) -> bytes:
    found = read(answered)
    number = next(NUMBERS)
    subject = str(found["Subject"]).removeprefix("Re: ")
    head = (
        f"From: {sender}\nTo: {to or found['Reply-To'] or found['From']}\nSubject: Re: {subject}\n"
        f"Message-ID: <client-{number}@{parseaddr(sender)[1].rpartition('@')[2]}>\nIn-Reply-To: {found['Message-ID']}\n"
        f"References: {found['Message-ID']}\nDate: Mon, 16 Nov 2026 10:00:00 +0000\n{extra}MIME-Version: 1.0\n"
    )
    parts = [("plain", text)] * bool(text) + [("html", html)] * bool(html)
    if len(parts) == 1:
        return (head + _part(*parts[0])).replace("\n", "\r\n").encode()
    inner = "".join(f"--b{number}\n{_part(*part)}\n" for part in parts)
    whole = f'{head}Content-Type: multipart/alternative; boundary="b{number}"\n\n{inner}--b{number}--\n'
    return whole.replace("\n", "\r\n").encode()


def _part(kind: str, text: str) -> str:
    coded = base64.encodebytes(text.encode()).decode()
    return f"Content-Type: text/{kind}; charset=utf-8\nContent-Transfer-Encoding: base64\n\n{coded}"


def _lines(text: str) -> str:
    return "".join(f"<div>{escape(line) or '<br>'}</div>" for line in text.split("\n"))


def thunderbird(answered: bytes, sender: str, text: str, extra: str = "", to: str = "") -> bytes:
    """Plain text with the quote behind `>`."""
    quoted = "\n".join(f"> {line}" for line in body(answered, "plain").splitlines())
    return _write(answered, sender, f"{text}\n\nOn 16.11.26 10:00, {read(answered)['From']} wrote:\n{quoted}\n", "",
                  extra, to)  # fmt: skip


def gmail(answered: bytes, sender: str, text: str, extra: str = "", to: str = "", html: str = "") -> bytes:
    """Both forms; `html` stands for the new part where it is not simply the text."""
    wrote = f"On Mon, Nov 16, 2026 at 10:00 AM {read(answered)['From']} wrote:"
    quoted = "\n".join(f"> {line}" for line in body(answered, "plain").splitlines())
    rich = (
        f'<div dir="ltr">{html or _lines(text)}</div><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" '
        f'class="gmail_attr">{escape(wrote)}<br></div><blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;'
        f'border-left:1px solid rgb(204,204,204);padding-left:1ex">{_rich(answered)}</blockquote></div>'
    )
    return _write(answered, sender, f"{text}\n\n{wrote}\n\n{quoted}\n", rich, extra, to)


def apple(answered: bytes, sender: str, text: str, extra: str = "", to: str = "", html: str = "") -> bytes:
    """HTML only."""
    wrote = escape(f"On 16. Nov 2026, at 10:00, {read(answered)['From']} wrote:")
    rich = (
        f'<html><head></head><body style="overflow-wrap: break-word;">{html or _lines(text)}<div><br><blockquote '
        f'type="cite"><div>{wrote}</div><br class="Apple-interchange-newline"><div>{_rich(answered)}</div></blockquote>'
        "</div><br></body></html>"
    )
    return _write(answered, sender, "", rich, extra, to)


def outlook(answered: bytes, sender: str, text: str, extra: str = "", to: str = "", html: str = "") -> bytes:
    """HTML of Word, and a plain form with a header block over the unmarked quote."""
    found = read(answered)
    fields = [("From", found["From"]), ("Sent", "Monday, November 16, 2026 10:00 AM"), ("To", found["To"]),
              ("Subject", found["Subject"])]  # fmt: skip
    block = "\n".join(f"{name}: {value}" for name, value in fields)
    rich_block = "<br>".join(f"<b>{name}:</b> {escape(str(value))}" for name, value in fields)
    mine = html or "".join(
        f'<p class="MsoNormal">{escape(line) or "<o:p>&nbsp;</o:p>"}</p>' for line in text.split("\n")
    )
    rich = (
        '<html xmlns:o="urn:schemas-microsoft-com:office:office"><head>'
        "<style><!-- p.MsoNormal {margin:0cm} --></style>"
        f'</head><body lang="EN-US"><div class="WordSection1">{mine}<p class="MsoNormal"><o:p>&nbsp;</o:p></p><div>'
        '<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p class="MsoNormal">'
        f'{rich_block}<o:p></o:p></p></div></div><p class="MsoNormal"><o:p>&nbsp;</o:p></p>{_rich(answered)}</div>'
        "</body></html>"
    )
    return _write(answered, sender, f"{text}\n\n{block}\n\n{body(answered, 'plain')}", rich, extra, to)
