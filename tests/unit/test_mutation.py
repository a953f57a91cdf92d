"""Our golden mails, damaged in every way a relay or a liar can: parse and screen survive all of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from helpdesk_daemon.mail.bounce.verdict import failed_recipients
from helpdesk_daemon.mail.digest import digest
from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.mail.screening.table import Policy, screen
from tests.unit.test_parse import assert_storable

SEED = 20260504
MOST_SECONDS = 10.0  # of the processor, a mail; most take milliseconds, and what is not linear takes minutes
MOST_GROWTH = 200_000_000  # bytes, over a whole soak
MAILS = [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "messages").glob("*.eml"))]
POLICY = Policy(own_addresses=frozenset({"support@helpdesk.example"}), is_own_id=lambda identifier: False)
SPLINTERS = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\x00", b"\xff\xfe", b"=?", b"?=", b"=?utf-8?B?", b"--", b"--one",
    b"--one--\n", b";", b'"', b"'", b"<", b">", b"@", b"*0*=", b"%", b"\\", b"=", b"begin 644 x\n",
    b"end\n", b"=ybegin name=x\n",
    b"<table>", b"<!--", b"<blockquote>", b"</", b"On 1 May 2026, Ada wrote:\r\n", b"> ", b"-- \n", b"\x1b$B", b"+2AA",
    b"Content-Type: multipart/mixed; boundary=one\r\n", b"Content-Type: message/rfc822\n",
    b"Content-Type: text/html\n",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: x-uuencode\r\n", b"charset=utf-7",
    b"Content-Type: message/delivery-status\r\n", b"Content-Type: application/ms-tnef\r\n\r\n\x78\x9f\x3e\x22",
)  # fmt: skip


def flip(raw: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randrange(1, 20)):
        raw[rng.randrange(len(raw))] = rng.randrange(256)


def cut(raw: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(raw))
    del raw[at : at + rng.choice([1, 5, 40, 300, len(raw)])]


def double(raw: bytearray, rng: random.Random) -> None:
    """Repeat a stretch: a header, a part, or half of one."""
    lines = bytes(raw).splitlines(keepends=True)
    at = rng.randrange(len(lines))
    stretch = lines[at : at + rng.choice([1, 2, 10])] * rng.choice([1, 2, 50])
    raw[:] = b"".join(lines[:at] + stretch + lines[at:])


def swap(raw: bytearray, rng: random.Random) -> None:
    lines = bytes(raw).splitlines(keepends=True)
    one, two = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[two] = lines[two], lines[one]
    raw[:] = b"".join(lines)


def splinter(raw: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(raw) + 1)
    raw[at:at] = rng.choice(SPLINTERS) * rng.choice([1, 1, 1, 3, 200])


def break_boundaries(raw: bytearray, rng: random.Random) -> None:
    raw[:] = bytes(raw).replace(b"--", rng.choice([b"-", b"---", b"", b"--x", b" --"]), rng.randrange(1, 6))


def graft(raw: bytearray, rng: random.Random) -> None:
    """Part of another mail, in the middle of this one."""
    other = rng.choice(MAILS)
    at, start = rng.randrange(len(raw) + 1), rng.randrange(max(len(other), 1))
    raw[at:at] = other[start : start + rng.choice([50, 500, 5_000])]


DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flip, cut, double, swap, splinter, break_boundaries, graft,
)  # fmt: skip


def damaged(count: int) -> Iterator[tuple[int, bytes]]:
    """`count` damaged mails, each made from its own seed, so that one that fails can be made again."""
    for number in range(count):
        rng = random.Random(SEED + number)
        raw = bytearray(MAILS[number % len(MAILS)])
        for _ in range(rng.randrange(1, 6)):
            if raw:
                rng.choice(DAMAGES)(raw, rng)
        yield number, bytes(raw[:500_000])


def survive(number: int, raw: bytes) -> None:
    began = time.thread_time()
    try:
        found = parse(raw)
        screening = screen(found, POLICY)
        failed_recipients(found)
        digest(raw, b"key")
    except Exception as error:
        raise AssertionError(f"mail {number} of seed {SEED} raised {error!r}") from error
    assert screening.reason
    assert_storable(found)
    assert not [d for d in found.defects if "reading failed" in d], f"mail {number}: {found.defects}"
    assert time.thread_time() - began < MOST_SECONDS, f"mail {number} of seed {SEED} took too long"


def test_damaged_mails_are_read() -> None:
    for number, raw in damaged(500):
        survive(number, raw)


@pytest.mark.soak
def test_twenty_thousand_damaged_mails_are_read_within_bounds() -> None:
    process = psutil.Process()
    for number, raw in damaged(len(MAILS) * 10):
        survive(number, raw)  # what is loaded once is loaded now
    before = process.memory_info().rss
    for number, raw in damaged(20_000):
        survive(number, raw)
    assert process.memory_info().rss - before < MOST_GROWTH
