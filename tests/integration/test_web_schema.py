"""The API keeps what its OpenAPI document says, whatever it is sent; no answer is an error of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from helpdesk_daemon.adapters.store.access import tokens
from helpdesk_daemon.settings import load_settings
from helpdesk_daemon.web import services
from tests.contract.rows import Database
from tests.harness.web import WEB, site_on
from tests.harness.world import write_settings

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance, unsupported_method,
]  # fmt: skip
EXAMPLES = settings(
    max_examples=20, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[schemathesis.BaseSchema, dict[str, str]]]:
    """The schema of an API on a database with tickets, and the header of a token that may do everything."""
    monkeypatch.setattr(services, "WAIT", 0.0)  # nobody decides here
    written = load_settings(write_settings(tmp_path, "maildir:inbox", 25, limits=WEB))
    written.web.token_requests_minutely = 1_000_000
    (tmp_path / "data").mkdir()
    db = Database(tmp_path / "data" / "helpdesk.db")
    for number in range(1, 4):
        db.open_ticket(number)
    token = tokens.create(db.engine, db.clock, "test", ("submit", "read", "manage"), "tester")
    with site_on(written, db.engine, db.clock) as app:
        yield schemathesis.openapi.from_asgi("/api/openapi.json", app), {"Authorization": f"Bearer {token}"}
    db.engine.dispose()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_the_api_conforms(api: tuple[schemathesis.BaseSchema, dict[str, str]], mode: GenerationMode) -> None:
    schema, headers = api
    tried = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()

        @given(case=operation.as_strategy(generation_mode=mode))
        @EXAMPLES
        def conforms(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS)

        conforms()
        tried += 1
    assert tried == 11
