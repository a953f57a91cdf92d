"""Generated mails: deterministic, 60 to 200 words, one in ten with an attachment of 50 KB."""

from __future__ import annotations

import base64
import random
from datetime import UTC, datetime
from email.utils import format_datetime

WORDS = [
    "account",
    "login",
    "password",
    "invoice",
    "refund",
    "charge",
    "printer",
    "router",
    "update",
    "error",
    "crash",
    "screen",
    "export",
    "report",
    "price",
    "plan",
    "upgrade",
    "cancel",
    "delivery",
    "order",
    "shipping",
    "address",
    "browser",
    "phone",
    "app",
    "server",
    "network",
    "slow",
    "timeout",
    "email",
    "attachment",
    "calendar",
    "contact",
    "license",
    "key",
    "team",
    "user",
    "admin",
    "role",
    "access",
    "team",
    "billing",
    "card",
    "bank",
    "payment",
    "receipt",
    "tax",
    "we",
    "cannot",
    "since",
    "yesterday",
    "the",
    "after",
    "please",
    "could",
    "you",
    "help",
    "me",
    "with",
    "this",
    "because",
    "it",
    "does",
    "not",
    "work",
    "any",
    "more",
    "and",
    "our",
    "customers",
    "are",
    "waiting",
    "thanks",
    "in",
    "advance",
    "when",
    "i",
    "open",
    "it",
    "nothing",
    "happens",
    "again",
    "today",
    "for",
    "my",
    "colleague",
]
START = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)


def mail(number: int, seed: int = 1, sender: str = "", subject: str = "", extra: str = "") -> bytes:
    """The mail of a number: the same bytes at every call.

    Args:
        number: which one.
        seed: another seed gives other mails.
        sender: address to use instead of a generated one.
        subject: to use instead of a generated one.
        extra: further header lines, each with its line end.
    """
    rng = random.Random(f"{seed}-{number}")
    text = " ".join(rng.choice(WORDS) for _ in range(rng.randint(60, 200)))
    lines = "\r\n".join(text[i : i + 72] for i in range(0, len(text), 72))
    sender = sender or f"customer{number}@mail{number % 97}.example.net"
    subject = subject or " ".join(rng.choice(WORDS) for _ in range(5))
    head = (
        f"From: Customer {number} <{sender}>\r\nTo: support@helpdesk.example\r\nSubject: {subject}\r\n"
        f"Date: {format_datetime(START)}\r\nMessage-ID: <{seed}.{number}@mail{number % 97}.example.net>\r\n"
        f"MIME-Version: 1.0\r\n{extra}"
    )
    plain = f"Content-Type: text/plain; charset=utf-8\r\n\r\n{lines}\r\n"
    if number % 10:
        return (head + plain).encode()
    attachment = base64.encodebytes(rng.randbytes(37_000)).decode().replace("\n", "\r\n")
    return (
        f'{head}Content-Type: multipart/mixed; boundary="cut-{number}"\r\n\r\n--cut-{number}\r\n{plain}\r\n'
        f'--cut-{number}\r\nContent-Type: application/pdf; name="file-{number}.pdf"\r\n'
        f'Content-Disposition: attachment; filename="file-{number}.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
        f"{attachment}\r\n--cut-{number}--\r\n"
    ).encode()
