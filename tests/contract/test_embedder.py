"""What every embedder does: the daemon's on OpenVINO, measured against the reference on torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpdesk_daemon.adapters.model.embedder import OpenVinoEmbedder
from helpdesk_daemon.adapters.model.export import Model, export, is_exported, weights_folder
from helpdesk_daemon.errors import ConfigError
from helpdesk_daemon.ports import Embedder
from tests.harness.tiny_model import asked

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and its tracer warn of themselves

TEXTS = [
    "I cannot log in since yesterday, the page says my password is wrong.",
    "Please send me the invoice for October once more.",
    "The app crashes whenever I open the calendar.",
    "How much is the team plan for twelve people?",
    "I was charged twice for the same order.",
    "Our printer prints only blank pages after the update.",
    "Where can I change the e-mail address of my account?",
    "It would be nice to have a dark theme.",
    "Nothing works, the whole site has been down since eight.",
    "Thank you, that solved it!",
    "Ich habe eine Frage zu meiner Rechnung über 588,00 €.",
    "チームプランの機能について教えてください。",
    "The totals in the weekly report are wrong by one day.",
    "Can I cancel and get my money back?",
    "ERROR 0x80070005 at sync.worker.run(Sync.java:211)",
    "hi",
    "Do you ship to Norway, and what about customs?",
    "We would like to become a reseller of your product.",
    "🙂🙂🙂",
    "The delivery was due on Monday, the tracking page has not moved since.",
]
LONG = "the router drops its connection every evening and nobody knows why " * 200


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prepared = Path(sys.prefix) / "share" / "helpdesk-daemon" / "model"
    if is_exported(prepared):
        return prepared
    folder = tmp_path_factory.mktemp("export") / "model"
    export(folder)
    return folder


@pytest.fixture(scope="module")
def openvino(exported: Path) -> Embedder:
    return OpenVinoEmbedder(exported, threads=1)


@pytest.fixture(scope="module")
def torch() -> Embedder:
    from helpdesk_daemon.adapters.model.embedder_torch import TorchEmbedder

    return TorchEmbedder(weights_folder())


@pytest.fixture(params=["openvino", "torch"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    found: Embedder = request.getfixturevalue(request.param)
    return found


def test_vectors_have_the_shape_and_type_that_were_promised(embedder: Embedder) -> None:
    found = embedder.embed(TEXTS)
    assert found.shape == (len(TEXTS), 384)
    assert found.dtype == np.float32


def test_vectors_have_length_one(embedder: Embedder) -> None:
    lengths = np.linalg.norm(embedder.embed([*TEXTS, LONG, "", " \n\t"]), axis=1)
    assert np.allclose(lengths, 1.0, atol=1e-3)


def test_no_texts_give_no_vectors(embedder: Embedder) -> None:
    found = embedder.embed([])
    assert found.shape == (0, 384)
    assert found.dtype == np.float32


def test_the_daemons_vectors_are_the_references(openvino: Embedder, torch: Embedder) -> None:
    cosines = (openvino.embed(TEXTS) * torch.embed(TEXTS)).sum(axis=1)
    assert cosines.min() > 0.999


def test_a_long_text_is_cut_where_the_reference_cuts_it(openvino: Embedder, torch: Embedder) -> None:
    ours, reference = openvino.embed([LONG])[0], torch.embed([LONG])[0]
    assert float(ours @ reference) > 0.999
    further = openvino.embed([LONG + "and now for something completely different"])[0]
    assert float(ours @ further) > 0.9999


def test_an_empty_text_is_fine(embedder: Embedder) -> None:
    found = embedder.embed(["", "hello", ""])
    assert np.isfinite(found).all()
    assert np.allclose(found[0], found[2], atol=1e-2)


def test_a_text_alone_equals_the_text_in_a_batch(embedder: Embedder) -> None:
    mixed = [*TEXTS, LONG]
    together = embedder.embed(mixed)
    for position in range(0, len(mixed), 4):
        assert np.abs(embedder.embed([mixed[position]])[0] - together[position]).max() < 1e-2


def test_vectors_stand_in_the_order_of_the_texts(embedder: Embedder) -> None:
    forwards, backwards = embedder.embed(TEXTS), embedder.embed(TEXTS[::-1])
    assert (forwards * backwards[::-1]).sum(axis=1).min() > 0.999


@pytest.mark.parametrize("odd", ["\x00\x01\x02", "a" * 50_000, "\u202e\u200b", "<script>" * 100])
def test_odd_texts_are_embedded(openvino: Embedder, odd: str) -> None:
    assert np.isclose(np.linalg.norm(openvino.embed([odd])[0]), 1.0, atol=1e-3)


def test_like_texts_are_nearer_than_others(embedder: Embedder) -> None:
    a, b, c = embedder.embed(["I forgot my password", "How do I reset my password?", "The invoice total is wrong"])
    assert float(a @ b) > float(a @ c) + 0.2


def test_the_name_is_known_before_the_model_is_read(exported: Path) -> None:
    fresh = OpenVinoEmbedder(exported)
    before = fresh.name
    fresh.embed(["hello"])
    assert fresh.name == before


def test_a_folder_without_a_model_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="model export"):
        OpenVinoEmbedder(tmp_path).embed(["hello"])


def test_another_user_may_read_what_was_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service runs as another user than the one who sets it up."""
    import openvino

    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "tokenizer.json").write_text("{}")
    (tmp_path / "weights" / "config.json").write_text('{"hidden_size": 2}')
    monkeypatch.setattr("helpdesk_daemon.adapters.model.export._graph", lambda weights: None)
    monkeypatch.setattr(openvino, "save_model", lambda graph, path, compress_to_fp16: path.write_text(""))
    export(tmp_path / "model", tmp_path / "weights")
    assert (tmp_path / "model").stat().st_mode & 0o055 == 0o055
    assert is_exported(tmp_path / "model")


def test_another_model_is_exported_with_its_prefix_and_size(tmp_path: Path) -> None:
    """A small one without sense: what counts is that folder, prefix, languages and size are handled."""
    texts = ["my invoice", "hello", "query: my invoice", "query: hello"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.harness.tiny_model", str(tmp_path), *texts], cwd=Path(__file__).parents[2],
        check=True, capture_output=True,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    models = asked(tmp_path)
    assert [is_exported(tmp_path / name, model) for name, model in models.items()] == [True, True]
    assert not is_exported(tmp_path / "without", models["with"])
    assert not is_exported(tmp_path / "with")
    assert [found[each]["name"] for each in ("with", "without")] == ["tiny-e5 (query:)", "tiny-e5"]
    assert found["with"]["languages"] == []
    one, other = (np.array(found[each]["vectors"]) for each in ("with", "without"))
    assert one.shape == (4, 32)
    np.testing.assert_allclose(one[:2], other[2:], atol=0.02)
    assert not np.allclose(one[:2], other[:2], atol=0.02)
    with pytest.raises(ConfigError, match=r"model\.weights.*no config\.json"):
        export(tmp_path / "x", model=Model("other", tmp_path / "with"))
