"""Recorded exchanges with a genuine server, where they are at hand, and how two answers are compared."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgpack

from tests.harness.endee_behaviour import MSGPACK, Answer, Asked
from tests.harness.world import ROOT

BESIDE = ROOT.parent / "shared" / "endee" / "exchanges-v1.jsonl"
CHANGING = {"timestamp", "created_at", "lib_token"}
SAME = 1e-5


def recording() -> Path | None:
    """The file named by HELPDESK_TEST_ENDEE_EXCHANGES, or the one beside the checkout; None when there is none."""
    path = Path(os.environ.get("HELPDESK_TEST_ENDEE_EXCHANGES", BESIDE))
    return path if path.exists() else None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, and what the genuine server answered."""

    label: str
    asked: Asked
    answer: Answer


def exchanges(path: Path) -> list[Exchange]:
    """All of a recording, in order."""
    found = []
    for line in path.read_text().splitlines():
        row = json.loads(line)
        headers = {name.lower(): value for name, value in row["request_headers"].items()}
        kinds = {name.lower(): value for name, value in row["response_headers"].items()}
        bodies = [base64.b64decode(row[name] or "") for name in ("request_body_b64", "response_body_b64")]
        path_ = quote(row["path"], safe="/:@+,;=()!*~#")  # as the recording client must have written it
        asked = Asked(row["method"], path_, headers, bodies[0])
        found.append(Exchange(row["label"], asked, Answer(row["status"], bodies[1], kinds.get("content-type", ""))))
    return found


def agree(one: Answer, other: Answer) -> bool:
    """The same status, type and meaning; times and tokens aside."""
    if (one.status, one.content_type) != (other.status, other.content_type):
        return False
    return _same(_meaning(one), _meaning(other))


def _meaning(answer: Answer) -> Any:
    if answer.content_type == MSGPACK:
        return msgpack.unpackb(answer.body, raw=False, strict_map_key=False)
    try:
        return json.loads(answer.body)
    except ValueError:
        return answer.body


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) < SAME or (one != one and other != other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return set(one) == set(other) and all(_same(one[key], other[key]) for key in set(one) - CHANGING)
    return bool(one == other)
