"""What Endee answers, as it was seen to behave, traps included; v1 as measured, v2 as the official SDK expects.

Filters are left out: the daemon never sends one.
"""

from __future__ import annotations

import json
import time
import zlib
from dataclasses import dataclass, field
from typing import Any

import msgpack
import numpy as np

from helpdesk_daemon.triage.vote import Vectors

JSON, MSGPACK = "application/json", "application/msgpack"
NO_INDEX = '{"error":"Index does not exist"}'
NO_FILES = '{"error":"Required files missing for index: endee/%s"}'
NO_SEARCH = '{"error":"Index not found or search failed"}'
NO_VECTOR = '{"error":"Vector with the given ID does not exist"}'
BUSY = (
    '{"error":"Failed to begin transaction: MDBX_BUSY: Another write transaction is running,'
    ' or environment is already used while opening with MDBX_EXCLUSIVE flag"}'
)
PRECISIONS = ("binary", "float16", "float32", "int16", "int8")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to send."""

    status: int
    body: bytes = b""
    content_type: str = ""

    @classmethod
    def text(cls, status: int, words: str, content_type: str = "") -> Answer:
        return cls(status, words.encode(), content_type)


@dataclass(slots=True)
class Stored:
    """One index: what is on disk, and what the graph finds."""

    name: str
    dimension: int
    space: str = "cosine"
    precision: str = "int16"
    made: int = 0
    objects: dict[str, list[Any]] = field(default_factory=dict)  # id → [meta, filter, norm, vector]
    saved: set[str] = field(default_factory=set)
    ghosts: set[str] = field(default_factory=set)  # on disk, but no longer in the graph
    leaks: int = 0  # inserts since a wrong dimension left its transaction open
    twice: int = 0  # ids that came twice in one insert are counted twice ever after
    ids: list[str] | None = None
    matrix: Vectors = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))

    def put(self, id_: str, row: list[Any]) -> None:
        self.objects[id_] = row
        self.ids = None

    def take(self, id_: str) -> bool:
        self.ids = None
        self.ghosts.discard(id_)
        self.saved.discard(id_)
        return self.objects.pop(id_, None) is not None

    def found(self) -> list[str]:
        """What the graph knows, with `matrix` in step."""
        if self.ids is None:
            self.ids = [id_ for id_ in self.objects if id_ not in self.ghosts]
            rows = [self.objects[id_][3] for id_ in self.ids]
            self.matrix = np.array(rows, dtype=np.float32).reshape(len(rows), self.dimension)
        return self.ids


class Behaviour:
    """What the server holds, and what it answers; no socket.

    Args:
        generation: 1 or 2.
        token: asked for where one is needed; an empty one leaves v1 open.
        recall: share of the true neighbours that a search finds.

    Attributes:
        stale: added to every count.
        patience: inserts that are refused after one of a wrong dimension, before nothing is answered any more.
        frozen: nothing is answered any more.
    """

    def __init__(self, generation: int = 1, token: str = "secret", recall: float = 1.0) -> None:
        self.generation, self.token, self.recall = generation, token, recall
        self.indexes: dict[str, Stored] = {}
        self.stale, self.frozen, self.patience = 0, False, 8
        self.clock = 1_795_350_794

    def count(self, name: str) -> int:
        """What the server would say."""
        return len(self.indexes[name].found()) + self.stale

    def answer(self, asked: Asked) -> Answer:
        """What the server answers."""
        prefix = f"/api/v{self.generation}/"
        if not asked.path.startswith(prefix):
            return Answer.text(404, "App not found")
        path = asked.path.removeprefix(prefix)
        if path == "health":
            return Answer.text(200, f'{{"timestamp":{time.time_ns()},"status":"ok"}}')
        if path == "stats":
            return Answer.text(200, '{"total_requests":0,"uptime":0,"version":"1.3.0"}')
        if refused := self._refused(asked):
            return refused
        return self._v1(asked, path) if self.generation == 1 else self._v2(asked, path)

    def _refused(self, asked: Asked) -> Answer | None:
        given = asked.headers.get("authorization")
        if not self.token or given == self.token:
            return None
        return Answer.text(401, "Authorization header required" if given is None else "Invalid token")

    def _v1(self, asked: Asked, path: str) -> Answer:
        match asked.method, path.split("/"):
            case "POST", ["index", "create"]:
                return self._create(asked.body)
            case "GET", ["index", "list"]:
                rows = [self._row(index) for _, index in sorted(self.indexes.items())]
                return Answer.text(200, json.dumps({"indexes": rows}, separators=(",", ":")), JSON)
            case "GET", ["index", name, "info"]:
                index = self.indexes.get(name)
                return Answer.text(200, self._info(index), JSON) if index else Answer.text(404, NO_INDEX)
            case "DELETE", ["index", name, "delete"] if name:
                return (
                    Answer.text(200, "Index deleted successfully")
                    if self.indexes.pop(name, None)
                    else Answer.text(404, '{"error":"Index not found"}')
                )
            case "POST", ["index", name, "vector", "insert"]:
                return self._insert(name, asked)
            case "POST", ["index", name, "vector", "get"]:
                return self._get(name, asked.body)
            case "DELETE", ["index", name, "vector", id_, "delete"]:
                if name not in self.indexes:
                    return Answer.text(400, NO_FILES % name)
                gone = self.indexes[name].take(id_)  # the path is not percent-decoded
                return Answer.text(200, "Vector deleted successfully") if gone else Answer.text(404, NO_VECTOR)
            case "POST", ["index", name, "search"]:
                return self._search(name, asked.body)
            case "DELETE", ["index", *_]:
                return Answer.text(405, "405 Method Not Allowed\r\n")
        return Answer.text(404, "App not found")

    def _create(self, body: bytes) -> Answer:
        try:
            wanted = json.loads(body)
        except ValueError:
            return Answer.text(400, '{"error":"Invalid JSON"}')
        if not {"index_name", "dim", "space_type"} <= set(wanted):
            return Answer.text(400, '{"error":"Missing required parameters"}')
        name, dimension = wanted["index_name"], int(wanted["dim"])
        space, precision = wanted["space_type"], wanted.get("precision", "int16")
        refusals = (
            (400, "Dimension must be between 2 and 16384", not 2 <= dimension <= 16_384),
            (
                400,
                "Legacy sparse fields are not supported. Use sparse_model with one of: None, default, endee_bm25",
                "sparse_dim" in wanted,
            ),
            (400, "M must be between 4 and 512", not 4 <= wanted.get("M", 16) <= 512),
            (400, f"Invalid precision. Must be one of: {', '.join(PRECISIONS)}", precision not in PRECISIONS),
            (409, f"Unknown space type: {space}", space not in ("cosine", "l2", "ip")),
            (409, "Index with this name already exists for this user", name in self.indexes),
        )
        for status, words, holds in refusals:
            if holds:
                return Answer.text(status, json.dumps({"error": words}, separators=(",", ":")))
        self.clock += 1
        self.indexes[name] = Stored(name, dimension, space, precision, self.clock)
        return Answer.text(200, "Index created successfully")

    def _row(self, index: Stored) -> dict[str, Any]:
        count = len(index.found()) + index.twice + self.stale
        return {
            "name": index.name, "total_elements": count, "dimension": index.dimension,
            "sparse_model": "None", "space_type": index.space, "precision": index.precision, "checksum": -1, "M": 16,
            "created_at": index.made,
        }  # fmt: skip

    def _info(self, index: Stored) -> str:
        row = self._row(index)
        said = {key: row[key] for key in row if key not in ("name", "created_at")}
        return json.dumps(said | {"ef_con": 128, "lib_token": "0" * 32}, separators=(",", ":"))

    def _insert(self, name: str, asked: Asked) -> Answer:
        kind = asked.headers.get("content-type")
        if kind not in (JSON, MSGPACK):
            return Answer.text(400, "Content-Type must be application/msgpack or application/json")
        index = self.indexes.get(name)
        if index is None:
            return Answer.text(400, NO_FILES % name)
        if kind == JSON:
            found = json.loads(asked.body)
            rows = [
                [o["id"], o.get("meta", "").encode(), o.get("filter", ""), o.get("norm", 1), o["vector"]]
                for o in (found if isinstance(found, list) else [found])
            ]
        else:
            try:
                rows = msgpack.unpackb(asked.body, raw=False, strict_map_key=False)
            except msgpack.FormatError:
                return Answer.text(400, '{"error":"parse error"}')
            except ValueError:
                return Answer.text(400, '{"error":"insufficient bytes"}')
            if not all(isinstance(row, list) and isinstance(row[0], str) for row in rows):
                return Answer.text(500, '{"error":"std::bad_cast"}')
        return self._keep(index, rows)

    def _keep(self, index: Stored, rows: list[list[Any]]) -> Answer:
        """The traps: a wrong dimension leaks a transaction, and later inserts freeze the server."""
        if not rows:
            return Answer.text(400, '{"error":"Batch insertion failed"}')
        if index.leaks or any(len(row[4]) != index.dimension for row in rows):
            index.leaks += 1
            self.frozen = index.leaks > self.patience
            return Answer.text(400, BUSY)
        index.twice += len(rows) - len({row[0] for row in rows})
        for id_, meta, filter_, norm, vector in rows:
            kept = meta if isinstance(meta, bytes) else meta.encode()
            index.put(str(id_), [kept, filter_, norm, np.array(vector, dtype=np.float32)])
        if len(index.objects) - len(index.saved) >= 10_000:
            index.saved = set(index.objects) - index.ghosts
        return Answer(200)

    def _get(self, name: str, body: bytes) -> Answer:
        wanted = json.loads(body)
        if "id" not in wanted:
            return Answer.text(400, '{"error":"Missing required parameter \'id\'"}')
        if not isinstance(wanted["id"], str):
            return Answer.text(500, "500 Internal Server Error\r\n")
        index = self.indexes.get(name)
        if index is None or wanted["id"] not in index.objects:
            return Answer.text(404, NO_VECTOR)
        meta, filter_, norm, vector = index.objects[wanted["id"]]
        row = [wanted["id"], meta, filter_, _number(norm), [_number(x) for x in vector], [], []]
        return Answer(200, msgpack.packb(row, use_single_float=True), MSGPACK)

    def _search(self, name: str, body: bytes) -> Answer:
        try:
            wanted = json.loads(body)
        except ValueError:
            wanted = {}
        index = self.indexes.get(name)
        if index is None and "k" in wanted:
            return Answer.text(404, NO_SEARCH)
        if "k" not in wanted:
            return Answer.text(400, '{"error":"Missing required parameters: k"}')
        if "vector" not in wanted:
            return Answer.text(400, '{"error":"Missing query vector (dense or sparse)"}')
        if not 1 <= wanted["k"] <= 4_096:
            return Answer.text(400, '{"error":"k must be between 1 and 4096"}')
        assert index is not None
        rows = []
        for id_, similarity in self._nearest(index, wanted["vector"], wanted["k"]):
            meta, filter_, norm, vector = index.objects[id_]
            shown = [_number(x) for x in vector] if wanted.get("include_vectors") else []
            rows.append([_number(similarity), id_, meta, filter_, _number(norm), shown])
        return Answer(200, msgpack.packb(rows, use_single_float=True), MSGPACK)

    def _nearest(self, index: Stored, vector: list[float], k: int) -> list[tuple[str, float]]:
        """The raw dot product decides; nothing is normalised, nothing is checked."""
        ids = index.found()
        if not ids or not vector:
            return []
        query = np.resize(np.array(vector, dtype=np.float32), index.dimension)
        similarities = index.matrix @ query
        order = np.argsort(-np.where(np.isnan(similarities), np.inf, similarities), kind="stable")[: int(k * 1.5) + 8]
        if self.recall < 1:
            lost = np.random.default_rng(zlib.crc32(query.tobytes())).random(len(order)) > self.recall
            order = order[~lost]
        return [(ids[n], float(similarities[n])) for n in order[:k]]

    def _v2(self, asked: Asked, path: str) -> Answer:
        match asked.method, path.split("/"):
            case "POST", ["collection"]:
                wanted = json.loads(asked.body)
                if wanted["name"] in self.indexes:
                    return Answer.text(409, '{"error":"Collection already exists"}', JSON)
                params = wanted["fields"][0]["params"]
                self.clock += 1
                self.indexes[wanted["name"]] = Stored(
                    wanted["name"], params["dimension"], params["space_type"], params["precision"], self.clock
                )
                return Answer.text(201, json.dumps(self._collection(self.indexes[wanted["name"]])), JSON)
            case "GET", ["collection"]:
                rows = [self._collection(index) for index in self.indexes.values()]
                return Answer.text(200, json.dumps({"collections": rows}), JSON)
        name = path.split("/")[1] if "/" in path else ""
        index = self.indexes.get(name)
        if index is None:
            return Answer.text(404, '{"error":"Collection not found"}', JSON)
        match asked.method, path.split("/")[2:]:
            case "GET", []:
                return Answer.text(200, json.dumps(self._collection(index)), JSON)
            case "DELETE", []:
                del self.indexes[name]
                return Answer.text(200, '{"message":"Collection deleted"}', JSON)
            case "POST", ["objects"]:
                (objects,) = msgpack.unpackb(asked.body, raw=False)
                kept = self._keep(index, [[o[0], o[1], o[2], 1, next(iter(o[3].values()))] for o in objects])
                return kept if kept.status != 200 else Answer.text(200, f'{{"upserted":{len(objects)}}}', JSON)
            case "DELETE", ["objects", id_]:
                gone = index.take(id_)
                return Answer.text(200, f'{{"deleted":"{id_}"}}', JSON) if gone else Answer.text(404, NO_VECTOR, JSON)
            case "POST", ["search"]:
                ((field_name, asked_for),) = json.loads(asked.body)["fields"][0].items()
                near = self._nearest(index, asked_for["query"], asked_for["limit"])
                objects_map = {n: [id_, *index.objects[id_][:2]] for n, (id_, _) in enumerate(near, 100)}
                hits = [[n, similarity] for n, (_, similarity) in enumerate(near, 100)]
                return Answer(200, msgpack.packb([objects_map, {field_name: hits}], use_single_float=True), MSGPACK)
        return Answer.text(404, "App not found")

    @staticmethod
    def _collection(index: Stored) -> dict[str, Any]:
        params = {"dimension": index.dimension, "space_type": index.space, "precision": index.precision}
        fields = [{"name": "embedding", "type": "vector", "params": params}]
        return {"name": index.name, "fields": fields, "created_at": index.made, "layout_version": 1}


def _number(value: float) -> float:
    """Whole floats travel as integers."""
    single = float(np.float32(value))
    return int(single) if single.is_integer() else single
