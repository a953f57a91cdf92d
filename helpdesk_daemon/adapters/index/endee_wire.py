"""Endee's two API generations as bytes: requests made and answers read, nothing sent.

v1 is what the open-source server up to 1.3 speaks, measured on one. v2 is what the official SDK 2.2.0 speaks;
no v2 server was at hand.
"""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar

import msgpack
import numpy as np
import numpy.typing as npt

from helpdesk_daemon.errors import PermanentError
from helpdesk_daemon.triage.vote import Vectors

JSON, MSGPACK = "application/json", "application/msgpack"  # to the letter: a charset behind it is refused
PRECISION = "float32"
FIELD = "embedding"
Vector = npt.NDArray[np.float32]  # shape (d,), L2-normalised
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, but for the server and the token."""

    method: str
    path: str
    body: bytes = b""
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class Described:
    """What a server says about an index.

    Attributes:
        dimension: of its vectors.
        count: how many vectors it holds; None where the generation does not tell.
        epoch: when it was made, as the server writes it; another one means another index of the same name.
    """

    dimension: int
    count: int | None
    epoch: str


@dataclass(frozen=True, slots=True)
class Hit:
    """One example the server found: its id there, and the similarity it claims."""

    id: str
    similarity: float


def _reading(read: Callable[P, R]) -> Callable[P, R]:
    """Whatever goes wrong in reading an answer is the same to the caller: it is not what was asked for."""

    @functools.wraps(read)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return read(*args, **kwargs)
        except Exception as error:
            raise PermanentError(f"Endee's answer cannot be read: {type(error).__name__} {error}"[:200]) from error

    return guarded


class Wire(Protocol):
    """One API generation."""

    generation: int

    def health(self) -> Request:
        """Is it this generation, and alive?"""

    def create(self, name: str, dimension: int) -> Request:
        """Make an index for unit vectors."""

    def drop(self, name: str) -> Request:
        """Delete an index with all it holds."""

    def describe(self, name: str) -> Sequence[Request]:
        """All that `described` needs the answers of, in order."""

    def described(self, name: str, answers: Sequence[bytes]) -> Described:
        """What an index is."""

    def upsert(self, name: str, ids: Sequence[str], vectors: Vectors) -> Request:
        """Insert, or replace what has the same id."""

    def delete(self, name: str, id_: str) -> Request:
        """Delete one vector."""

    def search(self, name: str, query: Vector, k: int, ef: int) -> Request:
        """The k nearest of one query, looking at `ef` candidates."""

    def hits(self, answer: bytes) -> list[Hit]:
        """What a search found."""


class V1:
    """`/api/v1/index/…`."""

    generation = 1

    def health(self) -> Request:
        """See `Wire.health`."""
        return Request("GET", "/api/v1/health")

    def create(self, name: str, dimension: int) -> Request:
        """See `Wire.create`."""
        wanted = {"index_name": name, "dim": dimension, "space_type": "cosine", "precision": PRECISION}
        return _json("POST", "/api/v1/index/create", wanted)

    def drop(self, name: str) -> Request:
        """See `Wire.drop`."""
        return Request("DELETE", f"/api/v1/index/{name}/delete")

    def describe(self, name: str) -> Sequence[Request]:
        """See `Wire.describe`; only the list says when an index was made."""
        return [Request("GET", f"/api/v1/index/{name}/info"), Request("GET", "/api/v1/index/list")]

    @_reading
    def described(self, name: str, answers: Sequence[bytes]) -> Described:
        """See `Wire.described`."""
        info, listed = json.loads(answers[0]), json.loads(answers[1])["indexes"]
        made = next((str(row.get("created_at", "")) for row in listed if row["name"] == name), "")
        return Described(int(info["dimension"]), int(info["total_elements"]), made)

    def upsert(self, name: str, ids: Sequence[str], vectors: Vectors) -> Request:
        """See `Wire.upsert`. An object is [id, meta, filter, norm, vector]."""
        rows = [[id_, b"", "", 1.0, vector] for id_, vector in zip(ids, vectors.tolist(), strict=True)]
        return Request("POST", f"/api/v1/index/{name}/vector/insert", _pack(rows), MSGPACK)

    def delete(self, name: str, id_: str) -> Request:
        """See `Wire.delete`."""
        return Request("DELETE", f"/api/v1/index/{name}/vector/{id_}/delete")

    def search(self, name: str, query: Vector, k: int, ef: int) -> Request:
        """See `Wire.search`; without a filter, as with one the similarity field holds a distance."""
        asked = {"k": k, "ef": ef, "include_vectors": False, "vector": query.tolist()}
        return _json("POST", f"/api/v1/index/{name}/search", asked)

    @_reading
    def hits(self, answer: bytes) -> list[Hit]:
        """See `Wire.hits`. A hit is [similarity, id, …]; whole numbers come as integers."""
        return [Hit(_text(row[1]), float(row[0])) for row in _unpack(answer)]


class V2:
    """`/api/v2/collection/…`."""

    generation = 2

    def health(self) -> Request:
        """See `Wire.health`."""
        return Request("GET", "/api/v2/health")

    def create(self, name: str, dimension: int) -> Request:
        """See `Wire.create`."""
        params = {"dimension": dimension, "space_type": "cosine", "precision": PRECISION}
        wanted = {"name": name, "fields": [{"name": FIELD, "type": "vector", "params": params}]}
        return _json("POST", "/api/v2/collection", wanted)

    def drop(self, name: str) -> Request:
        """See `Wire.drop`."""
        return Request("DELETE", f"/api/v2/collection/{name}")

    def describe(self, name: str) -> Sequence[Request]:
        """See `Wire.describe`."""
        return [Request("GET", f"/api/v2/collection/{name}")]

    @_reading
    def described(self, name: str, answers: Sequence[bytes]) -> Described:
        """See `Wire.described`; this generation does not tell how many it holds."""
        said = json.loads(answers[0])
        field = next(f for f in said["fields"] if f["name"] == FIELD)
        return Described(int(field["params"]["dimension"]), None, str(said.get("created_at", "")))

    def upsert(self, name: str, ids: Sequence[str], vectors: Vectors) -> Request:
        """See `Wire.upsert`. An object is [id, meta, filter, vectors, sparse ones, multi-vectors].

        As the SDK does, the vector is normalised once more and its length noted in the meta.
        """
        rows = []
        for id_, vector in zip(ids, vectors, strict=True):
            unit, length = _unit(vector)
            meta = json.dumps({"internal_": {FIELD: length}}, separators=(",", ":"))
            rows.append([id_, zlib.compress(meta.encode()), "", {FIELD: unit}, {}, {}])
        return Request("POST", f"/api/v2/collection/{name}/objects", _pack([rows]), MSGPACK)

    def delete(self, name: str, id_: str) -> Request:
        """See `Wire.delete`."""
        return Request("DELETE", f"/api/v2/collection/{name}/objects/{id_}")

    def search(self, name: str, query: Vector, k: int, ef: int) -> Request:
        """See `Wire.search`."""
        asked = {"fields": [{FIELD: {"query": _unit(query)[0], "limit": k, "ef_search": ef}}]}
        return _json("POST", f"/api/v2/collection/{name}/search", asked)

    @_reading
    def hits(self, answer: bytes) -> list[Hit]:
        """See `Wire.hits`. The answer is [{number: [id, …]}, {field: [[number, similarity], …]}]."""
        objects, found = _unpack(answer)
        return [Hit(_text(objects[number][0]), float(similarity)) for number, similarity in found.get(FIELD, [])]


def _json(method: str, path: str, value: object) -> Request:
    return Request(method, path, json.dumps(value).encode(), JSON)


def _pack(value: object) -> bytes:
    packed: bytes = msgpack.packb(value, use_bin_type=True, use_single_float=True)
    return packed


def _unpack(answer: bytes) -> Any:
    return msgpack.unpackb(answer, raw=False, strict_map_key=False, unicode_errors="replace")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"an id that is {type(value).__name__}")
    return value


def _unit(vector: Vector) -> tuple[list[float], float]:
    """A vector over its length, and the length."""
    length = max(float(np.sqrt(float(np.dot(vector, vector)))), 1e-10)
    unit: list[float] = (vector / length).tolist()
    return unit, length
