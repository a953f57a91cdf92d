"""The test server against a recording of a genuine one; collected only where the recording is at hand."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.harness.endee import EndeeServer
from tests.harness.exchanges import Exchange, agree, exchanges, recording

RECORDING = recording()

# What behaviour cannot tell: the first row that matches says why. Everything else must come out as recorded.
NOT_TOLD: list[tuple[str, Callable[[Exchange], object]]] = [
    (
        "a filter, which the daemon never sends",
        lambda e: b'"filter"' in e.asked.body or re.search(r"/filters/|/vectors/delete", e.asked.path),
    ),
    (
        "a precision or metric the daemon does not use",
        lambda e: re.search(r"/s_\w+_(int|float16|binary)|/s_l2_|/kb_(?!float32|err)|/sdk_", e.asked.path),
    ),
    (
        "vectors whose insertion was not recorded",
        lambda e: re.search(r"/(kb_float32|f1|k10|dd|big)/|/index/list$", e.asked.path),
    ),
    ("the order of equally near vectors", lambda e: e.label == "query zero"),
    ("numbers made of memory that is not the vector's", lambda e: e.label.startswith("search wrong dim")),
]


def why_not(exchange: Exchange) -> str:
    return next((why for why, holds in NOT_TOLD if holds(exchange)), "")


if RECORDING:
    ALL = exchanges(RECORDING)

    def test_every_recorded_request_is_answered_as_recorded() -> None:
        server = EndeeServer(1, "testtoken", recorded=[(e.asked, e.answer) for e in ALL])
        assert len(ALL) == 422
        for exchange in ALL:
            assert server.answer(exchange.asked) == exchange.answer, exchange.label

    def test_behaviour_alone_answers_as_recorded_but_for_what_it_cannot_know() -> None:
        server = EndeeServer(1, "testtoken")
        wrong, told = [], 0
        for number, exchange in enumerate(ALL):
            if agree(server.answer(exchange.asked), exchange.answer):
                told += 1
            elif not why_not(exchange):
                wrong.append(f"{number} {exchange.label}")
        assert wrong == []
        assert told >= 245
