"""What every suite shares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.schema import remembered


@pytest.fixture(scope="session", autouse=True)
def _schema() -> Iterator[None]:
    with remembered():
        yield
