"""A first start takes the vectors of the shipped tickets from beside the model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from helpdesk_daemon.adapters.clock import SystemClock
from helpdesk_daemon.adapters.model import starter_vectors
from helpdesk_daemon.adapters.model.embedder import MODEL_NAME, OpenVinoEmbedder
from helpdesk_daemon.adapters.store.learning.examples import Examples
from helpdesk_daemon.settings import load_settings
from helpdesk_daemon.wiring import voting
from helpdesk_daemon.wiring.places import open_store, prepared_model
from helpdesk_daemon.wiring.voting import keep_starter_vectors, seed, starter_rows
from tests.harness.world import write_settings


def test_the_kept_vectors_are_those_the_model_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = starter_rows()[:40]
    monkeypatch.setattr(voting, "starter_rows", lambda: some)
    folder = Path(shutil.copytree(prepared_model(), tmp_path / "model"))
    (folder / starter_vectors.NAME).unlink(missing_ok=True)
    assert keep_starter_vectors(folder)
    assert not keep_starter_vectors(folder), "they are there now"
    known, (text, _) = starter_vectors.kept(folder), some[7]
    assert known.model == MODEL_NAME == json.loads((folder / "model.json").read_text())["name"]
    made = known.of(text)
    assert made is not None
    assert np.dot(np.frombuffer(made, "<f4"), OpenVinoEmbedder(folder).embed([text])[0]) > 0.999
    assert known.of("a text nobody shipped") is None


def test_a_new_installation_starts_with_them(tmp_path: Path) -> None:
    texts = [text for text, _ in starter_rows()]
    vectors = np.arange(len(texts) * 2, dtype=np.float32).reshape(-1, 2)
    starter_vectors.keep(tmp_path, "some model", texts, vectors)
    engine = open_store(load_settings(write_settings(tmp_path, "maildir:inbox", 25)))
    store = Examples(engine, SystemClock())
    seed(store, tmp_path)
    found = store.vectors("some model")
    by_text = {e.text: np.frombuffer(found[e.id], "<f4").tolist() for e in store.active()}
    assert [by_text[text] for text in texts] == vectors.tolist()
    assert store.vectors(MODEL_NAME) == {}, "another model makes its own"
    engine.dispose()


def test_a_damaged_file_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / starter_vectors.NAME).write_bytes(b"PK\x03\x04 cut short")
    assert starter_vectors.kept(tmp_path) == starter_vectors.StarterVectors()
    engine = open_store(load_settings(write_settings(tmp_path, "maildir:inbox", 25)))
    store = Examples(engine, SystemClock())
    seed(store, tmp_path)
    assert len(store.active()) == len(starter_rows())
    assert store.vectors(MODEL_NAME) == {}
    engine.dispose()
