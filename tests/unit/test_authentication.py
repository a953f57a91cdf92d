"""Only what our own server wrote about a mail's origin counts."""

from __future__ import annotations

import pytest

from helpdesk_daemon.mail.message import Headers
from helpdesk_daemon.mail.screening.authentication import dmarc_failed, results

OURS = "mx.helpdesk.example"


def fields(*values: str) -> Headers:
    return Headers(tuple(("Authentication-Results", value) for value in values))


def test_results_of_our_server() -> None:
    found = results(
        fields(f"{OURS}; spf=pass smtp.mailfrom=x.example; dkim=none; dmarc=fail (p=reject) header.from=x.example"),
        OURS,
    )
    assert found == {"spf": "pass", "dkim": "none", "dmarc": "fail"}


@pytest.mark.parametrize(
    "value",
    [
        f"{OURS}; dmarc=fail",
        f"{OURS.upper()} 1; DMARC=FAIL",
        f"{OURS};\tdmarc = fail (p=none)",
        f"(comment) {OURS}; dkim=pass; dmarc=fail",
        f"{OURS}; spf=pass (sender is x; dmarc=pass in words) smtp.mailfrom=a@x.example; dmarc=fail",
    ],
)
def test_dmarc_failure(value: str) -> None:
    assert dmarc_failed(fields(value), OURS)


@pytest.mark.parametrize("value", [f"{OURS}; dmarc=pass", f"{OURS}; none", f"{OURS}; spf=fail", "", ";"])
def test_no_dmarc_failure(value: str) -> None:
    assert not dmarc_failed(fields(value), OURS)


def test_another_server_is_not_believed() -> None:
    assert results(fields("mx.evil.example; dmarc=fail"), OURS) == {}
    assert results(fields(f"{OURS}.evil.example; dmarc=fail"), OURS) == {}


def test_only_the_topmost_of_our_fields_counts() -> None:
    assert dmarc_failed(fields(f"{OURS}; dmarc=fail", f"{OURS}; dmarc=pass"), OURS)
    assert not dmarc_failed(fields(f"{OURS}; dmarc=pass", f"{OURS}; dmarc=fail"), OURS)


def test_without_a_name_nothing_is_believed() -> None:
    assert results(fields(f"{OURS}; dmarc=fail", "; dmarc=fail"), " ") == {}


@pytest.mark.parametrize(
    "sender",
    ['"a dmarc=pass b"@evil.example', '"x;dmarc=pass"@evil.example', "a@evil.example (one (two) dmarc=pass )"],
)
def test_a_sender_cannot_write_results_with_its_own_address(sender: str) -> None:
    assert dmarc_failed(fields(f"{OURS}; spf=pass smtp.mailfrom={sender}; dmarc=fail"), OURS)


@pytest.mark.parametrize(
    "value",
    [
        f"{OURS} spf=pass smtp.mailfrom=x.example dkim=none dmarc=fail header.from=x.example",
        f"{OURS};spf=pass,dkim=none ; dmarc=fail(p=reject dis=none)",
        f'{OURS}; dmarc=fail reason="an unclosed quote',
        f"{OURS}; (an unclosed comment; dmarc=pass) dmarc=fail",
        f"{OURS}; spf=pass smtp.mailfrom=a dmarc=pass; dmarc=fail",
    ],
)
def test_fields_that_break_the_grammar_are_read(value: str) -> None:
    assert dmarc_failed(fields(value), OURS)


def test_a_server_that_names_itself_not_at_all() -> None:
    value = "spf=fail (sender IP is 192.0.2.1) smtp.mailfrom=x.example; dkim=none; dmarc=fail action=oreject"
    assert results(fields(value, f"{OURS}; dmarc=pass"), "*") == {"spf": "fail", "dkim": "none", "dmarc": "fail"}
    assert not dmarc_failed(fields(f"{OURS}; dmarc=pass", value), "*")
    assert results(fields(value), OURS) == {}
