"""A genuine Endee server, where HELPDESK_TEST_ENDEE_URL names one: what the daemon relies on holds there, too."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from helpdesk_daemon.adapters.index.exact import ExactIndex
from helpdesk_daemon.ports import Example
from tests.harness.endee_index import genuine

URL = os.environ.get("HELPDESK_TEST_ENDEE_URL", "")
COUNT = 3_000

if URL:

    def test_load_vote_correct_and_withdraw(tmp_path: Path) -> None:
        rng = np.random.default_rng(1)
        topics = rng.standard_normal((30, 384))
        found = topics[rng.integers(0, 30, COUNT)] + 0.7 * rng.standard_normal((COUNT, 384))
        vectors = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
        rows = [Example(n, f"text {n}", f"category {n % 5}", "seed") for n in range(1, COUNT + 1)]
        exact = ExactIndex()
        with genuine(tmp_path, URL) as index:
            for first, last in ((0, COUNT - 100), (50, COUNT)):
                exact.replace(rows[first:last], vectors[first:last])
                index.replace(rows[first:last], vectors[first:last])
                assert index.keeper.found_share >= 0.95
                assert index.count() == last - first
                one, other = exact.search(vectors[:64], 20), index.search(vectors[:64], 20)
                agreed = sum(
                    len({n.example for n in a} & {n.example for n in b}) for a, b in zip(one, other, strict=True)
                )
                assert agreed >= 0.95 * 64 * 20
                assert index.trouble == ""
            assert index.answered == 2 * 64
            assert index.sync().inserted == 0
