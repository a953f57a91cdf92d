"""The log's two forms: JSON, a line an event, for machines; aligned words for people."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from helpdesk_daemon import log

HOSTILE = 'two\nlines, a "quote", \x1b[31mred\x1b[0m and ünïcode'


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    log.setup("error", "json")


def test_json_is_one_object_a_line_whatever_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup("info", "json")
    log.get("ingest").info("message.arrived", subject=HOSTILE, count=2)
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        log.get("decide").error("message.failed", exc_info=True)
    lines = capsys.readouterr().err.splitlines()
    first, second = (json.loads(line) for line in lines)
    assert first.pop("timestamp").endswith("Z")
    assert first == {"stage": "ingest", "event": "message.arrived", "subject": HOSTILE, "count": 2, "level": "info"}
    assert "ValueError" in second["exception"]
    assert "\x1b" not in "".join(lines)


def test_pretty_shows_the_event_first_and_no_line_of_a_stranger(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup("info", "pretty")
    log.get("ingest").info("message.arrived", subject=HOSTILE)
    said = capsys.readouterr().err
    assert "message.arrived" in said
    assert said.count("\n") == 1, "a stranger's line end ends no line of ours"
    assert "\x1b[31mred" not in said, "nor does he paint"


def test_auto_is_json_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup("info", "auto")
    log.get("app").info("daemon.started")
    assert json.loads(capsys.readouterr().err)["event"] == "daemon.started"


def test_less_than_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup("warning", "json")
    log.get("app").info("daemon.started")
    assert capsys.readouterr().err == ""


def test_addresses_are_digests_but_when_debugging() -> None:
    log.who.cache_clear()
    log.setup("info", "json")
    assert log.who("Zoe@Customer.example").startswith("addr-")
    assert log.who("Zoe@Customer.example") == log.who("zoe@customer.example")
    log.who.cache_clear()
    log.setup("debug", "json")
    assert log.who("zoe@customer.example") == "zoe@customer.example"
    log.who.cache_clear()
