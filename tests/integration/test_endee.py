"""Endee as the index: what it does while the server is well, and that nothing is lost or voted wrong when it is not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import structlog

from helpdesk_daemon import log
from helpdesk_daemon.adapters.index.endee import Endee, Server
from helpdesk_daemon.adapters.index.exact import ExactIndex
from helpdesk_daemon.adapters.index.guarded import GuardedIndex
from helpdesk_daemon.adapters.index.sync import BATCH
from helpdesk_daemon.errors import ConfigError, HelpdeskError, TransientError
from helpdesk_daemon.ports import Example
from helpdesk_daemon.triage.vote import Vectors
from tests.harness.endee import EndeeServer
from tests.harness.endee_behaviour import Answer, Asked
from tests.harness.endee_index import guarded

DIMENSION, COUNT = 32, 1_200


def examples(count: int, first: int = 1) -> list[Example]:
    return [Example(n, f"text {n}", f"category {n % 5}", "seed") for n in range(first, first + count)]


def vectors(count: int, seed: int = 1, dimension: int = DIMENSION) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((count, dimension))
    unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


ROWS, VECTORS, QUERIES = examples(COUNT), vectors(COUNT), vectors(8, seed=2)


def place(server: EndeeServer, timeout: float = 3) -> Server:
    return Server(server.url, "helpdesk", lambda: server.token, read_seconds=timeout, write_seconds=2 * timeout)


@pytest.fixture(autouse=True)
def _said() -> None:
    log.setup("info", "json")


@pytest.fixture(params=[1, 2])
def server(request: pytest.FixtureRequest) -> Iterator[EndeeServer]:
    with EndeeServer(request.param) as running:
        yield running


@pytest.fixture
def v1() -> Iterator[EndeeServer]:
    with EndeeServer(1) as running:
        yield running


@contextlib.contextmanager
def index_on(folder: Path, server: EndeeServer, timeout: float = 3) -> Iterator[GuardedIndex]:
    """An index in step with 1,200 examples."""
    with guarded(folder, place(server, timeout)) as index:
        index.replace(ROWS, VECTORS)
        index.sync()
        yield index


def exactly(rows: list[Example], held: Vectors, k: int = 20) -> list[list[int]]:
    """The truth, by exact search."""
    exact = ExactIndex()
    exact.replace(rows, held)
    return [[n.example for n in near] for near in exact.search(QUERIES, k)]


TRUTH = exactly(ROWS, VECTORS)


def votes(index: GuardedIndex) -> list[list[int]]:
    return [[n.example for n in near] for near in index.search(QUERIES, 20)]


def events(logs: Sequence[Mapping[str, object]]) -> list[object]:
    return [line["event"] for line in logs if str(line["event"]) in ("index.distrusted", "index.recovered")]


def test_the_server_answers_what_exact_search_answers(tmp_path: Path, server: EndeeServer) -> None:
    with index_on(tmp_path, server) as index:
        assert votes(index) == TRUTH
        assert index.answered == len(QUERIES)


def emptied(server: EndeeServer) -> None:
    for held in server.indexes.values():
        held.objects.clear()
        held.ids = None


def made_anew(server: EndeeServer, dimension: int = DIMENSION) -> None:
    server.indexes.clear()
    with contextlib.closing(Endee(place(server))) as other:
        other.create(dimension)
    server.stop()  # by somebody who restarted it with another volume
    server.start()


def killed(server: EndeeServer) -> None:
    server.kill()
    server.start()


def other_generation(server: EndeeServer) -> None:
    server.stop()
    server.indexes.clear()
    server.generation = 3 - server.generation
    server.start()


def saying(what: str | Answer) -> Callable[[EndeeServer], None]:
    def begin(server: EndeeServer) -> None:
        server.fault = lambda asked: what

    return begin


def dropping_half(server: EndeeServer) -> None:
    server.recall = 0.3


def lying(server: EndeeServer) -> None:
    for held in server.indexes.values():
        for row in held.objects.values():
            row[3] = list(reversed(row[3]))
        held.ids = None


def healed(server: EndeeServer) -> None:
    server.fault = lambda asked: None
    server.token, server.recall = "secret", 1.0


def refusing(server: EndeeServer) -> None:
    server.token = "another"


TROUBLES: dict[str, Callable[[EndeeServer], None]] = {
    "killed and restarted": killed,
    "emptied": emptied,
    "made anew": made_anew,
    "of another dimension": lambda server: made_anew(server, DIMENSION * 2),
    "of another generation": other_generation,
    "hanging": saying("hang"),
    "hanging up": saying("drop"),
    "answering garbage": saying("garbage"),
    "answering another page": saying(Answer(200, b"<html>welcome</html>", "text/html")),
    "answering nothing": saying(Answer(200, b"", "application/msgpack")),
    "answering errors": saying(Answer(503, b"try later")),
    "refusing the token": refusing,
    "finding little": dropping_half,
    "holding other vectors": lying,
}


SILENT = ("hanging", "hanging up", "answering garbage")


@pytest.mark.parametrize("trouble", TROUBLES)
def test_no_answer_of_a_server_in_trouble_is_voted_and_one_sync_mends_it(
    tmp_path: Path, server: EndeeServer, trouble: str
) -> None:
    secret = [server.token]
    place_ = Server(server.url, "helpdesk", lambda: secret[0], read_seconds=3, write_seconds=6)
    with guarded(tmp_path, place_) as index, structlog.testing.capture_logs() as logs:
        index.replace(ROWS, VECTORS)
        index.sync()
        assert votes(index) == TRUTH
        TROUBLES[trouble](server)
        asked = len(server.asked)
        assert votes(index) == TRUTH, "whoever answered"
        if trouble in SILENT:
            assert len(server.asked) - asked <= 2, "one time-out is all that a batch waits"
        answered = index.answered
        assert votes(index) == TRUTH
        if trouble != "finding little":  # its neighbours are true ones, only fewer; the next test is about it
            assert index.trouble
            assert index.answered == answered == len(QUERIES), "not asked again"
        healed(server)
        index.sync()
        assert index.trouble == ""
        assert votes(index) == TRUTH
        assert index.answered > answered
        if trouble != "finding little":
            assert events(logs) == ["index.distrusted", "index.recovered"]


def upserts(server: EndeeServer) -> int:
    return sum(asked.method == "POST" and asked.path.endswith(("insert", "objects")) for asked in server.asked)


def test_a_server_that_finds_too_little_is_not_asked(tmp_path: Path, server: EndeeServer) -> None:
    with index_on(tmp_path, server) as index:
        server.recall = 0.3
        for _ in range(3):
            with pytest.raises(HelpdeskError, match=r"nearest|rebuild"):
                index.sync()
        assert upserts(server) <= 2 * -(-COUNT // BATCH), "rebuilt once at most"
        assert votes(index) == TRUTH
        assert index.answered == 0
        server.recall = 0.97
        index.sync()
        assert index.trouble == ""


def test_a_sync_without_changes_sends_none(tmp_path: Path, server: EndeeServer) -> None:
    with index_on(tmp_path, server) as index:
        sent = upserts(server)
        assert sent == -(-COUNT // BATCH)
        report = index.sync()
        assert (report.inserted, report.deleted, report.rebuilt) == (0, 0, "")
        assert upserts(server) == sent


def test_examples_vote_before_the_server_has_them_and_withdrawn_ones_never(tmp_path: Path, server: EndeeServer) -> None:
    with index_on(tmp_path, server) as index:
        rows = ROWS[100:] + examples(50, first=5_000)
        held = np.concatenate([VECTORS[100:], vectors(50, seed=3)])
        index.replace(rows, held)
        assert votes(index) == exactly(rows, held)
        assert index.trouble == ""
        report = index.sync()
        assert (report.inserted, report.deleted) == (50, 100)
        assert votes(index) == exactly(rows, held)


def test_a_changed_vector_is_replaced(tmp_path: Path, server: EndeeServer) -> None:
    with index_on(tmp_path, server) as index:
        held = VECTORS.copy()
        held[:40] = vectors(40, seed=4)
        index.replace(ROWS, held)
        assert votes(index) == exactly(ROWS, held)
        report = index.sync()
        assert (report.inserted, report.deleted, report.rebuilt) == (40, 40, "")
        assert votes(index) == exactly(ROWS, held)


def test_of_a_partly_lost_graph_only_what_was_lost_is_sent_again(tmp_path: Path, server: EndeeServer) -> None:
    with index_on(tmp_path, server) as index:
        server.save()
        rows, held = ROWS + examples(60, first=5_000), np.concatenate([VECTORS, vectors(60, seed=3)])
        index.replace(rows, held)
        index.sync()
        killed(server)
        report = index.sync()
        assert (report.inserted, report.deleted, report.rebuilt) == (60, 60, "")
        assert votes(index) == exactly(rows, held)


def test_a_count_that_stays_wrong_is_never_trusted(tmp_path: Path, v1: EndeeServer) -> None:
    with index_on(tmp_path, v1) as index:
        v1.stale = -7
        for _ in range(3):
            with pytest.raises(HelpdeskError, match="does not hold what it was given"):
                index.sync()
        assert upserts(v1) == 2 * -(-COUNT // BATCH), "rebuilt once"
        assert votes(index) == TRUTH
        assert index.answered == 0


def test_a_sync_goes_on_where_it_was_interrupted(tmp_path: Path, server: EndeeServer) -> None:
    with guarded(tmp_path, place(server)) as index:
        index.replace(ROWS, VECTORS)
        with pytest.raises(TransientError, match="stopped"):
            index.sync(stopped=lambda: upserts(server) >= 1)
        assert votes(index) == TRUTH
    with guarded(tmp_path, place(server)) as index:  # as after a restart
        index.replace(ROWS, VECTORS)
        report = index.sync()
        assert (report.inserted, report.rebuilt) == (COUNT - BATCH, "")
        assert votes(index) == TRUTH


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_around_an_insert_leaves_no_orphan(tmp_path: Path, server: EndeeServer, moment: str) -> None:
    """The server may or may not have taken the batch in hand; the examples in it are withdrawn meanwhile."""

    def cut(asked: Asked) -> Answer | None:
        if asked.path.endswith(("insert", "objects")) and asked.method == "POST" and upserts(server) >= 2:
            if moment == "after":
                server.answer(asked)
            raise ConnectionError
        return None

    with guarded(tmp_path, place(server)) as index:
        index.replace(ROWS, VECTORS)
        server.fault = cut
        with pytest.raises(TransientError):
            index.sync()
    server.fault = lambda asked: None
    with guarded(tmp_path, place(server)) as index:
        index.replace(ROWS[: BATCH + 10], VECTORS[: BATCH + 10])
        report = index.sync()
        assert report.rebuilt == ""
        assert server.count("helpdesk") == BATCH + 10
        assert votes(index) == exactly(ROWS[: BATCH + 10], VECTORS[: BATCH + 10])


def test_an_index_of_somebody_else_is_left_alone_until_it_is_taken_over(tmp_path: Path, v1: EndeeServer) -> None:
    with index_on(tmp_path, v1):
        pass
    other = tmp_path / "other"
    other.mkdir()
    with guarded(other, place(v1)) as index:
        index.replace(ROWS[:9], VECTORS[:9])
        with pytest.raises(ConfigError, match="rebuild"):
            index.sync()
        assert v1.count("helpdesk") == COUNT
        assert index.sync(anew=True).rebuilt == "asked for"
        assert v1.count("helpdesk") == 9


def test_two_processes_do_not_sync_at_once(tmp_path: Path, v1: EndeeServer) -> None:
    with index_on(tmp_path, v1) as one, guarded(tmp_path, place(v1)) as two:
        two.replace(ROWS, VECTORS)
        seen = []

        def meanwhile(done: int, total: int) -> None:
            with pytest.raises(TransientError, match="is syncing"):
                two.sync()
            seen.append(done)

        one.sync(progress=meanwhile)
        assert seen
        two.sync()
        assert votes(two) == TRUTH


@pytest.mark.parametrize(
    "wrong",
    [vectors(3, dimension=DIMENSION - 1), vectors(3) * 2, np.full((3, DIMENSION), np.nan, dtype=np.float32)],
    ids=["of another dimension", "not of length one", "not numbers"],
)
def test_what_would_harm_the_server_is_never_sent(tmp_path: Path, server: EndeeServer, wrong: Vectors) -> None:
    with index_on(tmp_path, server), contextlib.closing(Endee(place(server))) as client:
        client.connect()
        client.describe()
        asked = len(server.asked)
        with pytest.raises(ValueError, match="vectors"):
            client.upsert(["1", "2", "3"], wrong)
        with pytest.raises(ValueError, match="vectors"):
            client.search(wrong, 5)
        assert len(server.asked) == asked


def test_the_test_server_freezes_as_the_real_one_does(v1: EndeeServer) -> None:
    """The trap itself, so that the test above means something."""
    v1.patience = 1
    with contextlib.closing(Endee(place(v1))) as client:
        client.connect()
        client.create(DIMENSION)
        client.dimension = DIMENSION - 1  # a client that does not check
        with pytest.raises(HelpdeskError, match="MDBX_BUSY"):
            client.upsert(["1"], vectors(1, dimension=DIMENSION - 1))
        client.dimension = DIMENSION
        with pytest.raises(TransientError, match="in time"):
            client.upsert(["2"], vectors(1))
        with pytest.raises(TransientError, match="in time"):
            client.connect()


def test_inserting_again_does_not_repair_a_lost_graph_but_deleting_before_does(v1: EndeeServer) -> None:
    """The other trap."""
    with contextlib.closing(Endee(place(v1))) as client:
        client.connect()
        client.create(DIMENSION)
        client.upsert(["1"], vectors(1))
        killed(v1)
        client.upsert(["1"], vectors(1))
        assert client.search(vectors(1), 1) == [[]]
        client.delete("1")
        client.upsert(["1"], vectors(1))
        assert [hit.id for hit in client.search(vectors(1), 1)[0]] == ["1"]


def test_an_idle_connection_that_was_closed_costs_nothing(tmp_path: Path, server: EndeeServer) -> None:
    with index_on(tmp_path, server) as index:
        assert votes(index) == TRUTH
        server.save()
        server.stop()
        server.start()
        assert votes(index) == TRUTH
        assert index.trouble == ""
        assert index.answered == 2 * len(QUERIES)


def test_an_answer_that_trickles_ends_at_the_time_out(tmp_path: Path, v1: EndeeServer) -> None:
    with index_on(tmp_path, v1) as index:
        v1.fault = lambda asked: "trickle"  # for a quarter of an hour
        assert votes(index) == TRUTH
        assert "in time" in index.trouble


def test_a_server_too_slow_for_mail_is_not_asked(tmp_path: Path, v1: EndeeServer) -> None:
    with index_on(tmp_path, v1) as index:
        index.keeper._patience = 0
        with pytest.raises(TransientError, match="ms a query"):
            index.sync()
        assert votes(index) == TRUTH
        assert index.answered == 0


def test_vectors_no_server_may_have_are_compared_here(tmp_path: Path, server: EndeeServer) -> None:
    held = VECTORS.copy()
    held[7] = 0
    with guarded(tmp_path, place(server)) as index:
        index.replace(ROWS, held)
        index.sync()
        assert index.trouble == ""
        assert server.count("helpdesk") == COUNT - 1
        assert votes(index) == exactly(ROWS, held)
        assert index.answered == len(QUERIES)


def test_nothing_is_taken_out_before_the_examples_are_loaded(tmp_path: Path, server: EndeeServer) -> None:
    with index_on(tmp_path, server):
        pass
    with guarded(tmp_path, place(server)) as index:  # after a restart, while the model does not load
        with pytest.raises(TransientError, match="not loaded"):
            index.sync()
        assert server.count("helpdesk") == COUNT


def test_a_bug_of_ours_costs_no_vote(tmp_path: Path, server: EndeeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("bug")

    with index_on(tmp_path, server) as index:
        monkeypatch.setattr(index, "_judged", broken)
        assert votes(index) == TRUTH
        assert index.trouble == "KeyError('bug')"


def test_a_server_that_hangs_up_as_it_is_asked_is_asked_once_more(tmp_path: Path, server: EndeeServer) -> None:
    with index_on(tmp_path, server) as index:
        assert votes(index) == TRUTH
        once = ["drop"]
        server.fault = lambda asked: once.pop() if once else None
        assert votes(index) == TRUTH
        assert index.trouble == ""
        assert index.answered == 2 * len(QUERIES)


def test_a_new_connection_shows_what_single_answers_do_not(tmp_path: Path, v1: EndeeServer) -> None:
    """A few vectors are lost: each answer is sound, but the count is not."""
    with index_on(tmp_path, v1) as index:
        v1.save()
        index.replace(ROWS + examples(9, first=5_000), np.concatenate([VECTORS, vectors(9, seed=3)]))
        index.sync()
        killed(v1)
        votes(index)
        assert index.trouble == f"Endee holds {COUNT} vectors where {COUNT + 9} are known"
        assert index.answered == 0


def test_an_index_made_anew_and_filled_by_somebody_else_is_loaded_anew(tmp_path: Path, server: EndeeServer) -> None:
    with index_on(tmp_path, server) as index, contextlib.closing(Endee(place(server))) as other:
        other.connect()
        other.drop()
        other.create(DIMENSION)
        other.upsert([str(row.id) for row in ROWS], VECTORS)
        assert index.sync().rebuilt == "somebody else made it anew"
        assert votes(index) == TRUTH


@pytest.mark.parametrize("anew", [False, True], ids=["sync", "rebuild"])
def test_a_command_may_change_the_server_while_the_daemon_votes(
    tmp_path: Path, server: EndeeServer, anew: bool
) -> None:
    with index_on(tmp_path, server) as daemon, guarded(tmp_path, place(server)) as command:
        more, held = ROWS + examples(2 * BATCH, first=5_000), np.concatenate([VECTORS, vectors(2 * BATCH, seed=3)])
        seen = []

        def meanwhile(done: int, total: int) -> None:
            assert votes(daemon) == TRUTH, "the daemon has not heard of the new examples yet"
            seen.append(done)

        command.replace(more, held)
        command.sync(anew=anew, progress=meanwhile)
        assert len(seen) > 2
        daemon.replace(more, held)
        daemon.sync()
        answered = daemon.answered
        assert votes(daemon) == exactly(more, held)
        assert daemon.answered == answered + len(QUERIES)
        assert server.count("helpdesk") == len(more)
