"""Make, export and run a small model without sense: `python -m tests.harness.tiny_model FOLDER TEXT…`.

In a process of its own: one in which OpenVINO has put a model away can no longer fork, which pexpect does.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from helpdesk_daemon.adapters.model.embedder import OpenVinoEmbedder
from helpdesk_daemon.adapters.model.export import Model, export, weights_folder


def asked(folder: Path) -> dict[str, Model]:
    """The same weights with a prefix and without one."""
    return {
        "with": Model("tiny-e5", folder / "tiny", "query: ", ()),
        "without": Model("tiny-e5", folder / "tiny", "", ()),
    }


def main(folder: Path, texts: Sequence[str]) -> None:
    """Write weights to `tiny`, exports to `with` and `without`; print what each makes of the texts."""
    from transformers import BertConfig, BertModel

    config = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=37)
    BertModel(config).save_pretrained(folder / "tiny")
    shutil.copy(weights_folder() / "tokenizer.json", folder / "tiny")
    found = {}
    for name, model in asked(folder).items():
        export(folder / name, model=model)
        embedder = OpenVinoEmbedder(folder / name, threads=1)
        vectors = embedder.embed(texts).tolist()
        found[name] = {"name": embedder.name, "languages": embedder.languages, "vectors": vectors}
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
