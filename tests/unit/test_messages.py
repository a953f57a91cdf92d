"""The golden mails of tests/messages, each read and screened as its JSON says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpdesk_daemon.mail.bounce.verdict import failed_recipients
from helpdesk_daemon.mail.digest import digest
from helpdesk_daemon.mail.message import Attachment
from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.mail.screening.table import Policy, screen

FOLDER = Path(__file__).parents[1] / "messages"
MAILS = sorted(FOLDER.glob("*.eml"))
POLICY = Policy(own_addresses=frozenset({"support@helpdesk.example"}), is_own_id=lambda identifier: False)


def expected_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return found


def assert_attachment(found: Attachment, expected: dict[str, Any]) -> None:
    assert (found.name, found.content_type) == (expected["name"], expected["type"])
    if "inline" in expected:
        assert found.inline == expected["inline"]
    if "size" in expected:
        assert len(found.content) == expected["size"]
    if "contains" in expected:
        assert expected["contains"].encode() in found.content


def test_every_mail_has_its_expectations() -> None:
    assert len(MAILS) >= 25
    assert {m.stem for m in MAILS} == {j.stem for j in FOLDER.glob("*.json")}


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.stem)
def test_a_golden_mail_is_read(path: Path) -> None:
    found, expected = parse(path.read_bytes()), expected_of(path)
    assert found.subject == expected["subject"]
    assert str(found.sender) == expected["from"]
    if "text" in expected:
        assert found.text.strip() == expected["text"]
    assert expected.get("text_contains", "") in found.text
    assert expected.get("html_contains", "") in found.html
    if "attachments" in expected:
        assert [a.name for a in found.attachments] == [a["name"] for a in expected["attachments"]]
        for attachment, wanted in zip(found.attachments, expected["attachments"], strict=True):
            assert_attachment(attachment, wanted)
    assert list(failed_recipients(found)) == expected.get("failed_recipients", [])
    if "defects" in expected:
        assert list(found.defects) == expected["defects"]
    assert expected.get("defects_contain", "") in "\n".join(found.defects)


@pytest.mark.parametrize("path", [p for p in MAILS if "new_text" in expected_of(p)], ids=lambda path: path.stem)
def test_the_new_part_of_a_golden_mail_is_found(path: Path) -> None:
    assert parse(path.read_bytes()).new_text == expected_of(path)["new_text"]


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.stem)
def test_a_golden_mail_is_screened(path: Path) -> None:
    found, expected = screen(parse(path.read_bytes()), POLICY), expected_of(path)
    assert found.kind == expected["kind"]
    if "row" in expected:
        assert found.row == expected["row"]
    if "acknowledge" in expected:
        assert found.acknowledge is expected["acknowledge"]


def test_no_two_golden_mails_are_taken_for_one_another() -> None:
    assert len({digest(path.read_bytes(), b"key") for path in MAILS}) == len(MAILS)


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.stem)
def test_line_ends_make_no_difference_to_a_golden_mail(path: Path) -> None:
    raw = path.read_bytes()
    one, two = parse(raw), parse(raw.replace(b"\r\n", b"\n"))
    assert (one.subject, one.sender, one.text, one.new_text) == (two.subject, two.sender, two.text, two.new_text)
    assert digest(raw, b"key") == digest(raw.replace(b"\r\n", b"\n"), b"key")
