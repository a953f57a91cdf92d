"""Generation 2 on the wire: for the same call our request is the official SDK's, and both read the same answer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import msgpack
import numpy as np
import pytest
from endee import Endee as Sdk

from helpdesk_daemon.adapters.index.endee import Endee, Server
from helpdesk_daemon.adapters.index.endee_wire import FIELD, PRECISION, V2
from helpdesk_daemon.triage.vote import Vectors
from tests.harness.endee import EndeeServer
from tests.harness.endee_behaviour import MSGPACK, Answer, Asked

NAME, TOKEN, EF = "helpdesk", "db:secret", 512
MATTER = ("authorization", "content-type")


def unit(count: int, seed: int) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((count, 384)).astype(np.float32)
    found: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return found


VECTORS, QUERY = unit(5, 1), unit(1, 2)
IDS = ["1", "22", "333", "4444", "55555"]


class Both:
    """The SDK and our client on one server."""

    def __init__(self, server: EndeeServer) -> None:
        self.server = server
        self.ours = Endee(Server(server.url, NAME, lambda: TOKEN, ef=EF))
        self.ours.connect()
        self.sdk = Sdk(token=TOKEN)
        self.sdk.set_base_url(f"{server.url}/api/v2")

    def asked(self, call: Any) -> list[Asked]:
        self.server.asked.clear()
        call()
        return list(self.server.asked)

    def same(self, sdk: Any, ours: Any) -> None:
        """Both calls make one and the same request."""
        (one,), (other,) = self.asked(sdk), self.asked(ours)
        assert (one.method, one.path) == (other.method, other.path)
        assert {n: one.headers.get(n) for n in MATTER} == {n: other.headers.get(n) for n in MATTER}
        assert one.body == other.body


@pytest.fixture
def both() -> Iterator[Both]:
    with EndeeServer(2, TOKEN) as server:
        pair = Both(server)
        with contextlib.closing(pair.ours):
            pair.ours.create(384)
            yield pair


def test_health(both: Both) -> None:
    both.same(both.sdk.health, both.ours.connect)


def test_create(both: Both) -> None:
    params = {"dimension": 384, "space_type": "cosine", "precision": PRECISION}
    fields = [{"name": FIELD, "type": "vector", "params": params}]
    both.ours.drop()

    def sdk() -> None:
        both.sdk.create_collection(NAME, fields)
        both.server.indexes.clear()

    both.same(sdk, lambda: both.ours.create(384))


def test_describe(both: Both) -> None:
    both.same(lambda: both.sdk.get_collection(NAME), both.ours.describe)


def test_upsert(both: Both) -> None:
    collection = both.sdk.get_collection(NAME)
    objects = [{"id": i, "fields": {FIELD: row.tolist()}} for i, row in zip(IDS, VECTORS, strict=True)]
    both.same(lambda: collection.upsert(objects), lambda: both.ours.upsert(IDS, VECTORS))


def test_search(both: Both) -> None:
    collection = both.sdk.get_collection(NAME)
    asked = {FIELD: {"query": QUERY[0].tolist(), "limit": 3}}
    both.same(lambda: collection.search(asked, ef_search=EF), lambda: both.ours.search(QUERY, 3))


def test_what_the_sdk_inserted_we_find_and_what_we_inserted_the_sdk_finds(both: Both) -> None:
    collection = both.sdk.get_collection(NAME)
    both.ours.upsert(IDS[:2], VECTORS[:2])
    collection.upsert([{"id": i, "fields": {FIELD: v.tolist()}} for i, v in zip(IDS[2:], VECTORS[2:], strict=True)])
    (ours,) = both.ours.search(QUERY, 5)
    theirs = collection.search({FIELD: {"query": QUERY[0].tolist(), "limit": 5}}, ef_search=EF)["results"][FIELD]
    assert sorted(hit.id for hit in ours) == sorted(IDS)
    assert [(hit.id, hit.similarity) for hit in ours] == [(row["id"], row["similarity"]) for row in theirs]


def test_delete_and_drop(both: Both) -> None:
    collection = both.sdk.get_collection(NAME)
    both.ours.upsert(IDS, VECTORS)
    both.same(lambda: collection.delete_object("22"), lambda: both.ours.delete("22"))
    both.server.fault = lambda asked: Answer.text(200, "{}", "application/json")
    both.same(lambda: both.sdk.delete_collection(NAME), both.ours.drop)


def test_an_answer_with_more_than_we_need_is_read_as_the_sdk_reads_it(both: Both) -> None:
    answer = msgpack.packb([{7: ["12", b"x", "{}", 1], -8: ["9", b"", ""]}, {FIELD: [[-8, 1], [7, 0.5]]}])
    both.server.fault = lambda asked: Answer(200, answer, MSGPACK) if asked.path.endswith("search") else None
    collection = both.sdk.get_collection(NAME)
    theirs = collection.search({FIELD: {"query": QUERY[0].tolist()}})["results"][FIELD]
    assert [(hit.id, hit.similarity) for hit in V2().hits(answer)] == [(r["id"], r["similarity"]) for r in theirs]
