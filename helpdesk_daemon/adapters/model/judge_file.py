"""A judge as one file: arrays and a JSON header in an npz archive, replaced atomically, never unpickled."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import numpy as np

from helpdesk_daemon.triage.confidence import Calibrator
from helpdesk_daemon.triage.heads import Heads, MeaningHead, WordsHead
from helpdesk_daemon.triage.judge import Judge
from helpdesk_daemon.triage.threshold import Curve
from helpdesk_daemon.triage.vote import Standing

FORMAT = 1


def save_judge(judge: Judge, model: str, path: Path) -> None:
    """Write a judge that has heads; readers see the old file or the new one.

    Args:
        judge: what to keep.
        model: name of the embedding model whose vectors it was fitted on.
        path: of the file.
    """
    heads = judge.heads
    assert heads is not None
    header = {
        "format": FORMAT, "model": model, "version": judge.version, "categories": judge.categories,
        "head_categories": heads.categories, "scope_floor": judge.standing.scope_floor,
        "signal": judge.standing.signal, "bias": judge.calibrator.bias,
    }  # fmt: skip
    ngrams = sorted(heads.words.vocabulary, key=lambda gram: heads.words.vocabulary[gram])
    arrays = {
        "header": _bytes(json.dumps(header)), "ngrams": _bytes("\n".join(ngrams)),
        "centre": judge.centre, "weights": judge.weights, "tilt": judge.tilt,
        "sign_means": judge.calibrator.means, "sign_scales": judge.calibrator.scales,
        "sign_weights": judge.calibrator.weights,
        "curve": np.array(judge.standing.curve.confidences), "right": np.array(judge.standing.curve.right),
        "landmarks": heads.meaning.landmarks, "meaning_weights": heads.meaning.weights,
        "meaning_bias": heads.meaning.bias, "idf": heads.words.idf, "words_weights": heads.words.weights,
        "words_bias": heads.words.bias,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def load_judge(path: Path, model: str) -> Judge | None:
    """Read a judge; None where there is none for this model.

    Raises:
        ValueError: the file is damaged, or another version's.
    """
    if not path.exists():
        return None
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            header = json.loads(file["header"].tobytes())
            if header["format"] != FORMAT or header["model"] != model:
                return None
            ngrams = file["ngrams"].tobytes().decode().split("\n")
            return Judge(
                categories=tuple(header["categories"]),
                centre=file["centre"],
                weights=file["weights"],
                tilt=file["tilt"],
                calibrator=Calibrator(file["sign_means"], file["sign_scales"], file["sign_weights"], header["bias"]),
                standing=Standing(
                    header["version"],
                    Curve(tuple(file["curve"].tolist()), tuple(file["right"].tolist())),
                    header["scope_floor"],
                    header["signal"],
                ),
                heads=Heads(
                    tuple(header["head_categories"]),
                    MeaningHead(file["landmarks"], file["meaning_weights"], file["meaning_bias"]),
                    WordsHead(
                        {gram: row for row, gram in enumerate(ngrams) if gram},
                        file["idf"],
                        file["words_weights"],
                        file["words_bias"],
                    ),
                ),
            )
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def _bytes(text: str) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.frombuffer(text.encode(), dtype=np.uint8)
