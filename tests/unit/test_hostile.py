"""Mails made to cost time: each is read whole or cut with a word about it, and none holds up the others.

The bound is generous against what they take (the dearest a sixth of it); it counts what this thread computes.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable

import pytest

from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.mail.screening.table import Policy, screen
from tests.unit.making import mail
from tests.unit.test_mutation import MOST_SECONDS

POLICY = Policy(own_addresses=frozenset({"support@helpdesk.example"}), is_own_id=lambda identifier: False)
BIG = 50_000_000
HTML = "Content-Type: text/html; charset=utf-8"


def body(kind: str, content: bytes, encoding: str = "8bit") -> bytes:
    return mail(content, extra=f"Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}")


def field(name: str, value: bytes) -> bytes:
    return name.encode() + b": " + value + b"\r\n" + mail()


def nested(levels: int, below: bytes = b"") -> bytes:
    parts = [b'--b%d\r\nContent-Type: multipart/mixed; boundary="b%d"\r\n\r\n' % (n, n + 1) for n in range(levels)]
    return body('multipart/mixed; boundary="b0"', b"".join(parts) + below)


def repeated(part: bytes, count: int) -> bytes:
    return body("multipart/mixed; boundary=cut", (b"--cut\r\n" + part + b"\r\n") * count + b"--cut--\r\n")


def tnef(*attributes: tuple[int, bytes]) -> bytes:
    packed = b"".join(
        b"\x02" + number.to_bytes(4, "little") + len(value).to_bytes(4, "little") + value + b"\0\0"
        for number, value in attributes
    )
    return body("application/ms-tnef", base64.encodebytes(b"\x78\x9f\x3e\x22\x01\x00" + packed), "base64")


def properties(*values: bytes) -> bytes:
    head = b"\x02\x01\x09\x10\x01\0\0\0"  # compressed RTF, one value
    listed = b"".join(head + len(v).to_bytes(4, "little") + v + b"\0" * (-len(v) % 4) for v in values)
    return len(values).to_bytes(4, "little") + listed


HOSTILE: dict[str, Callable[[], bytes]] = {
    "one line": lambda: body("text/plain", b"a" * BIG),
    "one line of spaces": lambda: body("text/plain", b" " * BIG),
    "line ends": lambda: body("text/plain", b"\r\n" * (BIG // 2)),
    "carriage returns": lambda: body("text/plain", b"\r" * BIG),
    "quote marks": lambda: body("text/plain", b"> " * (BIG // 2)),
    "attributions": lambda: body("text/plain", b"On x wrote:\n" * (BIG // 12)),
    "bytes of no charset": lambda: body("text/plain; charset=utf-8", bytes(range(128, 256)) * (BIG // 128)),
    "no header at all": lambda: b"a" * BIG,
    "header only": lambda: b"a: b\n" * (BIG // 5),
    "flowed": lambda: body("text/plain; format=flowed", b"a \n" * (BIG // 3)),
    "base64 of padding": lambda: body("application/x; name=a", b"QQ==\n" * (BIG // 5), "base64"),
    "quoted-printable": lambda: body("text/html", b"=41=\n" * (BIG // 5), "quoted-printable"),
    "uuencode": lambda: body("application/x; name=a", b"begin 644 a\n" + b"#86%A\n" * (BIG // 6), "x-uuencode"),
    "uuencode begun often": lambda: body("text/plain", b"begin 644 a\n!" * (BIG // 13)),
    "yEnc begun often": lambda: body("text/plain", b"\n=ybegin name=a" * (BIG // 14)),
    "nested parts": lambda: nested(1_000),
    "nested parts, large": lambda: nested(1_000, b"x\r\n" * (BIG // 3)),
    "nested mails": lambda: body("message/rfc822", b"Content-Type: message/rfc822\r\n\r\n" * 100_000),
    "many parts": lambda: repeated(b"Content-Type: text/plain\r\n\r\nhello", 200_000),
    "many parts of HTML": lambda: repeated(b"Content-Type: text/html\r\n\r\n" + b"<p>x" * 5_000, 600),
    "many parameters": lambda: repeated(b"Content-Type: text/plain; " + b'a="' * 5_000 + b"\r\n\r\nx", 500),
    "empty parts": lambda: body("multipart/mixed; boundary=cut", b"--cut\n" * (BIG // 6)),
    "almost boundaries": lambda: body("multipart/mixed; boundary=cut", b"--cutting\n" * (BIG // 10)),
    "a boundary of dashes": lambda: body('multipart/mixed; boundary="-"', b"-" * BIG),
    "boundaries to guess": lambda: body("multipart/mixed", b"--a\nContent-Type:" * (BIG // 17)),
    "header fields": lambda: b"".join(b"X-%d: b\r\n" % n for n in range(1_000_000)) + mail(),
    "a folded field": lambda: b"Subject: a\r\n" + b" b\r\n" * (BIG // 4) + mail(),
    "encoded words": lambda: field("Subject", b"=?utf-8?B?QUFB?= " * 28_000),
    "encoded words in many fields": lambda: (b"X: " + b"=?utf-8?q?=41?=" * 300 + b"\r\n") * 110 + mail(),
    "encoded words never closed": lambda: (b"X: " + b"=?a?q?" * 600 + b"\r\n") * 130 + mail(),
    "unknown charsets": lambda: field("Subject", b" ".join(b"=?x%d?q?=FF?=" % n for n in range(20_000))),
    "an address without end": lambda: field("Reply-To", b"a" * 490_000 + b"<@"),
    "brackets": lambda: field("Reply-To", b"(" * 490_000 + b"@"),
    "quotation marks": lambda: field("Reply-To", b'"' * 490_000 + b"@x"),
    "identifiers": lambda: field("References", b"<" * 490_000),
    "nested HTML": lambda: mail(b"<div>" * 400_000, extra=HTML),
    "nested tables": lambda: mail(b"<table><tr><td>" * 130_000, extra=HTML),
    "nested quotes": lambda: mail(b"<blockquote>x" * 150_000, extra=HTML),
    "links": lambda: mail(b"<a href='http://x.example'>y</a>" * 60_000, extra=HTML),
    "attributes": lambda: mail(b"<p " + b'a=" ' * 500_000, extra=HTML),
    "angle brackets": lambda: mail(b"<" * 2_000_000, extra=HTML),
    "entities": lambda: mail(b"&amp;" * 400_000, extra=HTML),
    "much HTML": lambda: mail(b"<p>hello world</p>\n" * (BIG // 19), extra=HTML),
    "a count that lies": lambda: tnef((0x00069003, b"\xff\xff\xff\xff")),
    "attributes of TNEF": lambda: tnef(*[(0x00069002, b"")] * 500_000),
    "properties of TNEF": lambda: tnef((0x00069003, b"\xff\xff\xff\x7f" + b"\x02\x00\x01\x00aaaa" * 1_000_000)),
    "packed RTF": lambda: tnef((0x00069003, properties(b"\0" * 8 + b"LZFu" + b"\0" * 4 + b"\xff\x10\x0f" * 9_000_000))),
    "nested RTF": lambda: tnef((0x00069003, properties(b"\0" * 8 + b"MELA" + b"\0" * 4 + b"\\a{" * 1_000_000))),
    "a long invitation": lambda: body("text/calendar", b"BEGIN:VEVENT\r\n" + b"SUMMARY:a\r\n b\r\n" * 3_000_000),
    "a long report": lambda: body("message/delivery-status", b"Final-Recipient: rfc822; a@b.c\r\n\r\n" * 1_000_000),
}  # fmt: skip


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_mail_costs_little(make: Callable[[], bytes]) -> None:
    raw = make()
    began = time.thread_time()
    found = parse(raw)
    taken = time.thread_time() - began
    assert taken < MOST_SECONDS
    assert screen(found, POLICY).reason
    assert isinstance(found, Message)
    assert not [d for d in found.defects if "reading failed" in d]


def test_our_address_is_found_behind_eight_thousand_others() -> None:
    others = ",\r\n ".join(f'"Reader, {n}" <reader{n}@list.example>' for n in range(8_000))
    found = parse(mail(to=f"{others}, support+token@helpdesk.example"))
    assert len(found.to) == 8_001
    assert found.recipients[-1] == "support+token@helpdesk.example"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (body("text/plain", b"a" * 5_000_000), "text part of 5000000 bytes cut"),
        (body("text/html", b"<p>word</p>" * 300_000), "HTML of 3300000 characters read up to"),
        (nested(100), "parts beyond the limits left in the raw mail"),
        (b"a: b\n" * 5_000 + mail(), "fields cut to 2000"),
        (b"X: " + b"a" * 600_000 + b"\r\n" + mail(), "header block of"),
    ],
)
def test_what_is_cut_is_said(raw: bytes, words: str) -> None:
    assert words in "\n".join(parse(raw).defects)
